/* SPDX-License-Identifier: Apache-2.0 */
#include "page/page_internal.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "page_fixture.h"
#include "run/flow_ask.h"
#include "run/flow_settings.h"

static struct page_fixture fixture;

TestSuite(lines, .timeout = 60);

static const struct stepd_limit limits[] = { { .limit = 1 } };
static const struct flow_settings settings = {
    .given = { .throttle = { .limit = 1, .period_ms = 60000 }, .concurrency_limits = { limits, 1 } },
    .asks = true,
    .is_lined = true,
    .shares_shard = true,
};

static struct flow_key key_of(struct flow_ask *ask, const char *text)
{
    const struct flow_key key = { .at = ask->texts.size, .size = strlen(text) };

    msgpack_sbuffer_write(&ask->texts, text, strlen(text));
    return key;
}

/* A run of function "f" that was made `age_ms` ago; `turn` and `place` are what its limits count by: "=KEY", or "-". */
static void stand_in_line(int number, int64_t age_ms, const char *turn, const char *place)
{
    struct store *port = store_port(fixture.redis.store);
    enum flow_answer answer = FLOW_BEGINS;
    struct sample sample;
    struct flow_ask ask;

    sample_init(&sample, number);
    sample.event.timestamp_ms = sample.run.created_ms = clock_wall_ms() - age_ms;
    sample.function.flow = &settings;
    flow_ask_init_again(&ask, &sample.function, sample.run.event, 0);
    ask.throttle = key_of(&ask, turn);
    ask.limits[0] = key_of(&ask, place);
    cr_assert_eq(port->ops->admit(port, &sample.run, &ask, &answer), 0);
    cr_assert_eq(answer, FLOW_IN_LINE);
    flow_ask_done(&ask);
}

static json_t *lines(void)
{
    const struct asked asked = { .method = "GET", .path = "/api/lines" };
    unsigned status = 0;
    AUTO_FREE char *body = page_fixture_ask(&fixture, page_lines, &asked, &status);
    json_t *answer = json_loads(body, 0, NULL);

    cr_assert_eq(status, 200, "%s", body);
    cr_assert_not_null(answer, "%s", body);
    return answer;
}

static void expect_line(json_t *answer, size_t at, const char *keys, int queued, int64_t age_ms)
{
    json_t *line = json_array_get(json_object_get(answer, "lines"), at);
    int64_t since_ms = json_integer_value(json_object_get(line, "since_ms"));

    cr_assert_str_eq(json_string_value(json_object_get(line, "function")), "f");
    cr_assert_str_eq(json_string_value(json_object_get(line, "keys")), keys);
    cr_assert_eq(json_integer_value(json_object_get(line, "queued")), queued);
    cr_assert_eq(strlen(json_string_value(json_object_get(line, "first"))), RUN_ID_LENGTH);
    cr_assert_leq(llabs(clock_wall_ms() - age_ms - since_ms), 20000);
}

Test(lines, none_where_nobody_waits)
{
    page_fixture_start(&fixture, 2);
    json_t *answer = lines();

    cr_assert_eq(json_array_size(json_object_get(answer, "lines")), 0);
    cr_assert_eq(json_integer_value(json_object_get(answer, "more")), 0);
    json_decref(answer);
    page_fixture_stop(&fixture);
}

Test(lines, each_has_its_keys_its_runs_and_how_long_the_first_waits)
{
    page_fixture_start(&fixture, 2);
    redis_fixture_beat(&fixture.redis);
    stand_in_line(1, 500000, "=red", "-");
    for (int number = 2; number < 5; number++)
        stand_in_line(number, number * 100000, "=blue", "=a 7");
    stand_in_line(5, 100000, "-", "-");
    stand_in_line(6, 90000, "-", "-");

    json_t *answer = lines();
    cr_assert_eq(json_array_size(json_object_get(answer, "lines")), 3);
    expect_line(answer, 0, "blue, a 7", 3, 400000);
    expect_line(answer, 1, "", 2, 100000);
    expect_line(answer, 2, "red", 1, 500000);
    cr_assert_eq(json_integer_value(json_object_get(answer, "more")), 0);
    json_decref(answer);
    page_fixture_stop(&fixture);
}

Test(lines, what_is_not_shown_is_counted)
{
    page_fixture_start(&fixture, 1);
    redis_fixture_beat(&fixture.redis);
    for (int number = 0; number < 25; number++) {
        AUTO_FREE char *key = xasprintf("=%d", number);
        stand_in_line(number, 1000, key, "-");
    }
    json_t *answer = lines();
    cr_assert_eq(json_array_size(json_object_get(answer, "lines")), 20);
    cr_assert_eq(json_integer_value(json_object_get(answer, "more")), 5);
    json_decref(answer);
    page_fixture_stop(&fixture);
}
