/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static const char *const words[] = {
    "password",    "passwd",    "passphrase", "secret",  "token",   "credential", "authorization", "oauthbearer.config", "signing_key",
    "signing-key", "event_key", "event-key",  "api_key", "api-key", "apikey",     "private_key",   "private-key",        "key.pem",
};

bool secret_is_name(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcasestr(name, words[i]) != NULL)
            return true;
    }
    return false;
}

/* The `user:password` between `://` and the `@` before the host; NULL: the text has none. */
static const char *userinfo_find(const char *text, const char **ret_at)
{
    for (const char *scheme = text; (scheme = strstr(scheme, "://")) != NULL;) {
        const char *user = scheme + 3;
        size_t length = strcspn(user, " \t\r\n\"'");
        /* A password may hold what should have been written %40, so the last one counts. */
        const char *at = memrchr(user, '@', length);
        if (at != NULL) {
            *ret_at = at;
            return user;
        }
        scheme = user;
    }
    return NULL;
}

char *secret_mask(const char *text)
{
    char *masked = NULL;
    size_t size;
    FILE *out = open_memstream(&masked, &size);
    const char *at = NULL;

    if (out == NULL)
        abort();
    for (const char *user; (user = userinfo_find(text, &at)) != NULL; text = at)
        (void)fprintf(out, "%.*s" SECRET_HIDDEN, (int)(user - text), text);
    (void)fputs(text, out);
    if (fclose(out) != 0)
        abort();
    return masked;
}

bool secret_is_in(const char *line)
{
    const char *at;

    return secret_is_name(line) || userinfo_find(line, &at) != NULL;
}
