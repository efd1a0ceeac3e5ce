/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/calendar.h"

#define DEFAULT_FOLDER "/usr/share/zoneinfo"
#define HEADER_SIZE 44
#define FILE_MOST ((size_t)1 << 20)
#define MOST_OFFSET 93599 /* RFC 8536: -25 to 26 hours */

/* One end of summer time in a year, in the rule that holds after the last transition. */
struct zone_rule {
    enum { RULE_JULIAN, RULE_DAY_OF_YEAR, RULE_WEEKDAY } kind;
    int month, week, weekday; /* WEEKDAY: week 5 is the last */
    int day;                  /* JULIAN from 1, without leap days; DAY_OF_YEAR from 0 */
    int32_t at;               /* seconds after midnight, local; may lie beyond the day */
};

struct zone {
    int64_t *transitions; /* ascending */
    int32_t *offsets;     /* from transitions[i] on */
    size_t count;
    int32_t first_offset; /* before the first */
    bool has_rule;        /* summer time goes on after the last transition */
    int32_t standard, summer;
    struct zone_rule begin, end; /* of summer time */
};

/* ---- the rule: "CET-1CEST,M3.5.0,M10.5.0/3"; each takes what it reads off `*at` ------------------------ */

static bool take(const char **at, char wanted)
{
    if (**at != wanted)
        return false;
    ++*at;
    return true;
}

static bool take_name(const char **at)
{
    const char *start = *at;

    if (take(at, '<')) {
        *at += strcspn(*at, ">");
        return take(at, '>');
    }
    while ((**at >= 'a' && **at <= 'z') || (**at >= 'A' && **at <= 'Z'))
        ++*at;
    return *at - start >= 3;
}

