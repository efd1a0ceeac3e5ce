/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two queues of librdkafka's are served here. Rebalances, errors and answers come on its own; messages
 * of all partitions are forwarded to one of ours, which is left alone while enough is in flight: no
 * partition is ever paused, so none of what pausing does (it throws away what was fetched, fetches it
 * again a second later, and some versions skip or repeat offsets) can happen.
 */
#include "base/lock.h"
#include "intake/kafka/consumer_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "kafka/conf.h"
#include "kafka/handle.h"
#include "kafka/library.h"

#define DESTROY_MS 3000
#define IDLE_WAIT_MS 50    /* for a message, when nothing is in flight: how late a rebalance is seen */
#define OPEN_WAIT_MS 5     /* … when something is: how late its end is seen */
#define IDLE_COMMIT_MS 100 /* nothing came for that long: what is done is committed; nor more often */
#define YOUNG 10           /* commits come after a tenth of the consumer's age, as long as that is less than the interval */
#define BACKOFF_MIN_US 50
#define BACKOFF_MAX_US 2000

/* ---- troubles ------------------------------------------------------------------------------------- */

void consumer_end_if_dead(struct consumer *consumer)
{
    char text[300];
    rd_kafka_resp_err_t error = rd_kafka_fatal_error(consumer->handle, text, sizeof(text));

    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    AUTO_FREE char *why =
        error == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID
            ? xasprintf("Kafka: another member of the group took our group.instance.id (%s): each daemon needs one of its own", text)
            : xasprintf("Kafka: the consumer can't go on: %s", text);
    consumer->settings.fatal(why);
}

/* Runs on: consumer thread, while it serves librdkafka's queue. A fatal one is looked for in each round. */
static void on_error(rd_kafka_t *handle, int code, const char *reason, void *opaque)
{
    struct consumer *consumer = opaque;

    (void)handle;
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        consumer_end_if_dead(consumer);
    } else if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        if (!consumer->is_down)
            log_warn("Kafka can't be reached (%s): stepd keeps trying",
                     conf_text(consumer->settings.kafka, "bootstrap.servers", "no bootstrap.servers"));
        consumer->is_down = true;
        consumer->down_ms = clock_monotonic_ms();
    } else if (code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__RESOLVE) {
        log_debug("librdkafka: %s", reason);
    } else {
        log_warn("Kafka: %s", reason);
    }
}

void consumer_look_whether_back(struct consumer *consumer)
{
    if (!consumer->is_down || atomic_load_explicit(&consumer->group.answered_ms, memory_order_relaxed) <= consumer->down_ms)
        return;
    consumer->is_down = false;
    log_info("Kafka answers again");
}

static void on_group_error(struct consumer *consumer, const rd_kafka_message_t *message)
{
    const char *topic = message->rkt != NULL ? rd_kafka_topic_name(message->rkt) : "?";

    switch (message->err) {
    case RD_KAFKA_RESP_ERR__FATAL:
        consumer_end_if_dead(consumer);
        break;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        reading_on_error(consumer, message);
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        log_warn("topic '%s' does not exist: stepd reads it once it exists", topic);
        break;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        log_error("topic '%s' may not be read: %s", topic, rd_kafka_message_errstr(message));
        break;
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
        log_error("Kafka's group has removed this daemon as dead (max.poll.interval.ms): %s", rd_kafka_message_errstr(message));
        break;
    default:
        log_warn("Kafka: %s", rd_kafka_message_errstr(message));
        break;
    }
}

/* Rebalances, errors and all else that is no message: a message here would come however much is in flight. */
static void serve_control(struct consumer *consumer)
{
    rd_kafka_message_t *message;

    while ((message = rd_kafka_consumer_poll(consumer->handle, 0)) != NULL) {
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            reading_bring_back(consumer, message);
        else
            on_group_error(consumer, message);
        rd_kafka_message_destroy(message);
    }
}

/* ---- the thread ----------------------------------------------------------------------------------- */

void consumer_round_begin(struct consumer *consumer)
{
    assert_thread(&consumer->thread);
    consumer->now_ms = clock_monotonic_ms();
    pulse_beat_here();
}

