/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts whose last change nobody waits for, over a store that answers when the test says so. */
#include "engine/settle.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/dispatch.h"
#include "engine/engine_fixture.h"
#include "run/checkpoints.h"
#include "run/routes.h"

#define RUNS 2
#define CHANGES (2 * RUNS) /* a run that fails for good has two */
#define LONGEST_MS 20000

static const char VALUE[] = "{\"name\":\"app/x\"}";

/* ---- a store that keeps what it is asked ---------------------------------------------------------- */

static struct pending_change *_Atomic asked[CHANGES];
static atomic_int asked_count, waited_count, attempts, released;
static enum store_answer answer_to_who_waits;
static int status_for_who_waits;
static struct transition waited; /* the last change that somebody waited for */
static char waited_tail[512];

static bool advance_later(struct store *store, struct pending_change *pending)
{
    (void)store;
    asked[atomic_fetch_add(&asked_count, 1)] = pending;
    return true;
}

static int advance(struct store *store, const struct run *run, const struct transition *change, struct transition_reply *ret_reply)
{
    (void)store;
    waited = *change;
    cr_assert_leq(change->tail.size, sizeof(waited_tail));
    if (change->tail.size > 0)
        memcpy(waited_tail, change->tail.data, change->tail.size);
    waited_count++;
    *ret_reply = (struct transition_reply){ .answer = answer_to_who_waits, .epoch = run->epoch, .owner = run->owner };
    return status_for_who_waits;
}

static void answer(int number, int status, enum store_answer with)
{
    struct pending_change *pending = asked[number];

    pending->status = status;
    pending->reply = (struct transition_reply){ .answer = with, .epoch = pending->run->epoch, .owner = pending->run->owner };
    pending->done(pending);
}

static const struct store_ops store_ops = { .advance = advance, .advance_later = advance_later, .now_ms = engine_fixture_now_ms };

/* ---- a publisher that keeps what it is given ------------------------------------------------------- */

static struct pending_delivery *_Atomic sent[RUNS];
static char sent_topics[RUNS][2][32];
static atomic_int sent_count, published; /* without a thread; by one who waits */

static void publish_later(struct publisher *publisher, const struct outgoing *messages, size_t count, struct pending_delivery *pending)
{
    int number = sent_count;

    (void)publisher;
    cr_assert_eq(count, 2);
    for (size_t i = 0; i < count; i++)
        (void)snprintf(sent_topics[number][i], sizeof(sent_topics[number][i]), "%s", messages[i].topic);
    sent[number] = pending;
    sent_count++;
}

static int publish(struct publisher *publisher, const struct outgoing *messages, size_t count)
{
    (void)publisher;
    (void)messages;
    published += (int)count;
    return 0;
}

static void deliver(int number, int status)
{
    sent[number]->status = status;
    sent[number]->done(sent[number]);
}

static const struct publisher_ops publisher_ops = { .publish = publish, .publish_later = publish_later };

/* ---- one worker, two runs ------------------------------------------------------------------------- */

static enum stepd_status fail(struct stepd_ctx *ctx)
{
    attempts++;
    return stepd_error(ctx, "Broken", "once more");
}

static struct function function = { .id = "f", .event = "app/x", .run = fail, .retries = 2, .module = &engine_fixture_module };
static struct event events[RUNS];
static struct claimed runs[RUNS];
static struct dispatch *dispatch;
static struct routes *routes;
static struct store store = { &store_ops };
static struct publisher publisher = { &publisher_ops };

static void release(struct claimed *claimed)
{
    checkpoints_destroy(claimed->run.steps);
    event_done(claimed->run.event);
    released++;
}

static void setup(void)
{
    const struct function *const list[] = { &function };
    struct error error;

    routes = routes_create(list, 1);
    const struct dispatch_settings settings = engine_fixture_settings(&store, &publisher, routes);
    dispatch = dispatch_create(&settings);
    cr_assert_eq(dispatch_start(dispatch, &error), 0);
}

static void teardown(void)
{
    cr_assert(dispatch_destroy(dispatch));
    routes_destroy(routes);
}

static void begin_attempt(int number, int attempt)
{
    struct run_taker *taker = dispatch_run_taker(dispatch);

    event_init(&events[number], "topic", 0, number, 1, (struct bytes){ 0 }, (struct bytes){ VALUE, sizeof(VALUE) - 1 }, NULL, 0);
    runs[number] = (struct claimed){
        .run = { .function = &function,
                 .event = &events[number],
                 .id = { "0123456789abcdef0123456789abcdef" },
                 .attempt = attempt,
                 .epoch = 7 },
        .function_id = "f",
        .release = release,
    };
    taker->ops->take_run(taker, &runs[number]);
}

static void begin(int number)
{
    begin_attempt(number, 0);
}

/* It fails for good. */
static void begin_last(int number)
{
    begin_attempt(number, 2);
}

static void wait_for(atomic_int *count, int value)
{
    for (int i = 0; i < LONGEST_MS && *count < value; i++)
        (void)usleep(1000);
    cr_assert_eq(*count, value);
}

TestSuite(settle, .init = setup, .fini = teardown, .timeout = 60);

Test(settle, no_worker_waits_for_the_answer)
{
    begin(0);
    wait_for(&asked_count, 1);
    begin(1);
    wait_for(&asked_count, 2);
    cr_assert_eq(attempts, 2);
    cr_assert_eq(released, 0, "a run is its worker's until the store has answered");
    answer(1, 0, STORE_OK);
    answer(0, 0, STORE_OK);
    wait_for(&released, 2);
    cr_assert_eq(waited_count, 0);
    cr_assert(dispatch_drain(dispatch, LONGEST_MS));
}

