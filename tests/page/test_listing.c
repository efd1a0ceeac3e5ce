/* SPDX-License-Identifier: Apache-2.0 */
#include "page/listing.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "page_fixture.h"

#define T 1700000000000

static struct page_fixture fixture;

TestSuite(listing, .timeout = 60);

static void start(int shards)
{
    page_fixture_start(&fixture, shards);
}

static json_t *page_of(const struct listing_filter *filter, const char *cursor)
{
    struct error error = { 0 };
    struct json_out out;

    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    cr_assert_eq(listing_put(fixture.redis.store, filter, cursor, &out, &error), 0, "%s", error.text);
    json_out_close(&out, '{');
    json_t *page = json_loadb(out.buffer.data, out.buffer.size, 0, NULL);
    cr_assert_not_null(page, "%.*s", (int)out.buffer.size, out.buffer.data);
    json_out_done(&out);
    return page;
}

/* Numbers of the runs' events, page by page, each page ended by a bar where `has_bars`. */
static const char *listed(const struct listing_filter *filter, bool has_bars)
{
    static char text[20000];
    AUTO_FREE char *cursor = NULL;
    size_t length = 0, pages = 0;

    text[0] = '\0';
    do {
        json_t *page = page_of(filter, cursor);
        json_t *run;
        size_t i;
        json_array_foreach(json_object_get(page, "runs"), i, run) length +=
            (size_t)snprintf(text + length, sizeof(text) - length, "%s%s", length > 0 && text[length - 1] != '|' ? " " : "",
                             json_string_value(json_object_get(run, "event_name")) + strlen("app/"));
        if (has_bars)
            length += (size_t)snprintf(text + length, sizeof(text) - length, "|");
        free(cursor);
        const char *next = json_string_value(json_object_get(page, "cursor"));
        cursor = next != NULL ? xstrdup(next) : NULL;
        json_decref(page);
        cr_assert_lt(++pages, 2000, "it never ends");
    } while (cursor != NULL);
    page_fixture_stop(&fixture);
    return text;
}

static struct listing_filter all(void)
{
    return (struct listing_filter){ .status = "", .since_ms = INT64_MIN, .until_ms = INT64_MAX, .limit = 3 };
}

static struct listing_filter of_status(const char *word)
{
    struct listing_filter filter = all();

    filter.status = word;
    return filter;
}

/* Six runs, each in another state, due in another order than they began. */
static void make_six(void)
{
    (void)page_fixture_run(&fixture, 1, "f", T + 1, T + 900, FATE_DELAYED, "Busy");
    (void)page_fixture_run(&fixture, 4, "f", T + 4, 0, FATE_OWNED, NULL);
    (void)page_fixture_run(&fixture, 2, "g", T + 2, 0, FATE_FAILED, "Broken");
    (void)page_fixture_run(&fixture, 6, "f", T + 6, T + 100, FATE_DELAYED, "Busy");
    (void)page_fixture_run(&fixture, 3, "f", T + 3, 0, FATE_COMPLETED, NULL);
    (void)page_fixture_run(&fixture, 5, "g", T + 5, T + 500, FATE_SLEEPING, NULL);
}

Test(listing, is_newest_first_whatever_the_state)
{
    struct listing_filter filter = all();

    start(1);
    make_six();
    cr_assert_str_eq(listed(&filter, true), "6 5 4|3 2 1|");
}

Test(listing, is_one_over_all_shards)
{
    struct listing_filter filter = all();

    start(7);
    make_six();
    cr_assert_str_eq(listed(&filter, true), "6 5 4|3 2 1|");
}

Test(listing, has_each_run_once_in_order)
{
    struct listing_filter filter = all();
    char wanted[2000];
    size_t length = 0;

    start(3);
    filter.limit = 7;
    for (int i = 0; i < 250; i++)
        (void)page_fixture_run(&fixture, i, "f", T + i, T + (i * 7919) % 250, i % 3 == 0 ? FATE_FAILED : FATE_DELAYED, "Busy");
    for (int i = 249; i >= 0; i--)
        length += (size_t)snprintf(wanted + length, sizeof(wanted) - length, "%s%d", i < 249 ? " " : "", i);
    cr_assert_str_eq(listed(&filter, false), wanted);
}

Test(listing, of_runs_that_began_together_has_each_once)
{
    struct listing_filter filter = all();
    bool seen[40] = { false };
    int count = 0;

    start(2);
    for (int i = 0; i < 40; i++)
        (void)page_fixture_run(&fixture, i, "f", T, T + i, FATE_DELAYED, "Busy");
    for (char *word = strtok((char *)(uintptr_t)listed(&filter, false), " "); word != NULL; word = strtok(NULL, " ")) {
        cr_assert_not(seen[atoi(word)], "%s comes twice", word);
        seen[atoi(word)] = true;
        count++;
    }
    cr_assert_eq(count, 40);
}

Test(listing, does_not_move_when_runs_come)
{
    struct listing_filter filter = all();

    start(1);
    make_six();
    json_t *first = page_of(&filter, NULL);
    (void)page_fixture_run(&fixture, 7, "f", T + 7, T, FATE_DELAYED, NULL);
    (void)page_fixture_run(&fixture, 8, "f", T + 8, T, FATE_DELAYED, NULL);
    json_t *second = page_of(&filter, json_string_value(json_object_get(first, "cursor")));
    cr_assert_str_eq(json_string_value(json_object_get(json_array_get(json_object_get(second, "runs"), 0), "event_name")), "app/3");
    json_decref(first);
    json_decref(second);
    page_fixture_stop(&fixture);
}

