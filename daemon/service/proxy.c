/* SPDX-License-Identifier: Apache-2.0 */
#include "service/proxy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/memory.h"

/* As libcurl reads it; the address beside its network is for programs that know no networks. */
#define LOOPBACK "localhost,127.0.0.1,127.0.0.0/8,::1,::ffff:127.0.0.0/104"

static bool names_a_proxy(void)
{
    static const char *const NAMES[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };

    for (size_t i = 0; i < COUNT_OF(NAMES); i++) {
        const char *value = getenv(NAMES[i]);
        if (value != NULL && value[0] != '\0')
            return true;
    }
    return false;
}

void proxy_spare_loopback(void)
{
    const char *lower = getenv("no_proxy");
    const char *given = lower != NULL ? lower : getenv("NO_PROXY");

    if (!names_a_proxy() || (given != NULL && strcmp(given, "*") == 0))
        return;
    AUTO_FREE char *whole = xasprintf("%s%s%s", LOOPBACK, given != NULL && given[0] != '\0' ? "," : "", given != NULL ? given : "");
    if (setenv("no_proxy", whole, 1) != 0)
        abort();
}
