/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dispatch under load, with a store and a publisher in memory: every message ends, ordered keys run one
 * at a time and in order, a gate lets no more through than its limit, a stuck handler is taken over.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/dispatch.h"
#include "flow/key_set.h"
#include "run/routes.h"

#define BATCH 64
#define BATCHES 600
#define KEYS 37
#define GATE 3
#define THREADS 16

static _Atomic(int64_t) last_of_key[KEYS];
static char keys[KEYS];
static atomic_int in_key[KEYS], in_gate, attempts, parks, publishes, failures, late;
static atomic_int lined; /* runs over their concurrency that were handed to the store: they wait in its line */

static void expect(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "stress_dispatch: %s\n", what);
    abort();
}

static int advance(struct store *store, const struct run *run, const struct transition *transition, struct transition_reply *ret_reply)
{
    (void)store;
    if (transition->kind == TRANSITION_PARK)
        atomic_fetch_add(run->function->concurrency > 0 ? &lined : &parks, 1);
    *ret_reply = (struct transition_reply){ .answer = STORE_OK, .epoch = run->epoch + 1, .now_ms = clock_wall_ms() };
    return 0;
}

/* Changes that nobody waits for, until a thread of the store's answers them; some it does not agree to. */
#define PENDING_MOST 4096
static pthread_mutex_t pending_lock = PTHREAD_MUTEX_INITIALIZER;
static struct pending_change *pending[PENDING_MOST];
static size_t pending_first, pending_last; /* under the lock */
static atomic_bool is_answering;

static bool advance_later(struct store *store, struct pending_change *change)
{
    (void)store;
    (void)pthread_mutex_lock(&pending_lock);
    bool has_room = pending_last - pending_first < PENDING_MOST;
    if (has_room)
        pending[pending_last++ % PENDING_MOST] = change;
    (void)pthread_mutex_unlock(&pending_lock);
    return has_room;
}

static struct pending_change *take_pending(void)
{
    (void)pthread_mutex_lock(&pending_lock);
    struct pending_change *change = pending_first < pending_last ? pending[pending_first++ % PENDING_MOST] : NULL;
    (void)pthread_mutex_unlock(&pending_lock);
    return change;
}

static bool publish_some(void);

static void *answer_all(void *unused)
{
    for (unsigned count = 0; atomic_load(&is_answering);) {
        struct pending_change *change = take_pending();
        bool has_published = publish_some();
        if (change == NULL) {
            (void)usleep(has_published ? 0 : 100);
            continue;
        }
        change->reply = (struct transition_reply){ .answer = count++ % 7 == 0 ? STORE_MOVED : STORE_OK, .epoch = change->run->epoch + 1 };
        change->status = 0;
        change->done(change);
    }
    return unused;
}

static int queue_behind(struct store *store, const struct run *run, enum order_answer *ret_answer)
{
    (void)store;
    (void)run;
    *ret_answer = ORDER_FREE;
    return 0;
}

static int remember(struct store *store, const struct run *run, const struct dedupe_id *id, int64_t window_ms,
                    enum dedupe_answer *ret_answer)
{
    (void)store;
    (void)run;
    (void)id;
    (void)window_ms;
    *ret_answer = DEDUPE_FIRST;
    return 0;
}

static int64_t now_ms(struct store *store)
{
    (void)store;
    return clock_wall_ms();
}

static int publish(struct publisher *publisher, const struct outgoing *messages, size_t count)
{
    (void)publisher;
    (void)messages;
    atomic_fetch_add(&publishes, (int)count);
    return 0;
}

/* Messages that nobody waits for, two of each run that fails; some can't be delivered. */
static struct pending_delivery *sending[PENDING_MOST];
static size_t sending_first, sending_last; /* under the lock */

