/* SPDX-License-Identifier: Apache-2.0 */
/* schedules.jsonl: a line a schedule, with its first ticks after a time, or why it is refused. */
#include "codec/cron.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codec/calendar.h"
#include "codec/http_date.h"
#include "codec/json.h"
#include "codec/zone.h"

#define MINUTE_MS INT64_C(60000)

static const msgpack_object *member(const msgpack_object *object, const char *name)
{
    for (uint32_t i = 0; i < object->via.map.size; i++) {
        const msgpack_object_kv *pair = &object->via.map.ptr[i];
        if (pair->key.via.str.size == strlen(name) && memcmp(pair->key.via.str.ptr, name, strlen(name)) == 0)
            return &pair->val;
    }
    return NULL;
}

static int64_t time_of(const msgpack_object *text)
{
    int64_t ms;

    cr_assert_eq(rfc3339_parse((struct bytes){ text->via.str.ptr, text->via.str.size }, &ms), 0);
    return ms;
}

static struct cron *parse(const char *text)
{
    struct cron *cron = NULL;
    struct error error = { 0 };

    cr_assert_eq(cron_parse(text, &cron, &error), 0, "%s: %s", text, error.text);
    return cron;
}

static void check_ticks(const char *schedule, const msgpack_object *line)
{
    const msgpack_object *ticks = member(line, "ticks");
    int64_t at_ms = time_of(member(line, "after"));
    struct cron *cron = parse(schedule);

    for (uint32_t i = 0; i < ticks->via.array.size; i++) {
        int64_t wanted_ms = time_of(&ticks->via.array.ptr[i]);
        cr_assert(cron_next(cron, at_ms, &at_ms));
        cr_expect_eq(at_ms, wanted_ms, "%s: tick %u is %lld, not %lld", schedule, i, (long long)at_ms, (long long)wanted_ms);
    }
    cron_destroy(cron);
}

static void check_line(const msgpack_object *line)
{
    const msgpack_object *schedule = member(line, "schedule"), *refused = member(line, "refused");
    AUTO_FREE char *text = xstrndup(schedule->via.str.ptr, schedule->via.str.size);
    AUTO_FREE char *why = refused != NULL ? xstrndup(refused->via.str.ptr, refused->via.str.size) : NULL;
    struct cron *cron = NULL;
    struct error error = { 0 };

    if (refused == NULL) {
        check_ticks(text, line);
        return;
    }
    cr_expect_eq(cron_parse(text, &cron, &error), -EINVAL, "%s is not refused", text);
    cr_expect_str_eq(error.text, why, "%s", text);
}

Test(cron, ticks_or_is_refused_as_each_line_of_the_corpus_says)
{
    FILE *file = fopen(STEPD_TEST_DATA_DIR "/codec/schedules.jsonl", "re");
    char *line = NULL;
    size_t room = 0, count = 0;

    cr_assert_not_null(file);
    for (ssize_t size; (size = getline(&line, &room, file)) > 0; count++) {
        msgpack_object object;
        msgpack_zone zone;
        cr_assert(msgpack_zone_init(&zone, 4096));
        cr_assert_eq(json_decode((struct bytes){ line, (size_t)size }, &zone, &object, NULL), 0);
        check_line(&object);
        msgpack_zone_destroy(&zone);
    }
    cr_assert_geq(count, 135);
    free(line);
    (void)fclose(file);
}

