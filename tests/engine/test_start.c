/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker does with one thing that it takes, on this thread. */
#include "engine/start.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/dispatch.h"
#include "engine/engine_fixture.h"
#include "engine/route.h"
#include "engine/takeover.h"
#include "engine/worker.h"
#include "flow/key_set.h"
#include "run/errand.h"
#include "run/routes.h"

#define TIMEOUT_MS 1000
#define LONG_AGO_NS 1 /* nothing began then */

static int advance(struct store *store, const struct run *run, const struct transition *change, struct transition_reply *ret_reply)
{
    (void)store;
    (void)change;
    *ret_reply = (struct transition_reply){ .answer = STORE_OK, .epoch = run->epoch + 1, .owner = run->owner };
    return 0;
}

/* What it had of the key is lost by the time it answers. */
static atomic_bool has_lost_runs;
static bool loses_runs;

static int queue_behind(struct store *store, const struct run *run, enum order_answer *ret_answer)
{
    (void)store;
    (void)run;
    atomic_store(&has_lost_runs, loses_runs);
    *ret_answer = ORDER_FREE;
    return 0;
}

static const struct store_ops store_ops = { .advance = advance, .now_ms = engine_fixture_now_ms, .queue_behind = queue_behind };

static int publish(struct publisher *publisher, const struct outgoing *messages, size_t count)
{
    (void)publisher;
    (void)messages;
    (void)count;
    return 0;
}

static const struct publisher_ops publisher_ops = { .publish = publish };

static enum stepd_status answer_ok(struct stepd_ctx *ctx)
{
    (void)ctx;
    return STEPD_OK;
}

static struct function function = {
    .id = "f", .event = "app/x", .run = answer_ok, .timeout_ms = TIMEOUT_MS, .module = &engine_fixture_module
};
static const struct function *const functions[] = { &function };
static struct store store = { &store_ops };
static struct publisher publisher = { &publisher_ops };

static struct dispatch *dispatch;
static struct routes *routes;
static struct worker *worker;
static struct assignment assignment = { .topic = (char *)(uintptr_t) "topic" };

static void set_up(void)
{
    routes = routes_create(functions, 1);
    assignment.parked_keys = key_set_create();
    const struct dispatch_settings settings = engine_fixture_settings(&store, &publisher, routes);
    dispatch = dispatch_create(&settings);
    worker = worker_of(worker_create(dispatch));
    worker->thread.pool = dispatch->pool;
    worker->thread.now_ns = LONG_AGO_NS;
}

static void tear_down(void)
{
    if (worker != NULL)
        worker_destroy(&worker->thread);
    cr_assert(dispatch_destroy(dispatch));
    routes_destroy(routes);
    key_set_destroy(assignment.parked_keys);
}

/* On this thread. False: the watch took over. */
static bool run(struct task *task)
{
    while (task != NULL)
        task = task->run(task, &worker->thread);
    return !slot_is_abandoned(&worker->thread.slot);
}

static struct batch *batch_of(const char *value)
{
    struct batch *batch = xcalloc(1, sizeof(*batch) + sizeof(struct message));

    batch->count = 1;
    batch->room = 1;
    batch->open = 1;
    message_init(&batch->messages[0], &assignment, batch);
    event_init(&batch->messages[0].event, "topic", 0, 5, 1, (struct bytes){ 0 }, (struct bytes){ value, strlen(value) }, NULL, 0);
    return batch;
}

static void batch_free(struct batch *batch)
{
    cr_assert_eq(batch->open, 0);
    event_done(&batch->messages[0].event);
    free(batch->jobs);
    free(batch);
}

TestSuite(start, .init = set_up, .fini = tear_down, .timeout = 60);

/* ---- a worker's clock ----------------------------------------------------------------------------- */

static void expect_clock_after(const char *value, enum message_state state)
{
    struct batch *batch = batch_of(value);
    int64_t before_ns = clock_monotonic_ns();

    cr_assert(run(route_task(&batch->messages[0])));
    cr_assert_eq(batch->messages[0].state, state);
    cr_assert_geq(worker->thread.now_ns, before_ns, "the next attempt would have begun long ago");
    batch_free(batch);
}