Test(listing, filters)
{
    const struct {
        const char *status, *function, *error, *text;
        int64_t since_ms, until_ms;
        const char *wanted;
    } cases[] = {
        { "", "g", NULL, NULL, INT64_MIN, INT64_MAX, "5 2" },          { "", NULL, NULL, "app/4", INT64_MIN, INT64_MAX, "4" },
        { "", NULL, NULL, "e-3", INT64_MIN, INT64_MAX, "3" },          { "", NULL, NULL, NULL, T + 3, T + 4, "4 3" },
        { "", NULL, "Busy", NULL, INT64_MIN, INT64_MAX, "6 1" },       { "running", NULL, NULL, NULL, INT64_MIN, INT64_MAX, "4" },
        { "delayed", NULL, NULL, NULL, INT64_MIN, INT64_MAX, "6 1" },  { "delayed", NULL, NULL, NULL, T + 2, INT64_MAX, "6" },
        { "sleeping", NULL, NULL, NULL, INT64_MIN, INT64_MAX, "5" },   { "behind", NULL, NULL, NULL, INT64_MIN, INT64_MAX, "" },
        { "failed", NULL, NULL, NULL, INT64_MIN, INT64_MAX, "2" },     { "failed", "f", NULL, NULL, INT64_MIN, INT64_MAX, "" },
        { "failed", NULL, "Broken", NULL, INT64_MIN, INT64_MAX, "2" }, { "failed", NULL, "Other", NULL, INT64_MIN, INT64_MAX, "" },
        { "completed", NULL, NULL, NULL, INT64_MIN, INT64_MAX, "3" },  { "cancelled", NULL, NULL, NULL, INT64_MIN, INT64_MAX, "" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct listing_filter filter = { .status = cases[i].status,
                                               .function = cases[i].function,
                                               .error = cases[i].error,
                                               .text = cases[i].text,
                                               .since_ms = cases[i].since_ms,
                                               .until_ms = cases[i].until_ms,
                                               .limit = 1 };
        start(1);
        make_six();
        cr_expect_str_eq(listed(&filter, false), cases[i].wanted, "case %zu", i);
    }
}

Test(listing, tells_what_it_is_in_order_of)
{
    struct listing_filter filter = of_status("failed");

    start(1);
    make_six();
    json_t *page = page_of(&filter, NULL);
    cr_assert_str_eq(json_string_value(json_object_get(page, "order")), "ended");
    cr_assert(json_is_false(json_object_get(page, "is_older")));
    json_decref(page);
    page_fixture_stop(&fixture);
}

/* As if they were older than the newest ten thousand. */
static void make_old(int64_t until_ms)
{
    (void)redis_says(fixture.redis.store, "ZREMRANGEBYSCORE t{0}:newest -inf %lld", (long long)until_ms);
}

Test(listing, goes_on_with_what_is_older_than_the_newest)
{
    struct listing_filter filter = all();

    start(1);
    make_six();
    make_old(T + 3);
    cr_assert_str_eq(listed(&filter, true), "6 5 4|3 2 1|", "of an older page, latest of those found first");
}

Test(listing, puts_a_few_delayed_runs_in_order_however_old)
{
    struct listing_filter filter = of_status("delayed");

    start(1);
    filter.limit = 2;
    for (int i = 0; i < 5; i++)
        (void)page_fixture_run(&fixture, i, "f", T + i, T + 100 - i, FATE_DELAYED, NULL);
    make_old(T + 100);
    cr_assert_str_eq(listed(&filter, true), "4 3|2 1|0|");
}

Test(listing, finds_the_newest_among_many_delayed)
{
    struct listing_filter filter = of_status("delayed");

    start(1);
    (void)redis_says(fixture.redis.store,
                     "EVAL for\ti=1,5000\tdo\tredis.call('ZADD',KEYS[1],i,string.format('%%032d',i))\tend 1 t{0}:delayed");
    for (int i = 0; i < 4; i++)
        (void)page_fixture_run(&fixture, i, "f", T + i, T * 2 - i, FATE_DELAYED, NULL);
    json_t *page = page_of(&filter, NULL);
    json_t *runs = json_object_get(page, "runs");
    cr_assert_eq(json_array_size(runs), 3);
    cr_assert_str_eq(json_string_value(json_object_get(json_array_get(runs, 0), "event_name")), "app/3");
    json_decref(page);
    page_fixture_stop(&fixture);
}

Test(listing, refuses_what_is_no_number)
{
    static const char *const names[] = { "limit", "since", "until" };
    unsigned status;

    start(1);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct asked asked = { .method = "GET", .path = "/api/runs", .query = { names[i], "soon" } };
        AUTO_FREE char *body = page_fixture_ask(&fixture, page_runs, &asked, &status);
        cr_expect_eq(status, 400);
        cr_expect_not_null(strstr(body, names[i]), "%s", body);
    }
    page_fixture_stop(&fixture);
}

Test(listing, refuses_what_is_no_cursor_and_no_status)
{
    static const char *const cursors[] = {
        "x", "nx", "n1", "n1.", "n1.x", "n1.-1", "n1.1_", "n1.1_2.2", "n99999999999999999999.1", "n1.1 ", "n1.9223372036854775807", "0"
    };
    struct listing_filter filter = all();
    struct error error = { 0 };
    struct json_out out;

    start(1);
    json_out_init(&out);
    for (size_t i = 0; i < sizeof(cursors) / sizeof(cursors[0]); i++)
        cr_expect_eq(listing_put(fixture.redis.store, &filter, cursors[i], &out, &error), -EINVAL, "%s", cursors[i]);
    filter.status = "lost";
    cr_expect_eq(listing_put(fixture.redis.store, &filter, NULL, &out, &error), -EINVAL);
    cr_expect_str_eq(error.text, "no such status: lost");
    json_out_done(&out);
    page_fixture_stop(&fixture);
}
