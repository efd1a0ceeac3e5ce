/* SPDX-License-Identifier: Apache-2.0 */
#include "store/health.h"

#include <criterion/criterion.h>

Test(health, names_redis_with_its_version)
{
    struct store_health health;

    store_health_read("# Server\r\nredis_version:7.0.15\r\naof_enabled:1\r\nmaxmemory_policy:noeviction\r\n", &health);
    cr_assert_str_eq(health.product, "Redis");
    cr_assert_str_eq(health.version, "7.0.15");
    cr_assert_str_eq(health.eviction, "noeviction");
    cr_assert(health.has_append_only_file);
}

Test(health, names_valkey_with_its_own_version)
{
    struct store_health health;

    store_health_read("# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.1\r\n", &health);
    cr_assert_str_eq(health.product, "Valkey");
    cr_assert_str_eq(health.version, "8.1.1");
    cr_assert_not(health.has_append_only_file);
}
