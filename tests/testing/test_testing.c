/* SPDX-License-Identifier: Apache-2.0 */
/* What stepd::testing itself offers; what the engine does is tried by the conformance scenarios. */
#include <stepd/testing.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    int64_t times;
    const char *word;
};

struct greet_options {
    const char *greeting;
};

static int threads_alive;
static int executions;

static int init(const void *options, void **ret_shared)
{
    *ret_shared = (void *)(uintptr_t)options;
    return strcmp(((const struct options *)options)->word, "refuse") == 0 ? -EPERM : 0;
}

static int thread_init(void *shared, void **ret_local)
{
    (void)shared;
    threads_alive++;
    *ret_local = &threads_alive;
    return 0;
}

static void thread_exit(void *shared, void *local)
{
    (void)shared;
    (*(int *)local)--;
}

/* ---- functions ----------------------------------------------------------------------------------- */

static void pack_text(struct stepd_ctx *ctx, const char *text)
{
    msgpack_pack_str_with_body(stepd_output(ctx), text, strlen(text));
}

static enum stepd_status greet(struct stepd_ctx *ctx)
{
    const struct greet_options *own = stepd_options(ctx);

    msgpack_pack_map(stepd_output(ctx), 2);
    pack_text(ctx, own->greeting);
    pack_text(ctx, stepd_get_str(ctx, stepd_event(ctx)->data, "user.name", "nobody"));
    pack_text(ctx, "at");
    msgpack_pack_int64(stepd_output(ctx), stepd_event(ctx)->ts_ms);
    return STEPD_OK;
}

static enum stepd_status count_execution(struct stepd_ctx *ctx, const void *arg)
{
    (void)arg;
    executions++;
    msgpack_pack_int(stepd_output(ctx), executions);
    return STEPD_OK;
}

static enum stepd_status stepwise(struct stepd_ctx *ctx)
{
    const struct options *options = stepd_shared(ctx);

    for (int64_t i = 0; i < options->times; i++)
        STEPD_TRY(stepd_step_run(ctx, options->word, count_execution, NULL, NULL));
    return stepd_sleep(ctx, "nap", 1000);
}

static enum stepd_status once(struct stepd_ctx *ctx)
{
    static const struct stepd_policy policy = { .at_most_once = true };

    return stepd_step_run_with(ctx, &policy, "once", count_execution, NULL, NULL);
}

static enum stepd_status doomed(struct stepd_ctx *ctx)
{
    return stepd_error(ctx, "Doomed", "attempt %d", stepd_attempt(ctx));
}

static enum stepd_status fragile(struct stepd_ctx *ctx)
{
    if (stepd_attempt(ctx) == 0)
        abort();
    return STEPD_OK;
}

static enum stepd_status hangs(struct stepd_ctx *ctx)
{
    if (stepd_attempt(ctx) > 0)
        return STEPD_OK;
    while (!stepd_is_cancelled(ctx))
        (void)usleep(1000);
    return STEPD_OK;
}

static enum stepd_status hang_in_step(struct stepd_ctx *ctx, const void *arg)
{
    (void)arg;
    return hangs(ctx);
}

static enum stepd_status hangs_in_step(struct stepd_ctx *ctx)
{
    return stepd_step_run_with(ctx, &(struct stepd_policy){ .retries = 1, .backoff = STEPD_BACKOFF(700), .timeout_ms = 20 }, "hang",
                               hang_in_step, NULL, NULL);
}

static enum stepd_status ordered(struct stepd_ctx *ctx)
{
    return stepd_sleep(ctx, "wait", stepd_get_int(ctx, stepd_event(ctx)->data, "ms", 0));
}

static enum stepd_status sleeps_until(struct stepd_ctx *ctx)
{
    return stepd_sleep_until(ctx, "until", stepd_get_int(ctx, stepd_event(ctx)->data, "ms", 0));
}

static enum stepd_status tell(struct stepd_ctx *ctx)
{
    return stepd_send_event(ctx, "tell", "user/came", NULL);
}

static enum stepd_status measure(struct stepd_ctx *ctx)
{
    msgpack_pack_uint64(stepd_output(ctx), stepd_event(ctx)->raw_len);
    return STEPD_OK;
}

/* Waits for what its data say, and ends with the number of the event that it was given. */
static enum stepd_status waits(struct stepd_ctx *ctx)
{
    const msgpack_object *data = stepd_event(ctx)->data;
    const struct stepd_wait wish = {
        .event = "paid",
        .when = stepd_get_str(ctx, data, "when", NULL),
        .timeout_ms = stepd_get_int(ctx, data, "timeout", 0),
    };
    const struct stepd_event *event = NULL;