static void publish_later(struct publisher *publisher, const struct outgoing *messages, size_t count, struct pending_delivery *delivery)
{
    (void)publisher;
    (void)messages;
    expect(count == 2, "not a dead letter and an event");
    (void)pthread_mutex_lock(&pending_lock);
    bool has_room = sending_last - sending_first < PENDING_MOST;
    if (has_room)
        sending[sending_last++ % PENDING_MOST] = delivery;
    (void)pthread_mutex_unlock(&pending_lock);
    expect(has_room, "more are sent at once than may be");
}

/* One of them. */
static bool publish_some(void)
{
    static unsigned count;

    (void)pthread_mutex_lock(&pending_lock);
    struct pending_delivery *delivery = sending_first < sending_last ? sending[sending_first++ % PENDING_MOST] : NULL;
    (void)pthread_mutex_unlock(&pending_lock);
    if (delivery == NULL)
        return false;
    delivery->status = count++ % 5 == 0 ? -EAGAIN : 0;
    if (delivery->status == 0)
        atomic_fetch_add(&publishes, 2);
    delivery->done(delivery);
    return true;
}

static const struct store_ops store_ops = {
    .advance = advance,
    .advance_later = advance_later,
    .queue_behind = queue_behind,
    .remember = remember,
    .now_ms = now_ms,
};
static const struct publisher_ops publisher_ops = { .publish = publish, .publish_later = publish_later };

static enum stepd_status quick(struct stepd_ctx *ctx)
{
    int64_t offset = stepd_event(ctx)->offset;

    attempts++;
    if (offset % 5 == 1) {
        failures++;
        return stepd_non_retriable(ctx, "Broken", "for good");
    }
    return offset % 3 == 0 ? stepd_error(ctx, "Later", "parked") : STEPD_OK;
}

static enum stepd_status ordered(struct stepd_ctx *ctx)
{
    const struct stepd_event *event = stepd_event(ctx);
    int key = ((const char *)event->key)[0];

    expect(atomic_fetch_add(&in_key[key], 1) == 0, "two runs of one key at once");
    expect(atomic_exchange(&last_of_key[key], event->offset) < event->offset, "a key's runs are out of order");
    attempts++;
    in_key[key]--;
    return event->offset % 50 == 0 ? stepd_error(ctx, "Later", "parked") : STEPD_OK;
}

static enum stepd_status gated(struct stepd_ctx *ctx)
{
    (void)ctx;
    expect(atomic_fetch_add(&in_gate, 1) < GATE, "more at once than concurrency allows");
    attempts++;
    in_gate--;
    return STEPD_OK;
}

static enum stepd_status stuck(struct stepd_ctx *ctx)
{
    attempts++;
    while (!stepd_is_cancelled(ctx))
        (void)usleep(1000);
    (void)usleep(20000);
    expect(stepd_step_run(ctx, "late", NULL, NULL, NULL) == STEPD_SUSPENDED, "a late step ran");
    late++;
    return STEPD_OK;
}

static const struct stepd_module declared = { .name = "stress" };
static const struct module module = { .declared = &declared };
static struct function functions[] = {
    { .id = "quick", .event = "app/*", .run = quick, .retries = 1, .module = &module, .index = 0 },
    { .id = "ordered", .event = "app/ordered", .run = ordered, .ordering = STEPD_BY_KEY, .retries = 1, .module = &module, .index = 1 },
    { .id = "gated", .event = "app/gated", .run = gated, .concurrency = GATE, .module = &module, .index = 2 },
    { .id = "stuck", .event = "stuck", .run = stuck, .timeout_ms = 50, .retries = 1, .module = &module, .index = 3 },
};

static void fatal(const char *why)
{
    expect(false, why);
}

static void fill(struct batch *batch, struct assignment *assignment, int64_t first_offset, const char *value)
{
    batch->count = BATCH;
    batch->room = BATCH;
    batch->open = BATCH;
    for (unsigned i = 0; i < BATCH; i++) {
        struct message *message = &batch->messages[i];
        int64_t offset = first_offset + i;
        const char *key = &keys[offset % KEYS];
        *message = (struct message){ .assignment = assignment, .batch = batch };
        event_init(&message->event, "topic", 0, offset, 1, (struct bytes){ key, 1 }, (struct bytes){ value, strlen(value) }, NULL, 0);
    }
}