Test(cron, is_refused_with_field_and_reason)
{
    static const char *const cases[][2] = {
        { "TZ=Nowhere/Town * * * * *", "unknown zone 'Nowhere/Town'" },
        { "TZ=../etc/passwd * * * * *", "unknown zone '../etc/passwd'" },
        { "TZ=Europe/Berlin", "0 fields, not 5" },
        { "TZ= * * * * *", "unknown zone ''" },
        { "* * * * * TZ=UTC", "6 fields, not 5" },
        { "0 0 30 2 *", "no such day in any year" },
        { "0 0 31 4,6,9,11 *", "no such day in any year" },
        { "0 0 31 2 ?", "no such day in any year" },
        { "*/61 * * * *", "minute: step 61 is longer than the field" },
        { "0 0-20/0 * * *", "hour: step 0" },
        { "5/ * * * *", "minute: '5/'" },
        { "/5 * * * *", "minute: '/5'" },
        { "? * * * *", "minute: '?'" },
        { "0 0 32 * *", "day of month: 32 is not within 1-31" },
        { "0 0 * jann *", "month: 'jann'" },
        { "99999999999 * * * *", "minute: '99999999999'" },
        { "0 0 * * fri-mon", "day of week: range 'fri-mon' runs backwards" },
        { "@weekly 5", "unknown name '@weekly 5'" },
        { "@", "unknown name '@'" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cron *cron = NULL;
        struct error error = { 0 };
        cr_expect_eq(cron_parse(cases[i][0], &cron, &error), -EINVAL, "%s is not refused", cases[i][0]);
        cr_expect_str_eq(error.text, cases[i][1], "%s", cases[i][0]);
    }
}

Test(cron, says_when_a_step_restricts_one_of_two_days)
{
    static const struct {
        const char *text;
        bool is_said;
    } cases[] = { { "0 0 */2 * 1", true }, { "0 0 1 * */2", true }, { "0 0 */2 * *", false }, { "0 0 1 * 1", false } };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cron *cron = parse(cases[i].text);
        cr_expect_eq(cron_has_step_among_days(cron), cases[i].is_said, "%s", cases[i].text);
        cron_destroy(cron);
    }
}

/* ---- against every minute of half a year ------------------------------------------------------------------ */

/* Schedules of one number, or all, in each field: small enough to say anew what a match is. */
struct simple {
    int minute, hour, day, month, weekday; /* -1: `*` */
};

static bool is_match(const struct simple *simple, int64_t local)
{
    struct civil_time civil = calendar_civil(local);
    bool by_day = simple->day < 0 || civil.date.day == simple->day;
    bool by_weekday = simple->weekday < 0 || calendar_weekday(calendar_days(civil.date)) == simple->weekday;
    bool is_day = simple->day >= 0 && simple->weekday >= 0 ? by_day || by_weekday : by_day && by_weekday;

    return is_day && civil.second == 0 && (simple->minute < 0 || civil.minute == simple->minute) &&
           (simple->hour < 0 || civil.hour == simple->hour) && (simple->month < 0 || civil.date.month == simple->month);
}

static bool was_shown(const struct zone *zone, int64_t utc, int64_t local)
{
    for (int64_t at = utc - 60; at > utc - 7200; at -= 60)
        if (at + zone_span_at(zone, at).offset == local)
            return true;
    return false;
}

static bool left_out_matches(const struct simple *simple, int64_t first, int64_t end)
{
    for (int64_t local = first; end - first <= 10800 && local < end; local += 60)
        if (is_match(simple, local))
            return true;
    return false;
}

static bool ticks_at(const struct simple *simple, const struct zone *zone, int64_t utc)
{
    int32_t offset = zone_span_at(zone, utc).offset, before = zone_span_at(zone, utc - 60).offset;

    if (simple->minute < 0 || simple->hour < 0)
        return is_match(simple, utc + offset);
    if (offset > before && left_out_matches(simple, utc + before, utc + offset))
        return true;
    return is_match(simple, utc + offset) && !was_shown(zone, utc, utc + offset);
}

static void write_field(char *text, int value)
{
    (void)sprintf(text + strlen(text), value < 0 ? " *" : " %d", value);
}

static void compare_over(const struct simple *simple, const char *zone_name, int64_t from, int64_t until)
{
    char text[100];
    struct zone *zone;
    int64_t tick_ms;

    (void)snprintf(text, sizeof(text), "TZ=%s", zone_name);
    write_field(text, simple->minute);
    write_field(text, simple->hour);
    write_field(text, simple->day);
    write_field(text, simple->month);
    write_field(text, simple->weekday);
    cr_assert_eq(zone_open((struct bytes){ zone_name, strlen(zone_name) }, &zone, NULL), 0);
    struct cron *cron = parse(text);
    bool has_next = cron_next(cron, (from - 60) * 1000, &tick_ms);
    for (int64_t utc = from; utc < until; utc += 60) {
        bool is_tick = has_next && tick_ms == utc * 1000;
        cr_assert_eq(is_tick, ticks_at(simple, zone, utc), "%s at %lld", text, (long long)utc);
        if (is_tick)
            has_next = cron_next(cron, tick_ms, &tick_ms);
    }
    cron_destroy(cron);
    zone_close(zone);
}