    STEPD_TRY(stepd_wait_for_event(ctx, "paid", &wish, &event));
    if (event != NULL)
        msgpack_pack_int64(stepd_output(ctx), stepd_get_int(ctx, event->data, "n", -1));
    return STEPD_OK;
}

/* Asks, and waits for two answers: ends with the numbers of both. */
static enum stepd_status asks_twice(struct stepd_ctx *ctx)
{
    const struct stepd_event *first, *second;

    STEPD_TRY(stepd_sleep(ctx, "ask", 10));
    STEPD_TRY(stepd_wait_for_event(ctx, "first", &(struct stepd_wait){ .event = "paid", .when = "async.data.n > 1" }, &first));
    STEPD_TRY(stepd_wait_for_event(ctx, "second", &(struct stepd_wait){ .event = "paid" }, &second));
    msgpack_pack_int64(stepd_output(ctx), stepd_get_int(ctx, first->data, "n", 0) * 100 + stepd_get_int(ctx, second->data, "n", 0));
    return STEPD_OK;
}

STEPD_MODULE(.name = "sample", .init = init, .thread_init = thread_init, .thread_exit = thread_exit,
             .options = STEPD_OPTIONS(
                 STEPD_OPTION(.name = "times", .type = STEPD_INT, .offset = offsetof(struct options, times), .default_text = "2"),
                 STEPD_OPTION(.name = "word", .type = STEPD_STRING, .offset = offsetof(struct options, word), .default_text = "count")),
             .options_size = sizeof(struct options),
             .functions = STEPD_FUNCTIONS(
                 STEPD_FUNCTION(.id = "greet", .event = "user/came", .run = greet, .dedupe_ms = 60000,
                                .options = STEPD_OPTIONS(STEPD_OPTION(.name = "greeting", .type = STEPD_STRING, .default_text = "hello",
                                                                      .offset = offsetof(struct greet_options, greeting))),
                                .options_size = sizeof(struct greet_options)),
                 STEPD_FUNCTION(.id = "stepwise", .event = "user/*", .run = stepwise),
                 STEPD_FUNCTION(.id = "once", .event = "once", .run = once),
                 STEPD_FUNCTION(.id = "doomed", .event = "doomed", .run = doomed, .retries = 2),
                 STEPD_FUNCTION(.id = "doomed-once", .event = "doomed/once", .run = doomed, .retries = 1, .dedupe_ms = 60000),
                 STEPD_FUNCTION(.id = "seen-once", .event = "seen/once", .run = measure, .dedupe_ms = 60000),
                 STEPD_FUNCTION(.id = "doomed-too", .event = "stepd/*", .run = doomed, .retries = 0),
                 STEPD_FUNCTION(.id = "fragile", .event = "fragile", .run = fragile),
                 STEPD_FUNCTION(.id = "hangs", .event = "hangs", .run = hangs, .timeout_ms = 20),
                 STEPD_FUNCTION(.id = "hangs-in-step", .event = "hangs-in-step", .run = hangs_in_step),
                 STEPD_FUNCTION(.id = "ordered", .event = "ordered", .run = ordered, .ordering = STEPD_BY_KEY),
                 STEPD_FUNCTION(.id = "sleeps-until", .event = "sleeps-until", .run = sleeps_until),
                 STEPD_FUNCTION(.id = "tell", .event = "tell", .run = tell), STEPD_FUNCTION(.id = "waits", .event = "made", .run = waits),
                 STEPD_FUNCTION(.id = "expects", .event = "asked", .run = asks_twice,
                                .expects = STEPD_EXPECTS({ .event = "paid", .when = "async.data.id == event.data.id" }),
                                .cancel_on = STEPD_CANCEL_ON({ .event = "gone", .when = "async.data.id == event.data.id" })),
                 STEPD_FUNCTION(.id = "measure", .topic = "raw", .run = measure)));

static struct stepd_test *test;

static void setup(void)
{
    executions = 0;
    test = stepd_test_create(&stepd_module);
}

static void teardown(void)
{
    stepd_test_destroy(test);
}

TestSuite(testing, .init = setup, .fini = teardown, .timeout = 60);

/* ---- settings ------------------------------------------------------------------------------------ */

