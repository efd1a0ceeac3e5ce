/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/library.h"

#include <criterion/criterion.h>

Test(library, new_topics_may_end_the_process_from_2_4_until_2_10)
{
    static const int broken[] = { 0x020400ff, 0x020503ff, 0x020800ff, 0x020900ff };
    static const int sound[] = { 0x020002ff, 0x020300ff, 0x020a00ff, 0x020a01ff, 0x021001ff };

    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        cr_assert(library_breaks_on_new_topics(broken[i]), "%08x", (unsigned)broken[i]);
    for (size_t i = 0; i < sizeof(sound) / sizeof(sound[0]); i++)
        cr_assert_not(library_breaks_on_new_topics(sound[i]), "%08x", (unsigned)sound[i]);
}