void consumer_publish_counts(struct consumer *consumer)
{
    struct commits_counts commits = commits_counts(consumer->commits);
    struct consumer_counts *counts = &consumer->counts;

    counts->commits = commits.done;
    counts->commits_failed = commits.failed;
    counts->partitions = consumer->assigned.count;
    counts->in_flight = consumer->in_flight + consumer->away;
    counts->awaiting = consumer->awaiting;
    counts->crowded = consumer->crowded;
    counts->has_joined = consumer->is_joined;
    LOCK_GUARD(&consumer->lock);
    consumer->published = *counts;
}

/* One that is killed again and again, a few seconds after it has begun, should still leave something behind. */
static int64_t commit_every_ms(const struct consumer *consumer)
{
    int64_t every_ms = (consumer->now_ms - consumer->begun_ms) / YOUNG;

    every_ms = every_ms < IDLE_COMMIT_MS ? IDLE_COMMIT_MS : every_ms;
    return every_ms < consumer->settings.commit_interval_ms ? every_ms : consumer->settings.commit_interval_ms;
}

static void commit_if_due(struct consumer *consumer)
{
    int64_t since_ms = consumer->now_ms - consumer->committed_ms;
    bool is_idle = consumer->open == NULL && consumer->now_ms - consumer->came_ms >= IDLE_COMMIT_MS && since_ms >= IDLE_COMMIT_MS;

    assert_thread(&consumer->thread);
    if (since_ms < commit_every_ms(consumer) && !is_idle)
        return;
    if (commits_are_under_way(consumer->commits) || atomic_load(&consumer->group.is_joining) || atomic_load(&consumer->must_rewind))
        return;
    consumer->committed_ms = consumer->now_ms;
    intake_settle_open(consumer);
    stalls_reach_positions(consumer);
    commits_begin(consumer->commits, consumer->assigned.items, consumer->assigned.count);
}

/* All is in flight that may be: looks again after a while, longer each time. */
static void wait_for_room(struct consumer *consumer)
{
    consumer->backoff_us = consumer->backoff_us == 0 ? BACKOFF_MIN_US : consumer->backoff_us * 2;
    if (consumer->backoff_us > BACKOFF_MAX_US)
        consumer->backoff_us = BACKOFF_MAX_US;
    (void)nanosleep(&(struct timespec){ .tv_nsec = consumer->backoff_us * 1000 }, NULL);
}

static void round_of(struct consumer *consumer)
{
    consumer_round_begin(consumer);
    serve_control(consumer);
    consumer_end_if_dead(consumer);
    joining_tend(consumer);
    positions_tell(&consumer->positions, consumer->assigned.items, consumer->assigned.count);
    assigned_hear_lookups(consumer);
    assigned_hear_answer(consumer);
    intake_sweep_at_times(consumer);
    if (consumer->open != NULL)
        consumer->settings.batches->ops->nudge(consumer->settings.batches);
    commits_poll(consumer->commits);
    room_tend(consumer);
    reading_go_back(consumer);
    schemas_tend(consumer);
    reading_tend(consumer);
    commit_if_due(consumer);
    stalls_watch(consumer);
    assigned_free_unnamed(consumer);
    if (intake_is_held_back(consumer)) {
        wait_for_room(consumer);
    } else {
        consumer->backoff_us = 0;
        intake_serve(consumer, consumer->open != NULL ? OPEN_WAIT_MS : IDLE_WAIT_MS);
    }
    consumer_publish_counts(consumer);
}

/* Leaving commits what is done, in on_revoked(). Close may hang, in 2.0.2 for ever. */
static void leave(struct consumer *consumer)
{
    rd_kafka_queue_t *control = rd_kafka_queue_new(consumer->handle);
    int64_t until_ms = atomic_load(&consumer->stop_until_ms);
    rd_kafka_error_t *failed = rd_kafka_consumer_close_queue(consumer->handle, control);

    consumer->is_closed = failed != NULL;
    reading_say_refused("the group can't be left", failed);
    while (!consumer->is_closed && clock_monotonic_ms() < until_ms) {
        consumer_round_begin(consumer);
        (void)rd_kafka_queue_poll_callback(control, 20);
        intake_sweep(consumer);
        commits_poll(consumer->commits);
        consumer->is_closed = rd_kafka_consumer_closed(consumer->handle) == 1;
        consumer_publish_counts(consumer);
    }
    if (!consumer->is_closed)
        log_warn("leaving Kafka's group takes too long: the group will notice by itself");
    rd_kafka_queue_destroy(control);
}