Test(testing, settings_are_those_of_a_config)
{
    stepd_test_configure(test, "functions: {greet: {greeting: '%s'}, doomed: {retries: 0}}", "good morning");
    stepd_test_configure(test, "options: {sample: {times: 3}}");
    struct stepd_test_run *run = stepd_test_start(test, "greet", STEPD_TEST_EVENT(.data = "{user: {name: Ada}}", .ts_ms = 5));
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_COMPLETED);
    cr_assert(stepd_test_equals(stepd_test_output(run), "{at: 5, good morning: Ada}"), "%s", stepd_test_output_json(run));

    run = stepd_test_start(test, "doomed", NULL);
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_FAILED);
    cr_assert_eq(stepd_test_attempt_count(run), 1);

    run = stepd_test_start(test, "stepwise", NULL);
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_COMPLETED);
    cr_assert_eq(executions, 3);
}

Test(testing, wrong_settings_are_refused)
{
    stepd_test_configure(test, "options: {sample: {tims: 3}}");
    cr_assert_eq(stepd_test_init(test), -EINVAL);
}

Test(testing, settings_of_another_module_are_refused)
{
    stepd_test_configure(test, "options: {simple: {times: 3}}");
    cr_assert_eq(stepd_test_init(test), -EINVAL);
}

Test(testing, a_module_may_refuse_to_start)
{
    stepd_test_configure(test, "options: {sample: {word: refuse}}");
    cr_assert_eq(stepd_test_init(test), -EPERM);
}

Test(testing, the_module_is_told_of_its_end)
{
    struct stepd_test *other = stepd_test_create(&stepd_module);

    cr_assert_eq(stepd_test_init(other), 0);
    cr_assert_eq(threads_alive, 1);
    stepd_test_destroy(other);
    cr_assert_eq(threads_alive, 0);
}

/* ---- time ---------------------------------------------------------------------------------------- */

Test(testing, attempts_are_made_one_by_one)
{
    struct stepd_test_run *run = stepd_test_start(test, "doomed", NULL);

    cr_assert_eq(stepd_test_status(run), STEPD_TEST_READY);
    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_DELAYED);
    cr_assert_eq(stepd_test_now_ms(test), STEPD_TEST_BEGIN_MS);
    cr_assert_geq(stepd_test_due_ms(run), STEPD_TEST_BEGIN_MS + 15000);
    cr_assert_lt(stepd_test_due_ms(run), STEPD_TEST_BEGIN_MS + 45000);
    int64_t due_ms = stepd_test_due_ms(run);
    cr_assert_str_eq(stepd_test_error(run)->message, "attempt 0");

    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_DELAYED);
    cr_assert_eq(stepd_test_now_ms(test), due_ms);
    cr_assert_eq(stepd_test_attempt_at(run, 1)->delay_ms, due_ms - STEPD_TEST_BEGIN_MS);
    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_FAILED);
    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_FAILED);
    cr_assert_eq(stepd_test_attempt_count(run), 3);
    cr_assert_eq(stepd_test_due_ms(run), 0);
}

Test(testing, a_sleep_may_last_until_the_year_9999)
{
    struct stepd_test_run *run = stepd_test_start(test, "sleeps-until", STEPD_TEST_EVENT(.data = "{ms: 4102444800000}"));
    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_SLEEPING);
    cr_assert_eq(stepd_test_due_ms(run), 4102444800000);

    run = stepd_test_start(test, "sleeps-until", STEPD_TEST_EVENT(.data = "{ms: 9223372036854775807}"));
    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_SLEEPING);
    cr_assert_eq(stepd_test_due_ms(run), 253402300799999);
}

Test(testing, time_that_is_let_pass_makes_a_run_ready)
{
    struct stepd_test_run *run = stepd_test_start(test, "stepwise", NULL);

    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_SLEEPING);
    cr_assert_null(stepd_test_step_find(run, "nap"));
    stepd_test_advance(test, 1000);
    cr_assert_eq(stepd_test_status(run), STEPD_TEST_READY);
    cr_assert_not_null(stepd_test_step_find(run, "nap"));
    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_now_ms(test), STEPD_TEST_BEGIN_MS + 1000);
}

Test(testing, runs_take_turns_as_they_are_due)
{
    struct stepd_test_run *later = stepd_test_start(test, "ordered", STEPD_TEST_EVENT(.key = "a", .data = "{ms: 500}"));
    struct stepd_test_run *sooner = stepd_test_start(test, "ordered", STEPD_TEST_EVENT(.key = "b", .data = "{ms: 100}"));

    stepd_test_finish_all(test);
    cr_assert_eq(stepd_test_attempt_at(later, 1)->at_ms, STEPD_TEST_BEGIN_MS + 500);
    cr_assert_eq(stepd_test_attempt_at(sooner, 1)->at_ms, STEPD_TEST_BEGIN_MS + 100);
}

/* ---- steps --------------------------------------------------------------------------------------- */

