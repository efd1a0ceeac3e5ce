/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/cron.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "codec/calendar.h"
#include "codec/zone.h"

#define GAP_MOST_S 10800 /* a longer one is a day that was not */
#define REPEAT_WITHIN_S (2 * DAY_SECONDS)
#define LAST_YEAR 9999

enum field { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELD_COUNT };

struct cron {
    struct zone *zone;
    char *zone_name;
    uint64_t values[FIELD_COUNT]; /* a bit each */
    bool is_any[FIELD_COUNT];     /* written as `*` or `?`, and no more */
    bool begins_with_star[FIELD_COUNT];
};

static const struct {
    const char *name;
    int least, most;
    int length; /* the longest step */
} FIELDS[FIELD_COUNT] = {
    [MINUTE] = { "minute", 0, 59, 60 }, [HOUR] = { "hour", 0, 23, 24 },         [DAY] = { "day of month", 1, 31, 31 },
    [MONTH] = { "month", 1, 12, 12 },   [WEEKDAY] = { "day of week", 0, 7, 7 },
};

/* ---- one field -------------------------------------------------------------------------------------- */

/* A piece of a field, between its commas. */
struct piece {
    enum field field;
    const char *text;
    size_t size;
};

static int refuse(const struct piece *piece, struct error *ret_error)
{
    return error_set(ret_error, EINVAL, "%s: '%.*s'", FIELDS[piece->field].name, (int)piece->size, piece->text);
}

static bool find_name(enum field field, const char *text, size_t size, int *ret_value)
{
    static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec", weekdays[] = "sunmontuewedthufrisat";
    const char *names = field == MONTH ? months : field == WEEKDAY ? weekdays : "";

    if (size != 3)
        return false;
    for (size_t i = 0; names[i] != '\0'; i += 3) {
        if (strncasecmp(names + i, text, 3) == 0) {
            *ret_value = (int)i / 3 + (field == MONTH);
            return true;
        }
    }
    return false;
}

/* Takes a number, or a name, off `*at`. */
static bool take_value(enum field field, const char **at, const char *end, int *ret_value)
{
    const char *start = *at;
    int value = 0;

    while (*at < end && **at >= '0' && **at <= '9' && *at - start < 4)
        value = value * 10 + (*(*at)++ - '0');
    if (*at > start) {
        *ret_value = value;
        return true;
    }
    size_t letters = 0;
    while (start + letters < end && ((start[letters] | 0x20) >= 'a' && (start[letters] | 0x20) <= 'z'))
        letters++;
    *at += letters;
    return find_name(field, start, letters, ret_value);
}

static int check_value(const struct piece *piece, int value, struct error *ret_error)
{
    int least = FIELDS[piece->field].least, most = FIELDS[piece->field].most;

    if (value >= least && value <= most)
        return 0;
    return error_set(ret_error, EINVAL, "%s: %d is not within %d-%d", FIELDS[piece->field].name, value, least, most);
}

static int check_step(const struct piece *piece, int step, struct error *ret_error)
{
    if (step == 0)
        return error_set(ret_error, EINVAL, "%s: step 0", FIELDS[piece->field].name);
    if (step > FIELDS[piece->field].length)
        return error_set(ret_error, EINVAL, "%s: step %d is longer than the field", FIELDS[piece->field].name, step);
    return 0;
}

struct range {
    int first, last, step;
    bool has_step;
};

/* `*`, `N`, `N-M`, each with /STEP behind it. False: it is none of them. */
static bool read_range(const struct piece *piece, struct range *range)
{
    const char *at = piece->text, *end = at + piece->size;
    bool is_day = piece->field == DAY || piece->field == WEEKDAY, is_any = false;

    *range = (struct range){ FIELDS[piece->field].least, FIELDS[piece->field].most, 1, false };
    if (at < end && (*at == '*' || (*at == '?' && is_day))) {
        is_any = true;
        range->last -= piece->field == WEEKDAY; /* Sunday once */
        at++;
    } else if (!take_value(piece->field, &at, end, &range->first)) {
        return false;
    }
    bool has_last = !is_any && at < end && *at == '-';
    if (has_last) {
        bool is_name = ++at < end && (*at < '0' || *at > '9');
        if (!take_value(piece->field, &at, end, &range->last))
            return false;
        if (piece->field == WEEKDAY && is_name && range->last == 0 && range->first > 0)
            range->last = 7; /* FRI-SUN ends with the other Sunday */
    }
    range->has_step = at < end && *at == '/';
    if (range->has_step) {
        const char *digits = ++at;
        if (!take_value(MINUTE, &at, end, &range->step) || at == digits)
            return false;
    }
    if (!is_any && !has_last && !range->has_step)
        range->last = range->first;
    return at == end;
}

