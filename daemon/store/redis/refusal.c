/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/refusal.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/array.h"

#define UNDECLARED "undeclared key"                      /* Dragonfly's, when a script runs */
#define UNDECLARED_IN_TEXT "passed using the KEYS array" /* Tair's, of its text */

static const struct {
    const char *text;
    bool is_anywhere; /* inside a script the same errors come wrapped; else the text begins so */
    enum refusal refusal;
} REFUSALS[] = {
    { "NOSCRIPT", false, REFUSAL_NO_SCRIPT },
    { "MOVED ", false, REFUSAL_MOVED },
    { "ASK ", false, REFUSAL_SLOT },
    { "TRYAGAIN ", false, REFUSAL_SLOT },
    { "CLUSTERDOWN ", false, REFUSAL_SLOT },
    { "cluster is down", true, REFUSAL_SLOT },
    { "READONLY", true, REFUSAL_READ_ONLY },
    { "read only replica", true, REFUSAL_READ_ONLY },
    { "BUSY ", false, REFUSAL_PASSING },
    { "LOADING ", false, REFUSAL_PASSING },
    { "OOM ", false, REFUSAL_PASSING },
    { "-OOM ", true, REFUSAL_PASSING },
    { "OOM command not allowed", true, REFUSAL_PASSING },
    { "MISCONF ", false, REFUSAL_PASSING },
    { "-MISCONF ", true, REFUSAL_PASSING },
    { "MASTERDOWN ", false, REFUSAL_PASSING },
    { "NOREPLICAS ", false, REFUSAL_PASSING },
    { "-NOREPLICAS ", true, REFUSAL_PASSING },
    { "UNBLOCKED ", false, REFUSAL_PASSING },
    { "NOAUTH ", false, REFUSAL_PASSING },
    { "NOPERM ", true, REFUSAL_RIGHTS },
    { "The user executing the script can't", true, REFUSAL_RIGHTS },
    { "ACL failure in script", true, REFUSAL_RIGHTS },
    { UNDECLARED, true, REFUSAL_RIGHTS },
    { UNDECLARED_IN_TEXT, true, REFUSAL_RIGHTS },
    { "ERR max number", false, REFUSAL_PASSING },
    { "Script killed by user", true, REFUSAL_PASSING },
};

enum refusal refusal_of(const char *text)
{
    for (size_t i = 0; i < COUNT_OF(REFUSALS); i++) {
        const char *wanted = REFUSALS[i].text;
        bool is_it = REFUSALS[i].is_anywhere ? strstr(text, wanted) != NULL : strncmp(text, wanted, strlen(wanted)) == 0;
        if (is_it)
            return REFUSALS[i].refusal;
    }
    return REFUSAL_FINAL;
}

bool refusal_wants_declared_keys(const char *text)
{
    return strstr(text, UNDECLARED) != NULL || strstr(text, UNDECLARED_IN_TEXT) != NULL;
}