Test(testing, steps_are_read_back)
{
    struct stepd_test_run *run = stepd_test_start(test, "stepwise", NULL);

    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_step_count(run), 3);
    cr_assert_str_eq(stepd_test_step_at(run, 1)->id, "count:1");
    cr_assert_eq(stepd_test_step_at(run, 1)->status, STEPD_STEP_COMPLETED);
    cr_assert_eq(stepd_test_step_at(run, 1)->executions, 1);
    cr_assert_str_eq(stepd_test_step_at(run, 1)->json, "2");
    cr_assert_eq(stepd_test_step_find(run, "count")->value->via.u64, 1);
    cr_assert_null(stepd_test_step_at(run, 3));
    cr_assert_null(stepd_test_step_find(run, "none"));
}

/* ---- crashes ------------------------------------------------------------------------------------- */

Test(testing, what_was_not_recorded_is_forgotten)
{
    struct stepd_test_run *run = stepd_test_start(test, "stepwise", NULL);

    stepd_test_crash(run, STEPD_TEST_BEFORE, "count:1");
    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_READY);
    cr_assert_eq(stepd_test_step_count(run), 1);
    cr_assert_eq(stepd_test_takeovers(run), 1);
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_COMPLETED);
    cr_assert_eq(executions, 3);
    cr_assert_eq(stepd_test_attempt_at(run, 1)->attempt, 0, "it is no attempt");
}

Test(testing, what_was_recorded_is_not_done_again)
{
    struct stepd_test_run *run = stepd_test_start(test, "stepwise", NULL);

    stepd_test_crash(run, STEPD_TEST_AFTER, "count:1");
    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_READY);
    cr_assert_eq(stepd_test_step_count(run), 2);
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_COMPLETED);
    cr_assert_eq(executions, 2);
}

Test(testing, a_run_that_nobody_has_recorded_begins_anew)
{
    struct stepd_test_run *run = stepd_test_start(test, "doomed", NULL);

    stepd_test_crash(run, STEPD_TEST_BEFORE, NULL);
    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_READY);
    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_DELAYED);
    cr_assert_eq(stepd_test_attempt_at(run, 1)->attempt, 0);
}

Test(testing, a_step_that_may_run_once_has_an_unknown_outcome)
{
    struct stepd_test_run *run = stepd_test_start(test, "once", NULL);

    stepd_test_crash(run, STEPD_TEST_BEFORE, "once");
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_FAILED);
    cr_assert_eq(executions, 1);
    cr_assert_str_eq(stepd_test_error(run)->name, "OutcomeUnknown");
    cr_assert_str_eq(stepd_test_error(run)->step_id, "once");
}

Test(testing, a_handler_may_crash_if_that_is_asked_for)
{
    stepd_test_catch_crashes(test);
    struct stepd_test_run *run = stepd_test_start(test, "fragile", NULL);

    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_DELAYED);
    cr_assert_str_eq(stepd_test_error(run)->name, "HandlerCrashed");
    cr_assert_str_eq(stepd_test_attempt_at(run, 0)->error->name, "HandlerCrashed");
    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_COMPLETED);
}

Test(testing, a_crash_ends_the_program_otherwise, .signal = SIGABRT)
{
    (void)stepd_test_attempt(stepd_test_start(test, "fragile", NULL));
}

Test(testing, a_handler_that_takes_too_long_has_failed)
{
    struct stepd_test_run *run = stepd_test_start(test, "hangs", NULL);

    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_DELAYED);
    cr_assert_str_eq(stepd_test_error(run)->name, "HandlerTimeout");
    cr_assert_null(stepd_test_error(run)->step_id);
    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_COMPLETED);
}

Test(testing, a_step_that_takes_too_long_is_retried_by_its_own_policy)
{
    struct stepd_test_run *run = stepd_test_start(test, "hangs-in-step", NULL);

    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_DELAYED);
    cr_assert_str_eq(stepd_test_error(run)->step_id, "hang");
    cr_assert_eq(stepd_test_due_ms(run), STEPD_TEST_BEGIN_MS + 700);
    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_step_find(run, "hang")->executions, 2);
}

/* ---- events -------------------------------------------------------------------------------------- */

Test(testing, an_event_starts_what_its_name_matches)
{
    cr_assert_eq(stepd_test_send(test, STEPD_TEST_EVENT(.name = "user/came", .data = "{}")), 2);
    cr_assert_str_eq(stepd_test_function_id(stepd_test_run_at(test, 0)), "greet");
    cr_assert_str_eq(stepd_test_function_id(stepd_test_run_at(test, 1)), "stepwise");
    cr_assert_eq(stepd_test_send(test, STEPD_TEST_EVENT(.name = "nobody/wants")), 0);
    cr_assert_eq(stepd_test_run_count(test), 2);
}

