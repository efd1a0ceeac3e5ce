/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/sdk_time.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/array.h"

#define DELAY_MAX_MS (5200 * 6.048e8) /* a hundred years of weeks */

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

int sdk_time_parse(const char *text, int64_t *ret_unix_ms)
{
    struct tm utc = { 0 };
    int used = 0, offset_s;

    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &utc.tm_year, &utc.tm_mon, &utc.tm_mday, &utc.tm_hour, &utc.tm_min, &utc.tm_sec, &used) !=
            6 ||
        used == 0)
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

/* A number and its unit, moved behind. */
static int take_part(const char **at, double *ret_ms)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {
        { "ms", 1 },  { "us", 1e-3 }, { "\u00b5s", 1e-3 }, { "\u03bcs", 1e-3 }, { "ns", 1e-6 },
        { "s", 1e3 }, { "m", 6e4 },   { "h", 3.6e6 },      { "d", 8.64e7 },     { "w", 6.048e8 },
    };
    size_t digits = strspn(*at, "0123456789.");
    char *end;

    double number = strtod(*at, &end);
    if (digits == 0 || end != *at + digits)
        return -EINVAL;
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (strncmp(end, units[i].name, strlen(units[i].name)) == 0) {
            *at = end + strlen(units[i].name);
            *ret_ms = number * units[i].ms;
            return 0;
        }
    }
    return -EINVAL;
}

int sdk_time_parse_delay(const char *text, int64_t *ret_ms)
{
    bool is_over = text[0] == '-';
    const char *at = is_over ? text + 1 : text;
    double total_ms = 0;

    if (strcmp(text, "0") == 0)
        at = "";
    while (*at != '\0') {
        double part_ms;
        if (take_part(&at, &part_ms) != 0)
            return -EINVAL;
        total_ms += part_ms;
    }
    if (total_ms > DELAY_MAX_MS || (is_over && text[1] == '\0'))
        return -EINVAL;
    *ret_ms = is_over ? 0 : (int64_t)ceil(total_ms);
    return 0;
}
