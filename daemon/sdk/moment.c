/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/moment.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/setting.h"

#define WEEK_MS (INT64_C(7) * 86400000)
#define WEEKS_MAX 5200

/* Digits behind a dot, as ms; moves `*at` behind them. */
static int take_fraction(const char **at)
{
    int ms = 0;
    int unit = 100;

    if (**at != '.')
        return 0;
    for (++*at; isdigit((unsigned char)**at); ++*at) {
        ms += (**at - '0') * unit;
        unit /= 10;
    }
    return ms;
}

/* "Z", "+HH:MM", or nothing, as seconds east of UTC. */
static int take_zone(const char *at, int *ret_offset_s)
{
    int hours, minutes, used = 0;

    *ret_offset_s = 0;
    if (strcmp(at, "Z") == 0 || at[0] == '\0')
        return 0;
    if (sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || at[1 + used] != '\0' || (at[0] != '+' && at[0] != '-'))
        return -EINVAL;
    *ret_offset_s = (hours * 60 + minutes) * (at[0] == '-' ? -60 : 60);
    return 0;
}

int moment_parse(const char *text, int64_t *ret_unix_ms)
{
    struct tm utc = { 0 };
    int used = 0, offset_s;

    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &utc.tm_year, &utc.tm_mon, &utc.tm_mday, &utc.tm_hour, &utc.tm_min, &utc.tm_sec,
               &used) != 6 || used == 0)
        return -EINVAL;
    const char *at = text + used;
    int fraction_ms = take_fraction(&at);
    if (utc.tm_mon < 1 || utc.tm_mon > 12 || utc.tm_mday < 1 || utc.tm_mday > 31 || utc.tm_hour > 24 || take_zone(at, &offset_s) != 0)
        return -EINVAL;
    utc.tm_year -= 1900;
    utc.tm_mon -= 1;
    *ret_unix_ms = ((int64_t)timegm(&utc) - offset_s) * 1000 + fraction_ms;
    return 0;
}

int moment_parse_delay(const char *text, int64_t *ret_ms)
{
    char *end;
    int64_t rest_ms = 0;
    long long weeks = strtoll(text, &end, 10);

    if (end == text || *end != 'w') {
        weeks = 0;
        end = (char *)(uintptr_t)text;
    } else {
        end++;
    }
    if (weeks < 0 || weeks > WEEKS_MAX || (*end != '\0' && parse_duration_ms(end, &rest_ms) != 0))
        return -EINVAL;
    *ret_ms = weeks * WEEK_MS + rest_ms;
    return 0;
}