Test(testing, a_topic_may_hold_any_bytes)
{
    cr_assert_eq(stepd_test_send(test, STEPD_TEST_EVENT(.topic = "raw", .raw = "\0\xff no event", .raw_len = 11)), 1);
    struct stepd_test_run *run = stepd_test_run_at(test, 0);
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_COMPLETED);
    cr_assert_str_eq(stepd_test_output_json(run), "11");
}

Test(testing, what_is_no_event_is_a_dead_letter)
{
    cr_assert_eq(stepd_test_send(test, STEPD_TEST_EVENT(.raw = "{\"name\":", .raw_len = 8)), 0);
    cr_assert_eq(stepd_test_letter_count(test), 1);
    cr_assert_str_eq(stepd_test_letter_at(test, 0)->topic, "events.dead");
}

Test(testing, what_is_sent_is_of_the_trace_of_its_event)
{
    static const char *const headers[] = { "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                           "tracestate",  "congo=t61 v",
                                           "baggage",     "user=ada",
                                           "tenant",      "acme",
                                           NULL };

    stepd_test_finish(stepd_test_start(test, "tell", STEPD_TEST_EVENT(.headers = headers)));
    const struct stepd_test_event *sent = stepd_test_sent_at(test, 0);
    cr_assert_str_eq(stepd_test_header(sent, "traceparent"), headers[1]);
    cr_assert_str_eq(stepd_test_header(sent, "tracestate"), headers[3]);
    cr_assert_str_eq(stepd_test_header(sent, "baggage"), headers[5]);
    cr_assert_null(stepd_test_header(sent, "tenant"));
}

static const char *const batch_headers[] = { "content-type", "application/cloudevents-batch+json", "tenant", "acme", NULL };

Test(testing, a_batch_is_as_many_events_as_it_holds)
{
    static const char batch[] = "[{\"type\":\"user/came\",\"id\":\"1\",\"data\":{}},{\"type\":\"user/came\",\"id\":\"2\",\"data\":{}},"
                                "{\"type\":\"nobody/wants\"},{\"type\":\"user/came\",\"time\":\"soon\"}]";

    cr_assert_eq(stepd_test_send(test, STEPD_TEST_EVENT(.raw = batch, .raw_len = sizeof(batch) - 1, .headers = batch_headers)), 4);
    cr_assert_eq(stepd_test_run_count(test), 4);
    cr_assert_str_neq(stepd_test_run_id(stepd_test_run_at(test, 0)), stepd_test_run_id(stepd_test_run_at(test, 2)));
    cr_assert_eq(stepd_test_letter_count(test), 1);
    const struct stepd_test_event *letter = stepd_test_letter_at(test, 0);
    cr_assert_eq(letter->raw_len, strlen("{\"type\":\"user/came\",\"time\":\"soon\"}"));
    cr_assert_arr_eq(letter->raw, "{\"type\":\"user/came\",\"time\":\"soon\"}", letter->raw_len);
    cr_assert_str_eq(stepd_test_header(letter, "content-type"), "application/cloudevents+json");
    cr_assert_str_eq(stepd_test_header(letter, "tenant"), "acme");
    cr_assert_eq(stepd_test_send(test, STEPD_TEST_EVENT(.raw = "[]", .raw_len = 2, .headers = batch_headers)), 0);
    cr_assert_eq(stepd_test_letter_count(test), 1);
}

Test(testing, an_id_seen_within_the_window_starts_nothing)
{
    const struct stepd_test_event event = { .name = "user/came", .id = "e1" };
    struct stepd_test_run *first = stepd_test_start(test, "greet", &event);
    struct stepd_test_run *second = stepd_test_start(test, "greet", &event);

    cr_assert_eq(stepd_test_finish(second), STEPD_TEST_DUPLICATE);
    cr_assert_eq(stepd_test_finish(first), STEPD_TEST_COMPLETED);
    stepd_test_advance(test, 60001);
    struct stepd_test_run *third = stepd_test_start(test, "greet", &event);
    cr_assert_eq(stepd_test_status(third), STEPD_TEST_READY, "a run of its own");
    cr_assert_str_neq(stepd_test_run_id(third), stepd_test_run_id(first));
    cr_assert_eq(stepd_test_finish(third), STEPD_TEST_COMPLETED);
}

