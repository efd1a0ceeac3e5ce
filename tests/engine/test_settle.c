/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts whose last change nobody waits for, over a store that answers when the test says so. */
#include "engine/settle.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "engine/dispatch.h"
#include "engine/engine_fixture.h"
#include "run/checkpoints.h"
#include "run/routes.h"

#define RUNS 2
#define LONGEST_MS 20000

static const char VALUE[] = "{\"name\":\"app/x\"}";

/* ---- a store that keeps what it is asked ---------------------------------------------------------- */

static struct pending_change *_Atomic asked[RUNS];
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
    const struct dispatch_settings settings = engine_fixture_settings(&store, NULL, routes);
    dispatch = dispatch_create(&settings);
    cr_assert_eq(dispatch_start(dispatch, &error), 0);
}

static void teardown(void)
{
    cr_assert(dispatch_destroy(dispatch));
    routes_destroy(routes);
}

static void begin(int number)
{
    struct run_taker *taker = dispatch_run_taker(dispatch);

    event_init(&events[number], "topic", 0, number, 1, (struct bytes){ 0 }, (struct bytes){ VALUE, sizeof(VALUE) - 1 }, NULL, 0);
    runs[number] = (struct claimed){
        .run = { .function = &function, .event = &events[number], .id = { "0123456789abcdef0123456789abcdef" }, .epoch = 7 },
        .function_id = "f",
        .release = release,
    };
    taker->ops->take_run(taker, &runs[number]);
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
