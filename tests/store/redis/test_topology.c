/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/topology.h"

#include <criterion/criterion.h>

Test(topology, slots_are_those_of_redis_cluster)
{
    /* As CLUSTER KEYSLOT has them. */
    cr_assert_eq(topology_slot(0), 13907);
    cr_assert_eq(topology_slot(1), 9842);
    cr_assert_eq(topology_slot(9), 10106);
    cr_assert_eq(topology_slot(15), 4178);
}