Test(testing, an_id_that_comes_again_after_its_window_is_retried_like_any_other)
{
    const struct stepd_test_event event = { .name = "doomed/once", .id = "e1" };
    struct stepd_test_run *first = stepd_test_start(test, "doomed-once", &event);

    cr_assert_eq(stepd_test_finish(first), STEPD_TEST_FAILED);
    stepd_test_advance(test, 60001);
    struct stepd_test_run *second = stepd_test_start(test, "doomed-once", &event);
    cr_assert_eq(stepd_test_finish(second), STEPD_TEST_FAILED);
    cr_assert_eq(stepd_test_attempt_count(first), 2);
    cr_assert_eq(stepd_test_attempt_count(second), 2);
    cr_assert_eq(stepd_test_letter_count(test), 2);
}

Test(testing, a_cloud_event_of_another_source_is_another_event)
{
    const char *const lms[] = { "ce_specversion", "1.0", "ce_type", "seen/once", "ce_id", "1", "ce_source", "/lms", NULL };
    const char *const studio[] = { "ce_specversion", "1.0", "ce_type", "seen/once", "ce_id", "1", "ce_source", "/studio", NULL };
    const struct stepd_test_event first = { .headers = lms }, second = { .headers = studio };

    cr_assert_eq(stepd_test_send(test, &first), 1);
    cr_assert_eq(stepd_test_send(test, &second), 1);
    cr_assert_eq(stepd_test_send(test, &first), 1);
    stepd_test_finish_all(test);
    cr_assert_eq(stepd_test_status(stepd_test_run_at(test, 0)), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_status(stepd_test_run_at(test, 1)), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_status(stepd_test_run_at(test, 2)), STEPD_TEST_DUPLICATE);
}

Test(testing, a_keys_runs_wait_for_each_other)
{
    struct stepd_test_run *first = stepd_test_start(test, "ordered", STEPD_TEST_EVENT(.key = "k", .data = "{ms: 50}"));
    struct stepd_test_run *second = stepd_test_start(test, "ordered", STEPD_TEST_EVENT(.key = "k", .data = "{ms: 50}"));
    struct stepd_test_run *other = stepd_test_start(test, "ordered", STEPD_TEST_EVENT(.key = "l", .data = "{ms: 50}"));

    cr_assert_eq(stepd_test_attempt(second), STEPD_TEST_BEHIND);
    cr_assert_eq(stepd_test_attempt(other), STEPD_TEST_SLEEPING);
    cr_assert_eq(stepd_test_finish(second), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_status(first), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_attempt_at(second, 0)->at_ms, STEPD_TEST_BEGIN_MS + 50);
}

Test(testing, a_failure_of_who_is_told_of_failures_is_told_to_nobody)
{
    cr_assert_eq(stepd_test_finish(stepd_test_start(test, "doomed", NULL)), STEPD_TEST_FAILED);
    cr_assert_eq(stepd_test_sent_count(test), 1);
    cr_assert_eq(stepd_test_send(test, stepd_test_sent_at(test, 0)), 1);
    cr_assert_eq(stepd_test_finish(stepd_test_run_at(test, 1)), STEPD_TEST_FAILED);
    cr_assert_eq(stepd_test_sent_count(test), 1);
    cr_assert_eq(stepd_test_letter_count(test), 2);
}

Test(testing, of_an_event_too_deep_to_be_told_its_data_is_left_out)
{
    const char *deep =
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[7]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]";

    cr_assert_eq(stepd_test_finish(stepd_test_start(test, "doomed", STEPD_TEST_EVENT(.data = deep))), STEPD_TEST_FAILED);
    cr_assert_eq(stepd_test_send(test, stepd_test_sent_at(test, 0)), 1);
    cr_assert_eq(stepd_test_letter_count(test), 1);
}

Test(testing, what_was_sent_can_be_given_again)
{
    stepd_test_finish(stepd_test_start(test, "tell", STEPD_TEST_EVENT(.key = "k1")));
    cr_assert_eq(stepd_test_sent_count(test), 1);
    const struct stepd_test_event *sent = stepd_test_sent_at(test, 0);
    cr_assert_str_eq(sent->name, "user/came");
    cr_assert_str_eq(sent->key, "k1");
    cr_assert_null(sent->data);
    cr_assert_eq(stepd_test_send(test, sent), 2);
}

/* ---- people -------------------------------------------------------------------------------------- */

Test(testing, a_failed_run_can_be_retried)
{
    struct stepd_test_run *run = stepd_test_start(test, "doomed", NULL);

    cr_assert_not(stepd_test_retry(run));
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_FAILED);
    cr_assert_str_eq(stepd_test_header(stepd_test_dead_letter(run), "stepd-error-name"), "Doomed");
    cr_assert(stepd_test_retry(run));
    cr_assert_eq(stepd_test_status(run), STEPD_TEST_READY);
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_FAILED);
    cr_assert_eq(stepd_test_attempt_count(run), 6);
    cr_assert_eq(stepd_test_attempt_at(run, 3)->attempt, 0);
    cr_assert_eq(stepd_test_letter_count(test), 2);
}