Test(cron, ticks_at_each_minute_that_matches_and_at_no_other)
{
    static const char *const zones[] = { "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana",
                                         "Africa/Cairo",  "Asia/Kathmandu",   "America/Santiago",    "UTC" };
    const int64_t begin = calendar_days((struct date){ 2026, 1, 1 }) * DAY_SECONDS;
    unsigned seed = 7;

    for (int i = 0; i < 60; i++) {
        struct simple simple = { rand_r(&seed) % 5 > 0 ? rand_r(&seed) % 60 : -1, rand_r(&seed) % 4 > 0 ? rand_r(&seed) % 5 : -1,
                                 rand_r(&seed) % 3 == 0 ? 1 + rand_r(&seed) % 31 : -1, -1,
                                 rand_r(&seed) % 3 == 0 ? rand_r(&seed) % 7 : -1 };
        int64_t from = begin + (rand_r(&seed) % 10) * 30 * DAY_SECONDS;
        compare_over(&simple, zones[(size_t)i % (sizeof(zones) / sizeof(zones[0]))], from, from + 70 * DAY_SECONDS);
    }
}

/* ---- zones ------------------------------------------------------------------------------------------------- */

Test(zone, knows_the_past_and_goes_on_by_its_rule)
{
    static const struct {
        const char *zone, *at;
        int32_t offset;
    } cases[] = {
        { "Europe/Berlin", "1945-07-01T00:00:00Z", 10800 },
        { "Europe/Berlin", "2026-07-01T00:00:00Z", 7200 },
        { "Europe/Berlin", "2026-01-01T00:00:00Z", 3600 },
        { "Europe/Berlin", "2480-07-01T00:00:00Z", 7200 },
        { "America/Sao_Paulo", "2018-12-01T00:00:00Z", -7200 },
        { "America/Sao_Paulo", "2400-12-01T00:00:00Z", -10800 },
        { "Australia/Sydney", "2300-01-01T00:00:00Z", 39600 },
        { "Europe/Dublin", "2300-07-01T00:00:00Z", 3600 },
        { "Africa/Casablanca", "2026-02-20T00:00:00Z", 0 },
        { "Asia/Kathmandu", "2026-01-01T00:00:00Z", 20700 },
        { "UTC", "2026-01-01T00:00:00Z", 0 },
        { "+05:30", "2026-01-01T00:00:00Z", 19800 },
        { "-08:00", "2026-01-01T00:00:00Z", -28800 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct zone *zone;
        int64_t ms;
        cr_assert_eq(zone_open((struct bytes){ cases[i].zone, strlen(cases[i].zone) }, &zone, NULL), 0, "%s", cases[i].zone);
        cr_assert_eq(rfc3339_parse((struct bytes){ cases[i].at, strlen(cases[i].at) }, &ms), 0);
        struct zone_span span = zone_span_at(zone, ms / 1000);
        cr_expect_eq(span.offset, cases[i].offset, "%s at %s: %d", cases[i].zone, cases[i].at, span.offset);
        cr_expect(span.begin <= ms / 1000 && ms / 1000 < span.end);
        zone_close(zone);
    }
}

Test(zone, that_is_none_is_refused)
{
    static const char *const names[] = { "",          "Europe", "Europe/Bonn", "/etc/passwd", "../../../etc/passwd",
                                         "tzdata.zi", "+25:00", "leapseconds" };
    struct zone *zone;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        cr_expect_neq(zone_open((struct bytes){ names[i], strlen(names[i]) }, &zone, NULL), 0, "%s", names[i]);
}

Test(cron, says_what_to_install_where_the_system_has_no_zones)
{
    static const char text[] = "TZ=Europe/Berlin 0 9 * * *";
    struct cron *cron = NULL;
    struct error error = { 0 };

    cr_assert_eq(setenv("TZDIR", "/nowhere/zoneinfo", 1), 0);
    cr_assert_neq(cron_parse(text, &cron, &error), 0);
    cr_expect_not_null(strstr(error.text, "package tzdata"), "%s", error.text);
}