static void *consumer_main(void *argument)
{
    struct consumer *consumer = argument;

    consumer->begun_ms = clock_monotonic_ms();
    while (!atomic_load(&consumer->must_stop))
        round_of(consumer);
    leave(consumer);
    return NULL;
}

/* ---- its life ------------------------------------------------------------------------------------- */

int consumer_check(const struct setting *kafka, struct error *ret_error)
{
    rd_kafka_conf_t *conf;
    int failed = conf_create(kafka, &conf, ret_error);

    if (failed != 0)
        return failed;
    failed = joining_set_values(kafka, conf, ret_error);
    if (failed != 0) {
        rd_kafka_conf_destroy(conf);
        return failed;
    }
    return handle_try(RD_KAFKA_CONSUMER, conf, ret_error);
}

static void set_callbacks(struct consumer *consumer, rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_rebalance_cb(conf, rebalance_on_change);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, consumer);
    group_watch_add(&consumer->group, conf);
}

/* One that reads and writes nothing. That a topic was made anew is the last that it hears, but it does; `handle` may hear nothing by then. */
static int open_by_id(struct consumer *consumer, struct error *ret_error)
{
    rd_kafka_conf_t *conf;
    char why[150];
    int failed = conf_create(consumer->settings.kafka, &conf, ret_error);

    if (failed != 0)
        return failed;
    consumer->by_id = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (consumer->by_id != NULL)
        return 0;
    rd_kafka_conf_destroy(conf);
    return error_set(ret_error, EINVAL, "kafka: %s", why);
}

static int open_handle(struct consumer *consumer, struct error *ret_error)
{
    rd_kafka_conf_t *conf;
    char why[150];
    int failed = conf_create(consumer->settings.kafka, &conf, ret_error);

    if (failed != 0)
        return failed;
    failed = joining_set_values(consumer->settings.kafka, conf, ret_error);
    if (failed != 0) {
        rd_kafka_conf_destroy(conf);
        return failed;
    }
    set_callbacks(consumer, conf);
    consumer->handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    if (consumer->handle == NULL) {
        rd_kafka_conf_destroy(conf);
        return error_set(ret_error, EINVAL, "kafka: %s", why);
    }
    (void)rd_kafka_poll_set_consumer(consumer->handle);
    consumer->messages = rd_kafka_queue_new(consumer->handle);
    consumer->commits = commits_create(consumer->handle, &consumer->settings);
    if (library_breaks_on_new_topics(rd_kafka_version()))
        failed = open_by_id(consumer, ret_error);
    consumer->lookups = lookups_create(consumer->handle, consumer->by_id != NULL ? consumer->by_id : consumer->handle, &consumer->settings);
    return failed;
}

static size_t topics_count(const char *const *topics)
{
    size_t count = 0;

    while (topics[count] != NULL)
        count++;
    return count;
}

int consumer_create(const struct consumer_settings *settings, struct consumer **ret_consumer, struct error *ret_error)
{
    struct consumer *consumer = xcalloc(1, sizeof(*consumer));

    consumer->settings = *settings;
    consumer->reset = reading_reset_of(settings->kafka);
    consumer->open_last = &consumer->open;
    consumer->memory_max = message_memory_most(settings->queue);
    consumer->topics = xcalloc(topics_count(settings->topics) + 1, sizeof(consumer->topics[0]));
    lock_init(&consumer->lock);
    positions_init(&consumer->positions);
    boundaries_init(&consumer->boundaries, settings->kafka, settings->topics);
    if (settings->matching != NULL)
        consumer->lookback = lookback_create(&consumer->settings, &consumer->positions);
    int failed = open_handle(consumer, ret_error);
    if (failed != 0) {
        consumer_destroy(consumer);
        return failed;
    }
    *ret_consumer = consumer;
    return 0;
}

