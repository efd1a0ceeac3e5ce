/* SPDX-License-Identifier: Apache-2.0 */
#include "statuses.h"

#include <stddef.h>
#include <string.h>

static bool pattern_is_valid(const char *pattern)
{
    return strlen(pattern) == 3 && pattern[0] >= '1' && pattern[0] <= '5' && strspn(pattern, "0123456789x") == 3;
}

const char *statuses_find_wrong(const char *const *patterns)
{
    for (; *patterns != NULL; patterns++) {
        if (!pattern_is_valid(*patterns))
            return *patterns;
    }
    return NULL;
}

static bool pattern_matches(const char *pattern, long status)
{
    long place = 100;

    for (size_t i = 0; i < 3; i++, place /= 10) {
        if (pattern[i] != 'x' && pattern[i] - '0' != status / place % 10)
            return false;
    }
    return true;
}

bool statuses_contain(const char *const *patterns, long status)
{
    for (; status >= 100 && status <= 999 && *patterns != NULL; patterns++) {
        if (pattern_matches(*patterns, status))
            return true;
    }
    return false;
}