static void wait_until_closed(struct batch_taker *taker, struct batch *batch)
{
    int64_t until_ms = clock_monotonic_ms() + 60000;

    while (atomic_load(&batch->open) > 0) {
        taker->ops->nudge(taker);
        (void)usleep(200);
        expect(clock_monotonic_ms() < until_ms, "a batch does not end");
    }
    for (unsigned i = 0; i < BATCH; i++)
        event_done(&batch->messages[i].event);
    free(batch->jobs);
    free(batch);
}

static struct batch *new_batch(struct assignment *assignment, int64_t offset, const char *value)
{
    struct batch *batch = xcalloc(1, sizeof(*batch) + BATCH * sizeof(struct message));

    fill(batch, assignment, offset, value);
    return batch;
}

int main(void)
{
    static const char *const events[] = {
        "{\"name\":\"app/quick\"}",
        "{\"name\":\"app/ordered\"}",
        "{\"name\":\"app/gated\"}",
        "{\"name\":\"nobody/wants\"}",
    };
    const struct function *const list[] = { &functions[0], &functions[1], &functions[2], &functions[3] };
    static const char *const topics[] = { "topic", NULL };
    struct assignment assignment = { .topic = (char *)(uintptr_t) "topic", .parked_keys = key_set_create() };
    struct routes *routes = routes_create(list, 4);
    struct store store = { &store_ops };
    struct publisher publisher = { &publisher_ops };
    const struct dispatch_settings settings = {
        .threads = THREADS,
        .queue = BATCH * 8,
        .pause_most = INT32_MAX,
        .flow_most = INT32_MAX,
        .max_stuck = BATCH,
        .event_bytes = 1000,
        .steps = 10,
        .result_bytes = 1000,
        .dead_letter_topic = "%t.dead",
        .topics = topics,
        .store = &store,
        .publisher = &publisher,
        .routes = routes,
        .function_count = 4,
        .fatal = fatal,
    };
    struct dispatch *dispatch = dispatch_create(&settings);
    struct batch_taker *taker = dispatch_batch_taker(dispatch);
    struct batch *open[4] = { 0 };
    struct error error;

    pthread_t answering;

    log_open(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    atomic_store(&is_answering, true);
    expect(pthread_create(&answering, NULL, answer_all, NULL) == 0, "no thread");
    for (int i = 0; i < KEYS; i++) {
        last_of_key[i] = -1;
        keys[i] = (char)i;
    }
    expect(dispatch_start(dispatch, &error) == 0, "no start");
    for (int i = 0; i < BATCHES; i++) {
        if (open[i % 4] != NULL)
            wait_until_closed(taker, open[i % 4]);
        open[i % 4] = new_batch(&assignment, (int64_t)i * BATCH, events[i % 4]);
        taker->ops->take_batch(taker, open[i % 4]);
    }
    for (int i = 0; i < 4; i++)
        wait_until_closed(taker, open[i]);
    expect(attempts + lined == BATCHES / 4 * BATCH * 5, "an attempt is missing, or one too many");
    expect(failures > 0 && publishes == 2 * failures, "a run that failed has no dead letter, or two");

    struct batch *last = new_batch(&assignment, (int64_t)BATCHES * BATCH, "{\"name\":\"stuck\"}");
    parks = 0;
    taker->ops->take_batch(taker, last);
    wait_until_closed(taker, last);
    expect(parks == BATCH && late == BATCH, "a stuck handler was not taken over");

    expect(dispatch_drain(dispatch, 10000), "it does not drain");
    (void)usleep(50000); /* those that were stuck end */
    expect(dispatch_destroy(dispatch), "threads are left behind");
    atomic_store(&is_answering, false);
    (void)pthread_join(answering, NULL);
    routes_destroy(routes);
    key_set_destroy(assignment.parked_keys);
    (void)printf("stress_dispatch: %d attempts\n", attempts);
    return 0;
}