int consumer_start(struct consumer *consumer, struct error *ret_error)
{
    int failed = joining_begin(consumer, ret_error);

    if (failed == 0)
        failed = lookups_start(consumer->lookups, ret_error);
    if (failed == 0 && consumer->lookback != NULL)
        failed = lookback_start(consumer->lookback, ret_error);
    if (failed != 0)
        return failed;
    return thread_start(&consumer->thread, "consumer", PULSE_LIMIT_MS, consumer_main, consumer, ret_error);
}

void consumer_rewind(struct consumer *consumer)
{
    atomic_store(&consumer->must_rewind, true);
}

void consumer_pause(struct consumer *consumer)
{
    atomic_store(&consumer->must_pause, true);
}

void consumer_stop(struct consumer *consumer, int64_t timeout_ms)
{
    int64_t until_ms = clock_monotonic_ms() + timeout_ms;

    atomic_store(&consumer->stop_until_ms, until_ms);
    positions_stop(&consumer->positions);
    boundaries_stop(&consumer->boundaries);
    lookback_stop(consumer->lookback);
    atomic_store(&consumer->must_stop, true);
    if (!thread_join_until(&consumer->thread, until_ms + 1000))
        consumer->is_left_behind = true;
    if (consumer->lookups != NULL && !lookups_stop(consumer->lookups, 1000))
        consumer->is_left_behind = true;
    if (consumer->is_left_behind)
        log_warn("Kafka's client does not stop in time: the daemon ends without it");
}

/* Those that a thread stuck in a handler may still read stay. */
static void free_loads(struct consumer *consumer)
{
    intake_sweep(consumer);
    if (consumer->open == NULL) {
        loads_done(&consumer->loads);
        takings_drop(&consumer->takings);
        takings_drop(&consumer->knowns);
        assigned_hear_lookups(consumer);
        while (consumer->assigned.count > 0)
            assigned_let_go(consumer, consumer->assigned.items[0]);
    }
    takings_done(&consumer->takings);
    takings_done(&consumer->knowns);
}

/* Before 2.3.0 librdkafka aborts as it ends a member that the group has let in and not given an assignment yet
 * (confluentinc/librdkafka#4312). It does not tell whether it was let in. */
static bool can_end_handle(const struct consumer *consumer)
{
    return consumer->is_joined || !consumer->is_subscribed || rd_kafka_version() >= 0x02030000;
}

void consumer_destroy(struct consumer *consumer)
{
    if (consumer == NULL)
        return;
    if (consumer->thread.is_started && !consumer->is_left_behind)
        consumer_stop(consumer, 0);
    if (!lookback_destroy(consumer->lookback) || consumer->is_left_behind)
        return;
    if (consumer->handle != NULL) {
        free_loads(consumer);
        commits_destroy(consumer->commits);
        lookups_destroy(consumer->lookups);
        assigned_free_unnamed(consumer);
        rd_kafka_queue_destroy(consumer->messages);
        if (!can_end_handle(consumer) ||
            !handle_destroy(consumer->handle, consumer->is_closed ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, DESTROY_MS))
            return; /* still used there */
    }
    if (consumer->by_id != NULL)
        (void)handle_destroy(consumer->by_id, 0, DESTROY_MS);
    positions_done(&consumer->positions);
    boundaries_done(&consumer->boundaries);
    free(consumer->assigned.items);
    free(consumer->views);
    free(consumer->topics);
    lock_done(&consumer->lock);
    free(consumer);
}

int consumer_ask_boundary(struct consumer *consumer, msgpack_sbuffer *ret_boundary)
{
    return boundaries_ask(&consumer->boundaries, ret_boundary);
}

void consumer_counts(struct consumer *consumer, struct consumer_counts *ret_counts)
{
    LOCK_GUARD(&consumer->lock);
    *ret_counts = consumer->published;
}

size_t consumer_partitions(struct consumer *consumer, struct partition_view *out, size_t max)
{
    LOCK_GUARD(&consumer->lock);
    size_t count = consumer->view_count;
    if (count > 0 && max > 0)
        memcpy(out, consumer->views, (count < max ? count : max) * sizeof(out[0]));
    return count;
}