Test(start, an_event_nobody_handles_moves_the_clock)
{
    expect_clock_after("{\"name\":\"nobody/wants\"}", MESSAGE_DONE);
}

Test(start, a_run_that_the_store_has_already_moves_the_clock)
{
    struct batch *batch = batch_of("{\"name\":\"app/x\"}");
    struct run_id taken = run_id_of(&function, &batch->messages[0].event);

    known_runs_add(&assignment.known, KNOWN_TAKEN, taken.text, 5);
    known_runs_sort(&assignment.known);
    expect_clock_after("{\"name\":\"app/x\"}", MESSAGE_KNOWN);
    known_runs_done(&assignment.known);
    batch->open = 0;
    batch_free(batch);
}

Test(start, a_message_of_a_revoked_partition_moves_the_clock)
{
    atomic_store(&assignment.is_revoked, true);
    expect_clock_after("{\"name\":\"app/x\"}", MESSAGE_DROPPED);
    atomic_store(&assignment.is_revoked, false);
}

Test(start, a_job_of_a_revoked_partition_moves_the_clock)
{
    struct batch *batch = batch_of("{\"name\":\"app/x\"}");
    struct job *job = xcalloc(1, sizeof(*job));
    int64_t before_ns = clock_monotonic_ns();

    *job = (struct job){ .function = &function, .message = &batch->messages[0] };
    atomic_store(&batch->messages[0].runs, 1);
    atomic_store(&assignment.is_revoked, true);
    cr_assert(run(start_task(job)));
    cr_assert_geq(worker->thread.now_ns, before_ns);
    atomic_store(&assignment.is_revoked, false);
    batch_free(batch);
}

/* ---- ordered keys --------------------------------------------------------------------------------- */

static void expect_state_of_ordered(enum message_state state)
{
    struct batch *batch = batch_of("{\"name\":\"app/x\"}");
    struct job *job = xcalloc(1, sizeof(*job));
    struct error error;

    function.ordering = STEPD_BY_KEY;
    batch->messages[0].event.view.key = "k";
    batch->messages[0].event.view.key_len = 1;
    key_set_add(assignment.parked_keys, function.id, (struct bytes){ "k", 1 });
    cr_assert_eq(event_decode(&batch->messages[0].event, &error), 0);
    *job = (struct job){ .function = &function, .message = &batch->messages[0], .event = &batch->messages[0].event };
    atomic_store(&batch->messages[0].runs, 1);
    cr_assert(run(start_task(job)));
    cr_assert_eq(batch->messages[0].state, state);
    function.ordering = STEPD_UNORDERED;
    batch_free(batch);
}

Test(start, a_run_whose_key_is_free_again_runs)
{
    expect_state_of_ordered(MESSAGE_DONE);
}

Test(start, a_run_whose_key_is_free_since_the_store_lost_its_last_writes_waits_for_the_rewind)
{
    loses_runs = true;
    assignment.must_rewind = &has_lost_runs;
    expect_state_of_ordered(MESSAGE_DROPPED);
}

/* ---- runs that are away --------------------------------------------------------------------------- */

struct trip {
    struct errand errand;
    void (*come_back)(void *home);
    void *home;
    int destroyed;
};

static struct trip trip, second_trip;
static int64_t deadline_ns; /* of the second entry */
static atomic_bool is_stuck, may_go_on;

static void leave(struct errand *errand, void (*come_back)(void *home), void *home)
{
    struct trip *own = (struct trip *)(void *)errand;

    own->come_back = come_back;
    own->home = home;
}

static void cancel(struct errand *errand)
{
    (void)errand;
}

static void destroy(struct errand *errand)
{
    ((struct trip *)(void *)errand)->destroyed++;
}

static const struct errand_ops trip_ops = { .leave = leave, .cancel = cancel, .destroy = destroy };

static enum stepd_status go_away_once(struct stepd_ctx *ctx)
{
    if (ctx->run->errand == NULL)
        return context_leave_for(ctx, &trip.errand);
    deadline_ns = atomic_load(&ctx->slot->deadline_ns);
    return STEPD_OK;
}