static int read_piece(struct cron *cron, const struct piece *piece, struct error *ret_error)
{
    struct range range;

    if (!read_range(piece, &range))
        return refuse(piece, ret_error);
    int status = check_value(piece, range.first, ret_error);
    if (status == 0)
        status = check_value(piece, range.last, ret_error);
    if (status == 0)
        status = check_step(piece, range.step, ret_error);
    if (status != 0)
        return status;
    if (range.last < range.first)
        return error_set(ret_error, EINVAL, "%s: range '%.*s' runs backwards", FIELDS[piece->field].name, (int)piece->size, piece->text);
    assert(range.step > 0 && range.first >= 0 && range.last < 64);
    for (int value = range.first; value <= range.last; value += range.step)
        cron->values[piece->field] |= UINT64_C(1) << (piece->field == WEEKDAY ? value % 7 : value);
    return 0;
}

static int read_field(struct cron *cron, enum field field, const char *text, struct error *ret_error)
{
    cron->is_any[field] = strcmp(text, "*") == 0 || strcmp(text, "?") == 0;
    cron->begins_with_star[field] = text[0] == '*';
    for (const char *at = text;; at++) {
        struct piece piece = { field, at, strcspn(at, ",") };
        int status = read_piece(cron, &piece, ret_error);
        if (status != 0)
            return status;
        at += piece.size;
        if (*at == '\0')
            return 0;
    }
}

/* ---- the whole -------------------------------------------------------------------------------------- */

#define BLANKS " \t"

static int take_zone(struct cron *cron, const char **at, struct error *ret_error)
{
    size_t head = strncmp(*at, "TZ=", 3) == 0 ? 3 : strncmp(*at, "CRON_TZ=", 8) == 0 ? 8 : 0;
    size_t size = head > 0 ? strcspn(*at + head, BLANKS) : 0;

    cron->zone_name = head > 0 ? xstrndup(*at + head, size) : xstrdup("UTC");
    *at += head + size;
    *at += strspn(*at, BLANKS);
    return zone_open((struct bytes){ cron->zone_name, strlen(cron->zone_name) }, &cron->zone, ret_error) == 0 ? 0 : -EINVAL;
}

static const char *named(const char *text)
{
    static const struct {
        const char *name, *fields;
    } names[] = {
        { "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" }, { "@monthly", "0 0 1 * *" }, { "@weekly", "0 0 * * 0" },
        { "@daily", "0 0 * * *" },  { "@midnight", "0 0 * * *" }, { "@hourly", "0 * * * *" },
    };

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(names[i].name, text) == 0)
            return names[i].fields;
    return NULL;
}

static size_t count_fields(const char *text)
{
    size_t count = 0;

    for (const char *at = text + strspn(text, BLANKS); *at != '\0'; at += strspn(at, BLANKS)) {
        at += strcspn(at, BLANKS);
        count++;
    }
    return count;
}

static int read_fields(struct cron *cron, const char *text, struct error *ret_error)
{
    size_t count = count_fields(text);
    const char *at = text + strspn(text, BLANKS);

    if (count != FIELD_COUNT)
        return error_set(ret_error, EINVAL, "%zu fields, not 5", count);
    for (int field = 0; field < FIELD_COUNT; field++) {
        AUTO_FREE char *word = xstrndup(at, strcspn(at, BLANKS));
        int status = read_field(cron, (enum field)field, word, ret_error);
        if (status != 0)
            return status;
        at += strlen(word);
        at += strspn(at, BLANKS);
    }
    return 0;
}

/* A leap year: what does not come in one never comes. */
static bool some_day_comes(const struct cron *cron)
{
    if (cron->is_any[DAY] || !cron->is_any[WEEKDAY])
        return true;
    for (int month = 1; month <= 12; month++)
        if ((cron->values[MONTH] >> month & 1) != 0 && (cron->values[DAY] & ((UINT64_C(2) << calendar_month_length(2000, month)) - 1)) != 0)
            return true;
    return false;
}

static int parse(struct cron *cron, const char *text, struct error *ret_error)
{
    const char *at = text + strspn(text, BLANKS);

    int status = take_zone(cron, &at, ret_error);
    if (status != 0)
        return status;
    AUTO_FREE char *rest = xstrdup(at);
    size_t size = strlen(rest);
    while (size > 0 && strchr(BLANKS, rest[size - 1]) != NULL)
        rest[--size] = '\0';
    if (rest[0] == '@' && named(rest) == NULL)
        return error_set(ret_error, EINVAL, "unknown name '%.100s'", rest);
    status = read_fields(cron, rest[0] == '@' ? named(rest) : rest, ret_error);
    if (status == 0 && !some_day_comes(cron))
        return error_set(ret_error, EINVAL, "no such day in any year");
    return status;
}

int cron_parse(const char *text, struct cron **ret_cron, struct error *ret_error)
{
    struct cron *cron = xcalloc(1, sizeof(*cron));

    int status = parse(cron, text, ret_error);
    if (status != 0) {
        cron_destroy(cron);
        return status;
    }
    *ret_cron = cron;
    return 0;
}