static bool take_number(const char **at, int most, int *ret_number)
{
    int number = 0;
    const char *start = *at;

    for (; **at >= '0' && **at <= '9' && number <= most; ++*at)
        number = number * 10 + (**at - '0');
    *ret_number = number;
    return *at > start && number <= most;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(const char **at, int32_t *ret_seconds)
{
    int hours, minutes = 0, seconds = 0;
    bool is_negative = take(at, '-');

    if (!is_negative)
        (void)take(at, '+');
    if (!take_number(at, 167, &hours))
        return false;
    if (take(at, ':') && !take_number(at, 59, &minutes))
        return false;
    if (take(at, ':') && !take_number(at, 59, &seconds))
        return false;
    int32_t total = hours * 3600 + minutes * 60 + seconds;
    *ret_seconds = is_negative ? -total : total;
    return true;
}

static bool take_rule(const char **at, struct zone_rule *rule)
{
    *rule = (struct zone_rule){ .at = 2 * 3600 };
    if (take(at, 'M')) {
        rule->kind = RULE_WEEKDAY;
        if (!take_number(at, 12, &rule->month) || rule->month == 0 || !take(at, '.') || !take_number(at, 5, &rule->week) ||
            rule->week == 0 || !take(at, '.') || !take_number(at, 6, &rule->weekday))
            return false;
    } else {
        rule->kind = take(at, 'J') ? RULE_JULIAN : RULE_DAY_OF_YEAR;
        if (!take_number(at, 365, &rule->day) || (rule->kind == RULE_JULIAN && rule->day == 0))
            return false;
    }
    return !take(at, '/') || take_time(at, &rule->at);
}

static bool parse_rules(struct zone *zone, const char *at)
{
    int32_t west;

    if (!take_name(&at) || !take_time(&at, &west) || abs(west) > MOST_OFFSET)
        return false;
    zone->standard = -west;
    if (*at == '\0')
        return true;
    zone->summer = zone->standard + 3600;
    if (!take_name(&at))
        return false;
    if (*at != ',') {
        if (!take_time(&at, &west) || abs(west) > MOST_OFFSET)
            return false;
        zone->summer = -west;
    }
    zone->has_rule = take(&at, ',') && take_rule(&at, &zone->begin) && take(&at, ',') && take_rule(&at, &zone->end);
    return zone->has_rule && *at == '\0';
}

static int64_t rule_day(const struct zone_rule *rule, int year)
{
    int64_t new_year = calendar_days((struct date){ year, 1, 1 });

    if (rule->kind == RULE_DAY_OF_YEAR)
        return new_year + rule->day;
    if (rule->kind == RULE_JULIAN)
        return new_year + rule->day - 1 + (rule->day >= 60 && calendar_month_length(year, 2) == 29);
    int64_t first = calendar_days((struct date){ year, rule->month, 1 });
    int64_t day = first + (rule->weekday - calendar_weekday(first) + 7) % 7 + (rule->week - 1) * 7;
    return day < first + calendar_month_length(year, rule->month) ? day : day - 7;
}

/* When summer time begins, or ends, in that year, in UTC. */
static int64_t rule_instant(const struct zone *zone, int year, bool is_begin)
{
    const struct zone_rule *rule = is_begin ? &zone->begin : &zone->end;
    return rule_day(rule, year) * DAY_SECONDS + rule->at - (is_begin ? zone->standard : zone->summer);
}

/* ---- the file: RFC 8536, its second part, with 64 bits ------------------------------------------------- */

struct tzif_counts {
    size_t universal, standard, leaps, transitions, types, letters;
};

static uint32_t read_32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int64_t read_64(const unsigned char *at)
{
    return (int64_t)((uint64_t)read_32(at) << 32 | read_32(at + 4));
}

static bool read_counts(struct bytes file, size_t at, struct tzif_counts *counts)
{
    const unsigned char *header = (const unsigned char *)file.data + at;

    if (file.size < at + HEADER_SIZE || memcmp(header, "TZif", 4) != 0 || header[4] < '2')
        return false;
    *counts = (struct tzif_counts){ read_32(header + 20), read_32(header + 24), read_32(header + 28),
                                    read_32(header + 32), read_32(header + 36), read_32(header + 40) };
    return true;
}

static size_t part_size(const struct tzif_counts *counts, size_t time_size)
{
    return counts->transitions * (time_size + 1) + counts->types * 6 + counts->letters + counts->leaps * (time_size + 4) +
           counts->standard + counts->universal;
}

static bool read_offset(const unsigned char *types, size_t type, size_t type_count, int32_t *ret_offset)
{
    if (type >= type_count)
        return false;
    *ret_offset = (int32_t)read_32(types + type * 6);
    return *ret_offset >= -MOST_OFFSET && *ret_offset <= MOST_OFFSET;
}

static bool read_transitions(struct zone *zone, const unsigned char *part, const struct tzif_counts *counts)
{
    const unsigned char *types = part + counts->transitions * 9;

    zone->transitions = xcalloc(counts->transitions + 1, sizeof(*zone->transitions));
    zone->offsets = xcalloc(counts->transitions + 1, sizeof(*zone->offsets));
    if (!read_offset(types, 0, counts->types, &zone->first_offset))
        return false;
    for (size_t i = 0; i < counts->transitions; i++) {
        zone->transitions[i] = read_64(part + i * 8);
        if ((i > 0 && zone->transitions[i] <= zone->transitions[i - 1]) ||
            !read_offset(types, part[counts->transitions * 8 + i], counts->types, &zone->offsets[i]))
            return false;
        zone->count++;
    }
    return true;
}

/* "\n…\n" after the second part; none means the last offset for ever. */
static bool read_footer(struct zone *zone, const char *at, const char *end)
{
    const char *stop = at < end && *at == '\n' ? memchr(at + 1, '\n', (size_t)(end - at - 1)) : NULL;

    zone->standard = zone->count > 0 ? zone->offsets[zone->count - 1] : zone->first_offset;
    if (stop == NULL || memchr(at, '\0', (size_t)(stop - at)) != NULL)
        return false;
    if (stop == at + 1)
        return true;
    AUTO_FREE char *text = xstrndup(at + 1, (size_t)(stop - at - 1));
    return parse_rules(zone, text);
}

static bool read_file(struct zone *zone, struct bytes file)
{
    struct tzif_counts counts;

    if (file.size > FILE_MOST || !read_counts(file, 0, &counts))
        return false;
    size_t second = HEADER_SIZE + part_size(&counts, 4);
    if (second > file.size || !read_counts(file, second, &counts))
        return false;
    size_t part = second + HEADER_SIZE;
    size_t size = part_size(&counts, 8);
    if (size > file.size - part)
        return false;
    const char *end = (const char *)file.data + file.size;
    return read_transitions(zone, (const unsigned char *)file.data + part, &counts) &&
           read_footer(zone, (const char *)file.data + part + size, end);
}

int zone_parse(struct bytes file, struct zone **ret_zone, struct error *ret_error)
{
    struct zone *zone = xcalloc(1, sizeof(*zone));

    if (!read_file(zone, file)) {
        zone_close(zone);
        return error_set(ret_error, EBADMSG, "it is no time zone file (TZif, version 2 or newer)");
    }
    *ret_zone = zone;
    return 0;
}

/* ---- by name ------------------------------------------------------------------------------------------- */

static struct zone *fixed_zone(int32_t offset)
{
    struct zone *zone = xcalloc(1, sizeof(*zone));

    zone->first_offset = zone->standard = offset;
    return zone;
}

/* "+05:30", "05:30" */
static bool parse_offset(const char *name, int32_t *ret_offset)
{
    static const char form[] = "00:00";
    const char *digits = name + (name[0] == '+' || name[0] == '-');

    if (strlen(digits) != sizeof(form) - 1 || digits[2] != ':')
        return false;
    for (size_t i = 0; i < sizeof(form) - 1; i++)
        if (i != 2 && (digits[i] < '0' || digits[i] > '9'))
            return false;
    int hours = atoi(digits), minutes = atoi(digits + 3);
    int32_t offset = hours * 3600 + minutes * 60;
    *ret_offset = name[0] == '-' ? -offset : offset;
    return hours <= 23 && minutes <= 59;
}

/* One that leads to no other folder. */
static bool is_safe_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/";

    return name[0] != '\0' && name[0] != '/' && strlen(name) < 100 && strspn(name, letters) == strlen(name);
}