static enum stepd_status hang_once_back(struct stepd_ctx *ctx)
{
    if (ctx->run->errand == NULL)
        return context_leave_for(ctx, &trip.errand);
    atomic_store(&is_stuck, true);
    while (!atomic_load(&may_go_on))
        (void)usleep(1000);
    return context_leave_for(ctx, &second_trip.errand);
}

static void send_away(struct batch *batch)
{
    trip = (struct trip){ .errand = { .ops = &trip_ops } };
    second_trip = trip;
    cr_assert(run(route_task(&batch->messages[0])));
    cr_assert_not_null(trip.come_back);
    cr_assert_eq(batch->messages[0].state, MESSAGE_RUNNING);
}

/* It waits in the pool then; no thread takes it but this one. */
static struct task *bring_back(void)
{
    trip.come_back(trip.home);
    cr_assert_eq(pool_waiting(dispatch->pool), 1);
    return pool_take_listed(dispatch->pool);
}

Test(start, a_timeout_does_not_count_the_time_away)
{
    struct batch *batch = batch_of("{\"name\":\"app/x\"}");

    function.run = go_away_once;
    send_away(batch);
    struct task *task = bring_back();
    worker->thread.now_ns += INT64_C(5000000000); /* it was away for longer than its timeout */
    int64_t entered_ns = worker->thread.now_ns;
    cr_assert(run(task));
    cr_assert_eq(deadline_ns, entered_ns + TIMEOUT_MS * 1000000LL);
    cr_assert_eq(trip.destroyed, 1);
    cr_assert_eq(batch->messages[0].state, MESSAGE_DONE);
    batch_free(batch);
}

static void *run_stuck(void *task)
{
    cr_assert_not(run(task));
    takeover_let_go(&worker->thread);
    return NULL;
}

Test(start, what_a_stuck_run_was_away_for_ends_with_it)
{
    struct batch *batch = batch_of("{\"name\":\"app/x\"}");
    pthread_t thread;

    function.run = hang_once_back;
    function.timeout_ms = 1;
    function.retries = 1;
    send_away(batch);
    struct task *task = bring_back();
    pool_adopt(dispatch->pool, &worker->thread); /* for the watch */
    cr_assert_eq(pthread_create(&thread, NULL, run_stuck, task), 0);
    while (!atomic_load(&is_stuck))
        (void)usleep(1000);
    while (!worker->thread.is_stuck) {
        pool_watch(dispatch->pool); /* gives up on it, and has another thread settle it */
        (void)usleep(1000);
    }
    while (batch->messages[0].state != MESSAGE_TAKEN)
        (void)usleep(1000);
    cr_assert_eq(trip.destroyed, 0, "the stuck thread may still look at it");
    atomic_store(&may_go_on, true);
    (void)pthread_join(thread, NULL);
    while (batch->open != 0)
        (void)usleep(1000);
    cr_assert_eq(trip.destroyed, 1);
    cr_assert_eq(second_trip.destroyed, 1);
    atomic_store(&worker->thread.is_finished, true);
    worker = NULL; /* the pool's */
    batch_free(batch);
}

static const struct errand *on_failures_errand; /* as on_failure found it first */

static enum stepd_status fail_once_back(struct stepd_ctx *ctx)
{
    if (ctx->run->errand == NULL)
        return context_leave_for(ctx, &trip.errand);
    return stepd_non_retriable(ctx, "Doomed", "for good");
}

static enum stepd_status go_away_for_its_own(struct stepd_ctx *ctx)
{
    if (ctx->run->errand == &second_trip.errand)
        return STEPD_OK;
    on_failures_errand = ctx->run->errand;
    return context_leave_for(ctx, &second_trip.errand);
}

Test(start, on_failure_begins_without_what_its_function_was_away_for)
{
    struct batch *batch = batch_of("{\"name\":\"app/x\"}");

    function.run = fail_once_back;
    function.on_failure = go_away_for_its_own;
    send_away(batch);
    (void)run(bring_back());
    cr_assert_null(on_failures_errand);
    cr_assert_eq(trip.destroyed, 1);
    cr_assert_not_null(second_trip.come_back);
    second_trip.come_back(second_trip.home);
    (void)run(pool_take_listed(dispatch->pool));
    cr_assert_eq(trip.destroyed, 1);
    cr_assert_eq(second_trip.destroyed, 1);
    batch_free(batch);
}