Test(testing, a_waiting_run_can_be_cancelled)
{
    struct stepd_test_run *run = stepd_test_start(test, "doomed", NULL);

    (void)stepd_test_attempt(run);
    cr_assert(stepd_test_cancel(run));
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_CANCELLED);
    cr_assert_not(stepd_test_cancel(run));
    cr_assert_eq(stepd_test_letter_count(test), 0);
}

/* ---- texts --------------------------------------------------------------------------------------- */

static const msgpack_object number = { .type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = 3 };

Test(testing, values_are_compared_with_texts)
{
    cr_assert(stepd_test_equals(&number, "3"));
    cr_assert(stepd_test_equals(&number, "3.0"));
    cr_assert_not(stepd_test_equals(&number, "4"));
    cr_assert_not(stepd_test_equals(&number, "'3'"));
    cr_assert_not(stepd_test_equals(NULL, "null"));
}

Test(testing, a_text_that_is_neither_json_nor_yaml_ends_the_program, .signal = SIGABRT)
{
    (void)stepd_test_equals(&number, "{");
}

/* ---- the schedule -------------------------------------------------------------------------------- */

Test(testing, delays_follow_the_table)
{
    static const int64_t table_s[] = { 15, 30, 60, 120, 300, 600, 1200, 2400, 3600, 7200, 7200, 7200 };

    stepd_test_configure(test, "functions: {doomed: {retries: 12}}");
    struct stepd_test_run *run = stepd_test_start(test, "doomed", NULL);
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_FAILED);
    cr_assert_eq(stepd_test_attempt_count(run), 13);
    for (size_t i = 0; i < 12; i++) {
        int64_t delay_ms = stepd_test_attempt_at(run, i + 1)->delay_ms;
        cr_assert(delay_ms >= table_s[i] * 1000 && delay_ms < (table_s[i] + 30) * 1000, "retry %zu after %lld ms", i, (long long)delay_ms);
    }
}

Test(testing, schedule_and_jitter_are_settings)
{
    stepd_test_configure(test, "retry: {schedule: [1s, 5s], jitter: 0}");
    struct stepd_test_run *run = stepd_test_start(test, "doomed", NULL);
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_FAILED);
    cr_assert_eq(stepd_test_attempt_at(run, 1)->delay_ms, 1000);
    cr_assert_eq(stepd_test_attempt_at(run, 2)->delay_ms, 5000);
}

/* ---- waits --------------------------------------------------------------------------------------- */

static struct stepd_test_run *start_waiting(const char *data)
{
    struct stepd_test_run *run = stepd_test_start(test, "waits", STEPD_TEST_EVENT(.data = data));

    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_WAITING);
    return run;
}

Test(testing, an_event_ends_the_waits_that_it_matches)
{
    struct stepd_test_run *one = start_waiting("{id: 1, when: 'async.data.id == event.data.id'}");
    struct stepd_test_run *two = start_waiting("{id: 2, when: 'async.data.id == event.data.id && async.data.n > 5'}");

    cr_assert_eq(stepd_test_event(test, STEPD_TEST_EVENT(.name = "paid", .data = "{id: 2, n: 3}")), 0);
    cr_assert_eq(stepd_test_event(test, STEPD_TEST_EVENT(.name = "else", .data = "{id: 1, n: 3}")), 0);
    cr_assert_eq(stepd_test_event(test, STEPD_TEST_EVENT(.name = "paid", .data = "{id: 2, n: 7}")), 1);
    cr_assert_eq(stepd_test_status(one), STEPD_TEST_WAITING);
    cr_assert_eq(stepd_test_status(two), STEPD_TEST_READY);
    cr_assert_eq(stepd_test_finish(two), STEPD_TEST_COMPLETED);
    cr_assert_str_eq(stepd_test_output_json(two), "7");
    cr_assert(stepd_test_equals(stepd_get(NULL, stepd_test_step_find(two, "paid")->value, "data"), "{id: 2, n: 7}"));
    cr_assert_eq(stepd_test_send(test, STEPD_TEST_EVENT(.name = "paid", .data = "{id: 1, n: 8}")), 0);
    cr_assert_eq(stepd_test_finish(one), STEPD_TEST_COMPLETED);
    cr_assert_str_eq(stepd_test_output_json(one), "8");
}