static const char *zone_folder(void)
{
    const char *folder = getenv("TZDIR");

    return folder != NULL && folder[0] != '\0' ? folder : DEFAULT_FOLDER;
}

/* The caller frees; NULL: it can't be read. */
static char *read_zone_file(const char *name, size_t *ret_size)
{
    AUTO_FREE char *path = xasprintf("%s/%s", zone_folder(), name);
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return NULL;
    char *content = xmalloc(FILE_MOST + 1);
    *ret_size = fread(content, 1, FILE_MOST + 1, file);
    bool has_failed = ferror(file) != 0;
    (void)fclose(file);
    if (!has_failed)
        return content;
    free(content);
    return NULL;
}

int zone_open(struct bytes name, struct zone **ret_zone, struct error *ret_error)
{
    int32_t offset;
    size_t size;

    if (name.size == 0 || memchr(name.data, '\0', name.size) != NULL)
        return error_set(ret_error, ENOENT, "unknown zone ''");
    AUTO_FREE char *text = xstrndup(name.data, name.size);
    if (parse_offset(text, &offset) || strcmp(text, "UTC") == 0) {
        *ret_zone = fixed_zone(strcmp(text, "UTC") == 0 ? 0 : offset);
        return 0;
    }
    AUTO_FREE char *content = is_safe_name(text) ? read_zone_file(text, &size) : NULL;
    if (content == NULL)
        return error_set(ret_error, ENOENT, "unknown zone '%.100s'%s", text,
                         access(zone_folder(), F_OK) != 0 ? ": this system has no time zones (package tzdata)" : "");
    if (zone_parse((struct bytes){ content, size }, ret_zone, NULL) != 0)
        return error_set(ret_error, EBADMSG, "unknown zone '%.100s': its file is damaged", text);
    return 0;
}

void zone_close(struct zone *zone)
{
    if (zone == NULL)
        return;
    free(zone->transitions);
    free(zone->offsets);
    free(zone);
}

/* ---- at an instant ------------------------------------------------------------------------------------- */

static void keep_nearer(struct zone_span *span, int64_t utc, int64_t instant, int32_t offset)
{
    if (instant > utc)
        span->end = instant < span->end ? instant : span->end;
    else if (instant >= span->begin) {
        span->begin = instant;
        span->offset = offset;
    }
}

/* `after` is the last transition: what is before it is not the rule's. */
static struct zone_span rule_span(const struct zone *zone, int64_t utc, int64_t after)
{
    struct zone_span span = { INT64_MIN, INT64_MAX, zone->standard };
    int year = calendar_civil(utc).date.year;

    for (int i = year - 2; i <= year + 2; i++) {
        keep_nearer(&span, utc, rule_instant(zone, i, true), zone->summer);
        keep_nearer(&span, utc, rule_instant(zone, i, false), zone->standard);
    }
    if (span.begin < after)
        span.begin = after;
    return span;
}

/* The index of the last transition at or before `utc`; count > 0 and the first is. */
static size_t last_transition(const struct zone *zone, int64_t utc)
{
    size_t low = 0, high = zone->count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (zone->transitions[middle] <= utc)
            low = middle;
        else
            high = middle;
    }
    return low;
}

struct zone_span zone_span_at(const struct zone *zone, int64_t utc)
{
    if (zone->count == 0 && zone->has_rule)
        return rule_span(zone, utc, INT64_MIN);
    if (zone->count == 0)
        return (struct zone_span){ INT64_MIN, INT64_MAX, zone->standard };
    if (utc < zone->transitions[0])
        return (struct zone_span){ INT64_MIN, zone->transitions[0], zone->first_offset };
    size_t index = last_transition(zone, utc);
    if (index + 1 < zone->count)
        return (struct zone_span){ zone->transitions[index], zone->transitions[index + 1], zone->offsets[index] };
    if (zone->has_rule)
        return rule_span(zone, utc, zone->transitions[index]);
    return (struct zone_span){ zone->transitions[index], INT64_MAX, zone->standard };
}