Test(settle, what_the_store_does_not_agree_to_is_asked_again_by_one_who_waits)
{
    struct function_counts counts;

    answer_to_who_waits = STORE_MOVED;
    begin(0);
    wait_for(&asked_count, 1);
    answer(0, 0, STORE_MOVED);
    wait_for(&released, 1);
    cr_assert_eq(waited_count, 1);
    cr_assert_eq(waited.kind, TRANSITION_PARK);
    cr_assert_eq(waited.attempt, 1);
    cr_assert_gt(waited.tail.size, 0);
    cr_assert(dispatch_drain(dispatch, LONGEST_MS));
    dispatch_function_counts(dispatch, 0, &counts);
    cr_assert_eq(counts.fenced, 1);
    cr_assert_eq(counts.retried, 0);
}

Test(settle, a_daemon_that_stops_waits_for_answers)
{
    begin(0);
    wait_for(&asked_count, 1);
    cr_assert_not(dispatch_drain(dispatch, 10));
    status_for_who_waits = -ESHUTDOWN;
    answer(0, -ESHUTDOWN, STORE_OK);
    wait_for(&released, 1);
}

/* ---- runs that fail for good ----------------------------------------------------------------------- */

static uint64_t failed(void)
{
    struct function_counts counts;

    cr_assert(dispatch_drain(dispatch, LONGEST_MS));
    dispatch_function_counts(dispatch, 0, &counts);
    return counts.failed;
}

Test(settle, no_worker_waits_for_a_failure_to_be_out)
{
    begin_last(0);
    wait_for(&asked_count, 1);
    cr_assert_eq(asked[0]->change->kind, TRANSITION_PHASE);
    cr_assert_eq(asked[0]->change->phase, RUN_FAILING);
    begin_last(1);
    wait_for(&asked_count, 2);
    cr_assert_eq(sent_count, 0, "nothing is told before the store has it");
    answer(0, 0, STORE_OK);
    wait_for(&sent_count, 1);
    cr_assert_str_eq(sent_topics[0][0], "topic.dead");
    cr_assert_str_eq(sent_topics[0][1], "topic");
    cr_assert_eq(asked_count, 2, "it is not buried before all of it is out");
    answer(1, 0, STORE_OK);
    wait_for(&sent_count, 2);
    deliver(1, 0);
    wait_for(&asked_count, 3);
    cr_assert_eq(asked[2]->change->kind, TRANSITION_BURY);
    cr_assert_eq(asked[2]->change->phase, RUN_FAILING);
    cr_assert_eq(asked[2]->change->attempt, 2);
    cr_assert_eq(released, 0, "it is its worker's until it is buried");
    answer(2, 0, STORE_OK);
    wait_for(&released, 1);
    deliver(0, 0);
    wait_for(&asked_count, 4);
    answer(3, 0, STORE_OK);
    wait_for(&released, 2);
    cr_assert_eq(waited_count, 0);
    cr_assert_eq(published, 0);
    cr_assert_eq(failed(), 2);
}

Test(settle, nothing_is_told_of_a_failure_that_the_store_does_not_take)
{
    answer_to_who_waits = STORE_MOVED;
    begin_last(0);
    wait_for(&asked_count, 1);
    answer(0, 0, STORE_MOVED);
    wait_for(&released, 1);
    cr_assert_eq(waited_count, 1);
    cr_assert_eq(waited.kind, TRANSITION_PHASE);
    cr_assert_eq(sent_count + published, 0);
    cr_assert_eq(failed(), 0);
}

Test(settle, a_failure_that_can_t_be_delivered_now_is_tried_on_by_one_who_waits)
{
    begin_last(0);
    wait_for(&asked_count, 1);
    answer(0, 0, STORE_OK);
    wait_for(&sent_count, 1);
    deliver(0, -EAGAIN);
    wait_for(&released, 1);
    cr_assert_eq(published, 2);
    cr_assert_eq(waited_count, 1);
    cr_assert_eq(waited.kind, TRANSITION_BURY);
    cr_assert_eq(failed(), 1);
}

Test(settle, a_failure_that_the_brokers_refuse_is_tried_again_later)
{
    begin_last(0);
    wait_for(&asked_count, 1);
    answer(0, 0, STORE_OK);
    wait_for(&sent_count, 1);
    deliver(0, -EIO);
    wait_for(&released, 1);
    cr_assert_eq(published, 0);
    cr_assert_eq(waited_count, 1);
    cr_assert_eq(waited.kind, TRANSITION_PARK);
    cr_assert_eq(waited.phase, RUN_FAILING);
    cr_assert_gt(waited.delay_ms, 0);
    cr_assert_eq(failed(), 0);
}

Test(settle, a_burial_that_the_store_does_not_agree_to_is_asked_again_by_one_who_waits)
{
    begin_last(0);
    wait_for(&asked_count, 1);
    answer(0, 0, STORE_OK);
    wait_for(&sent_count, 1);
    deliver(0, 0);
    wait_for(&asked_count, 2);
    answer(1, -EAGAIN, STORE_OK);
    wait_for(&released, 1);
    cr_assert_eq(published, 0);
    cr_assert_eq(waited_count, 1);
    cr_assert_eq(waited.kind, TRANSITION_BURY);
    cr_assert_eq(failed(), 1);
}

Test(settle, a_daemon_that_stops_waits_for_a_failure_to_be_out)
{
    begin_last(0);
    wait_for(&asked_count, 1);
    answer(0, 0, STORE_OK);
    wait_for(&sent_count, 1);
    cr_assert_not(dispatch_drain(dispatch, 10));
    deliver(0, 0);
    wait_for(&released, 1);
    cr_assert_eq(waited.kind, TRANSITION_BURY, "it is out: the run ends");
}
