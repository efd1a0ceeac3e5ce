/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/deed.h"

#include <assert.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/operations.h"
#include "store/shelf.h"

char *deed_who(void)
{
    const struct passwd *user = getpwuid(geteuid());
    char host[256] = "";

    (void)gethostname(host, sizeof(host) - 1);
    if (user != NULL)
        return xasprintf("%s@%s", user->pw_name, host);
    return xasprintf("%u@%s", (unsigned)geteuid(), host);
}

void deed_tell(const struct ctl *ctl, const char *format, ...)
{
    va_list arguments;

    assert(ctl->store != NULL);
    va_start(arguments, format);
    AUTO_FREE char *what = xvasprintf(format, arguments);
    va_end(arguments);
    AUTO_FREE char *who = deed_who();
    AUTO_FREE char *line = xasprintf("%s by %s through stepctl", what, who);
    AUTO_FREE char *name = xasprintf("%" PRId64 "-%s-%ld", clock_wall_ms(), who, (long)getpid());

    if (shelf_save(ctl->store, DEEDS_SHELF, name, (struct bytes){ line, strlen(line) }) != 0)
        (void)fprintf(stderr, "stepctl: no daemon's log will tell of it: Redis did not take the line\n");
}