void cron_destroy(struct cron *cron)
{
    if (cron == NULL)
        return;
    zone_close(cron->zone);
    free(cron->zone_name);
    free(cron);
}

const char *cron_zone_name(const struct cron *cron)
{
    return cron->zone_name;
}

bool cron_has_step_among_days(const struct cron *cron)
{
    if (cron->is_any[DAY] || cron->is_any[WEEKDAY])
        return false;
    return cron->begins_with_star[DAY] || cron->begins_with_star[WEEKDAY];
}

/* ---- local times: seconds since 1970 as the zone's clocks show them ------------------------------------- */

static bool has(const struct cron *cron, enum field field, int value)
{
    return (cron->values[field] >> value & 1) != 0;
}

static bool day_matches(const struct cron *cron, int64_t days)
{
    struct date date = calendar_date(days);
    bool by_date = has(cron, DAY, date.day), by_weekday = has(cron, WEEKDAY, calendar_weekday(days));

    if (!has(cron, MONTH, date.month))
        return false;
    if (cron->is_any[DAY] || cron->is_any[WEEKDAY])
        return by_date && by_weekday;
    return by_date || by_weekday;
}

/* The first minute of a day, from `minute` on; -1: none is left. */
static int next_minute(const struct cron *cron, int minute)
{
    assert(minute >= 0 && minute < 1440);
    for (int hour = minute / 60, at = minute % 60; hour < 24; hour++, at = 0)
        for (int i = at; has(cron, HOUR, hour) && i < 60; i++)
            if (has(cron, MINUTE, i))
                return hour * 60 + i;
    return -1;
}

/* The first local time of the expression at or after `from`, before `until`. False: there is none. */
static bool next_local(const struct cron *cron, int64_t from, int64_t until, int64_t *ret_local)
{
    int64_t minute = floor_div(from + 59, 60); /* whole minutes alone */
    int64_t day = floor_div(minute, 1440);
    int of_day = (int)(minute - day * 1440);

    for (; day * DAY_SECONDS < until; day++, of_day = 0) {
        int found = day_matches(cron, day) ? next_minute(cron, of_day) : -1;
        if (found < 0)
            continue;
        *ret_local = day * DAY_SECONDS + found * INT64_C(60);
        return *ret_local < until;
    }
    return false;
}

/* ---- instants ------------------------------------------------------------------------------------------- */

static bool goes_by_real_time(const struct cron *cron)
{
    return cron->begins_with_star[MINUTE] || cron->begins_with_star[HOUR];
}

/* Up to where clocks have shown the times already, before the span that begins at `begin`. */
static int64_t shown_before(const struct cron *cron, int64_t begin)
{
    int64_t shown = INT64_MIN;

    for (int64_t end = begin; end != INT64_MIN && end > begin - REPEAT_WITHIN_S;) {
        struct zone_span before = zone_span_at(cron->zone, end - 1);
        assert(before.begin < end); /* or it would never end */
        if (end + before.offset > shown)
            shown = end + before.offset;
        end = before.begin;
    }
    return shown;
}

/* Whether times of the expression were left out where `span` begins. */
static bool leaves_out(const struct cron *cron, const struct zone_span *span, int64_t shown)
{
    int64_t first = span->begin + span->offset, local;

    return shown != INT64_MIN && first > shown && first - shown <= GAP_MOST_S && next_local(cron, shown, first, &local);
}

/* The first tick at or after `from` in the span, which holds `from`. */
static bool next_in_span(const struct cron *cron, const struct zone_span *span, int64_t from, int64_t until, int64_t *ret_utc)
{
    int64_t local_from = from + span->offset, end = span->end < until ? span->end : until, local;

    assert(from >= span->begin && from < span->end);
    if (!goes_by_real_time(cron) && span->begin != INT64_MIN) {
        int64_t shown = shown_before(cron, span->begin);
        if (from == span->begin && leaves_out(cron, span, shown)) {
            *ret_utc = from;
            return true;
        }
        local_from = local_from < shown ? shown : local_from;
    }
    if (!next_local(cron, local_from, end + span->offset, &local))
        return false;
    *ret_utc = local - span->offset;
    return true;
}

bool cron_next(const struct cron *cron, int64_t unix_ms, int64_t *ret_unix_ms)
{
    int64_t until = calendar_days((struct date){ LAST_YEAR + 1, 1, 1 }) * DAY_SECONDS;
    int64_t from = floor_div(unix_ms, 1000) + 1, tick;

    while (from < until) {
        struct zone_span span = zone_span_at(cron->zone, from);
        if (next_in_span(cron, &span, from, until, &tick)) {
            assert(tick >= from);
            *ret_unix_ms = tick * 1000;
            return true;
        }
        from = span.end;
    }
    return false;
}

int32_t cron_offset_at(const struct cron *cron, int64_t unix_ms)
{
    return zone_span_at(cron->zone, floor_div(unix_ms, 1000)).offset;
}
