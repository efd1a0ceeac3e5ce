/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

Test(memory, zeros_of_any_size_are_aligned)
{
    static const char zeros[200];

    for (size_t alignment = sizeof(void *); alignment <= 4096; alignment *= 2) {
        for (size_t size = 1; size < sizeof(zeros); size += 13) {
            void *memory = xcalloc_aligned(alignment, size);
            cr_assert_eq((uintptr_t)memory % alignment, 0);
            cr_assert_eq(memcmp(memory, zeros, size), 0);
            memset(memory, 1, size);
            free(memory);
        }
    }
}
