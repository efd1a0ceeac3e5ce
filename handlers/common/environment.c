/* SPDX-License-Identifier: Apache-2.0 */
#include "common/environment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void environment_add(struct environment *environment, const char *name, const char *value)
{
    size_t name_size = strlen(name);
    size_t at = 0;
    char *entry = NULL;

    if (asprintf(&entry, "%s=%s", name, value) < 0)
        abort();
    while (at < environment->count &&
           (strncmp(environment->entries[at], name, name_size) != 0 || environment->entries[at][name_size] != '='))
        at++;
    if (at < environment->count) {
        free(environment->entries[at]);
        environment->entries[at] = entry;
        return;
    }
    environment->entries = realloc(environment->entries, (environment->count + 2) * sizeof(*environment->entries));
    if (environment->entries == NULL)
        abort();
    environment->entries[environment->count++] = entry;
    environment->entries[environment->count] = NULL;
}

void environment_add_number(struct environment *environment, const char *name, int64_t number)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%" PRId64, number);
    environment_add(environment, name, text);
}

void environment_done(struct environment *environment)
{
    for (size_t i = 0; i < environment->count; i++)
        free(environment->entries[i]);
    free(environment->entries);
}

/* What the service manager told the daemon is not for others: a program that answered it would
 * speak for the daemon. */
static bool is_for_us_alone(const char *entry)
{
    static const char *const NAMES[] = { "NOTIFY_SOCKET=", "WATCHDOG_USEC=",  "WATCHDOG_PID=",          "LISTEN_FDS=",
                                         "LISTEN_PID=",    "LISTEN_FDNAMES=", "CREDENTIALS_DIRECTORY=", "MAINPID=" };

    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (strncmp(entry, NAMES[i], strlen(NAMES[i])) == 0)
            return true;
    }
    return false;
}

static void inherit(struct environment *environment)
{
    for (char **at = environ; at != NULL && *at != NULL; at++) {
        size_t name_size = strcspn(*at, "=");
        if (is_for_us_alone(*at) || (*at)[name_size] == '\0')
            continue;
        char *name = strndup(*at, name_size);
        if (name == NULL)
            abort();
        environment_add(environment, name, *at + name_size + 1);
        free(name);
    }
}

struct environment environment_create(bool inherits, const char *const *given)
{
    struct environment environment = { .count = 0 };
    const char *path = getenv("PATH");

    if (inherits)
        inherit(&environment);
    else if (path != NULL)
        environment_add(&environment, "PATH", path);
    for (const char *const *at = given; *at != NULL; at += 2)
        environment_add(&environment, at[0], at[1]);
    return environment;
}