Test(testing, one_event_ends_every_wait_without_a_condition)
{
    struct stepd_test_run *one = start_waiting("{}");
    struct stepd_test_run *two = start_waiting("{}");

    cr_assert_eq(stepd_test_event(test, STEPD_TEST_EVENT(.name = "paid", .data = "{n: 1}")), 2);
    stepd_test_finish_all(test);
    cr_assert_eq(stepd_test_status(one), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_status(two), STEPD_TEST_COMPLETED);
}

Test(testing, a_wait_whose_time_is_over_is_given_nothing)
{
    struct stepd_test_run *run = stepd_test_start(test, "waits", STEPD_TEST_EVENT(.data = "{timeout: 1000}"));

    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_WAITING);
    cr_assert_eq(stepd_test_due_ms(run), STEPD_TEST_BEGIN_MS + 1000);
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_now_ms(test), STEPD_TEST_BEGIN_MS + 1000);
    cr_assert_str_eq(stepd_test_output_json(run), "null");
    cr_assert_eq(stepd_test_event(test, STEPD_TEST_EVENT(.name = "paid")), 0);
}

Test(testing, a_condition_that_can_not_be_compiled_fails_the_run)
{
    struct stepd_test_run *run = stepd_test_start(test, "waits", STEPD_TEST_EVENT(.data = "{when: 'async.data. =='}"));

    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_FAILED);
    cr_assert_str_eq(stepd_test_error(run)->name, "InvalidExpression");
}

Test(testing, one_wait_too_many_without_an_index_fails_its_run)
{
    stepd_test_configure(test, "limits: {waits: 2}");
    (void)start_waiting("{}");
    (void)start_waiting("{when: 'async.data.n > 1'}");
    (void)start_waiting("{when: 'async.data.n == event.data.n'}");
    struct stepd_test_run *run = stepd_test_start(test, "waits", NULL);
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_FAILED);
    cr_assert_str_eq(stepd_test_error(run)->name, "TooManyWaits");
}

Test(testing, a_wait_outlives_the_daemon_that_began_it)
{
    struct stepd_test_run *run = stepd_test_start(test, "waits", NULL);

    stepd_test_crash(run, STEPD_TEST_AFTER, NULL);
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_WAITING);
    cr_assert_eq(stepd_test_event(test, STEPD_TEST_EVENT(.name = "paid", .data = "{n: 4}")), 1);
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_COMPLETED);
    cr_assert_str_eq(stepd_test_output_json(run), "4");
}

static size_t pay(const char *data)
{
    return stepd_test_event(test, STEPD_TEST_EVENT(.name = "paid", .data = data));
}

Test(testing, answers_that_are_faster_than_their_question_are_kept_and_each_is_taken_once)
{
    struct stepd_test_run *run = stepd_test_start(test, "expects", STEPD_TEST_EVENT(.data = "{id: 1}"));

    cr_assert_eq(pay("{id: 1, n: 1}"), 0); /* before it begins */
    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_SLEEPING);
    cr_assert_eq(pay("{id: 2, n: 5}"), 0); /* another's */
    cr_assert_eq(pay("{id: 1, n: 2}"), 0);
    cr_assert_eq(pay("{id: 1, n: 3}"), 0);
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_COMPLETED);
    cr_assert_str_eq(stepd_test_output_json(run), "201"); /* the oldest that its condition is true of, then the oldest left */
}

Test(testing, what_ends_a_wait_is_not_kept_for_the_next_one)
{
    struct stepd_test_run *run = stepd_test_start(test, "expects", STEPD_TEST_EVENT(.data = "{id: 1}"));

    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_WAITING);
    cr_assert_eq(pay("{id: 1, n: 2}"), 1);
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_WAITING);
    cr_assert_eq(pay("{id: 1, n: 7}"), 1);
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_COMPLETED);
    cr_assert_str_eq(stepd_test_output_json(run), "207");
}

Test(testing, an_event_cancels_the_runs_that_it_matches)
{
    struct stepd_test_run *one = stepd_test_start(test, "expects", STEPD_TEST_EVENT(.data = "{id: 1}"));
    struct stepd_test_run *two = stepd_test_start(test, "expects", STEPD_TEST_EVENT(.data = "{id: 2}"));

    cr_assert_eq(stepd_test_attempt(one), STEPD_TEST_SLEEPING);
    cr_assert_eq(stepd_test_finish(two), STEPD_TEST_WAITING);
    (void)stepd_test_event(test, STEPD_TEST_EVENT(.name = "gone", .data = "{id: 2}"));
    cr_assert_eq(stepd_test_status(two), STEPD_TEST_CANCELLED);
    cr_assert_neq(stepd_test_status(one), STEPD_TEST_CANCELLED);
}
