/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Callers wait for the delivery reports of their own messages, or are called; one thread polls for all of them. An
 * idempotent producer can fail for good (a broker that lost its memory of it): then the thread makes
 * another one, and what was under way is tried again there.
 */
#include "publish/producer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <librdkafka/rdkafka.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "base/thread.h"
#include "kafka/conf.h"
#include "kafka/handle.h"

#define POLL_MS 100
#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000
#define END_MS 5000 /* for a producer that failed, to end */

struct producer {
    struct publisher publisher; /* first */
    const struct setting *settings;
    struct thread thread;    /* the polling thread */
    atomic_bool must_end;    /* the polling thread */
    atomic_bool is_stopping; /* callers are turned away */
    atomic_bool is_up;
    _Atomic(uint64_t) refused;   /* messages; any thread */
    atomic_bool has_failed;      /* the handle, for good: the thread makes another */
    pthread_rwlock_t lock;       /* guards handle: callers read, the thread replaces it */
    rd_kafka_t *handle;          /* NULL: it could not be made anew yet */
    rd_kafka_topic_t **expected; /* lock; the handle's */
    size_t expected_count;
    struct lock stop_lock; /* guards stop */
    struct condition stop; /* is_stopping was set */
};

/* What the report on one message is for. */
struct report {
    void (*hear)(struct report *report, struct producer *producer, const char *topic, rd_kafka_resp_err_t error);
};

/* One message; the memory of the caller that waits for it. */
struct delivery {
    struct report report; /* first */
    struct lock lock;
    struct condition done;
    bool is_done;
    rd_kafka_resp_err_t error;
};

/* Messages that nobody waits for; gone with the report on the last one. */
struct later {
    struct report report; /* first */
    struct pending_delivery *pending;
    atomic_size_t left; /* reports that are to come; and one until all are handed over */
    atomic_bool is_refused;
    atomic_bool has_failed; /* so that it may be tried again */
};

static_assert(offsetof(struct producer, publisher) == 0, "publish() is given the publisher");
static_assert(offsetof(struct delivery, report) == 0, "hear_delivery() is given the report");
static_assert(offsetof(struct later, report) == 0, "hear_later() is given the report");

/* Runs on: the polling thread, and who destroys the handle. */
static void on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    struct report *report = message->_private;

    assert(report != NULL);
    (void)handle;
    report->hear(report, opaque, rd_kafka_topic_name(message->rkt), message->err);
}

static void on_error(rd_kafka_t *handle, int code, const char *reason, void *opaque)
{
    struct producer *producer = opaque;
    char text[300];

    assert_thread(&producer->thread);
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        (void)rd_kafka_fatal_error(handle, text, sizeof(text));
        log_warn("the producer starts anew: %s", text);
        atomic_store(&producer->has_failed, true);
        return;
    }
    log_debug("librdkafka: %s", reason);
}

/* The caller's, unless it fails. */
static int make_conf(const struct setting *kafka, rd_kafka_conf_t **ret_conf, struct error *ret_error)
{
    int failed = conf_create(kafka, ret_conf, ret_error);

    if (failed != 0)
        return failed;
    conf_default(*ret_conf, kafka, "linger.ms", "1");
    conf_default(*ret_conf, kafka, "message.timeout.ms", "10000");     /* tried again after, and said */
    conf_default(*ret_conf, kafka, "message.max.bytes", "1000000000"); /* the broker's limit is the one that counts */
    conf_force(*ret_conf, "enable.idempotence", "true");
    return 0;
}

int producer_check(const struct setting *kafka, struct error *ret_error)
{
    rd_kafka_conf_t *conf;
    int failed = make_conf(kafka, &conf, ret_error);
    return failed != 0 ? failed : handle_try(RD_KAFKA_PRODUCER, conf, ret_error);
}

static int open_handle(struct producer *producer, struct error *ret_error)
{
    rd_kafka_conf_t *conf;
    char why[150];
    int failed = make_conf(producer->settings, &conf, ret_error);

    assert(producer->handle == NULL);
    if (failed != 0)
        return failed;
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, producer);
    producer->handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (producer->handle == NULL) {
        rd_kafka_conf_destroy(conf);
        return error_set(ret_error, EINVAL, "kafka: %s", why);
    }
    return 0;
}

/* ---- the polling thread ----------------------------------------------------------------------- */

static void purge(rd_kafka_t *handle)
{
    (void)rd_kafka_purge(handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

/* Every message is reported on, so that nobody waits for a report that never comes. */
static void empty(struct producer *producer)
{
    assert(producer->handle != NULL);
    purge(producer->handle);
    while (rd_kafka_outq_len(producer->handle) > 0)
        (void)rd_kafka_poll(producer->handle, POLL_MS);
}

static void forget_expected(struct producer *producer)
{
    while (producer->expected_count > 0)
        rd_kafka_topic_destroy(producer->expected[--producer->expected_count]);
}

static void start_anew(struct producer *producer)
{
    struct error error;

    assert_thread(&producer->thread);
    pthread_rwlock_wrlock(&producer->lock);
    forget_expected(producer);
    if (producer->handle != NULL) {
        empty(producer);
        (void)handle_destroy(producer->handle, 0, END_MS);
        producer->handle = NULL;
    }
    atomic_store(&producer->has_failed, false);
    if (open_handle(producer, &error) != 0) {
        log_error("the producer can't be started again, stepd keeps trying: %s", error.text);
        atomic_store(&producer->has_failed, true);
    }
    pthread_rwlock_unlock(&producer->lock);
}

static void *producer_main(void *argument)
{
    struct producer *producer = argument;

    while (!atomic_load(&producer->must_end)) {
        pulse_beat_here();
        if (atomic_load(&producer->has_failed))
            start_anew(producer);
        if (producer->handle != NULL)
            (void)rd_kafka_poll(producer->handle, POLL_MS);
        else
            (void)nanosleep(&(struct timespec){ .tv_nsec = POLL_MS * 1000000 }, NULL);
    }
    return NULL;
}

/* ---- callers ---------------------------------------------------------------------------------- */

static rd_kafka_headers_t *headers_of(const struct outgoing *message)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(message->header_count);

    for (size_t i = 0; i < message->header_count; i++) {
        const struct event_header *header = &message->headers[i];
        (void)rd_kafka_header_add(headers, header->name, -1, header->value.data,
                                  header->value.data == NULL ? 0 : (ssize_t)header->value.size);
    }
    return headers;
}

static rd_kafka_resp_err_t hand_over(struct producer *producer, const struct outgoing *message, struct report *report)
{
    rd_kafka_headers_t *headers = headers_of(message);
    rd_kafka_resp_err_t refused = RD_KAFKA_RESP_ERR__STATE;

    pthread_rwlock_rdlock(&producer->lock);
    if (producer->handle != NULL && !atomic_load(&producer->is_stopping))
        refused =
            rd_kafka_producev(producer->handle, RD_KAFKA_V_TOPIC(message->topic), RD_KAFKA_V_KEY(message->key.data, message->key.size),
                              RD_KAFKA_V_VALUE((void *)(uintptr_t)message->value.data, message->value.size), RD_KAFKA_V_HEADERS(headers),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(report), RD_KAFKA_V_END);
    pthread_rwlock_unlock(&producer->lock);
    if (refused != RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_headers_destroy(headers);
    return refused;
}

static void hear_delivery(struct report *report, struct producer *producer, const char *topic, rd_kafka_resp_err_t error)
{
    struct delivery *delivery = (struct delivery *)report;

    (void)producer;
    (void)topic;
    lock_take(&delivery->lock);
    assert(!delivery->is_done); /* reported on once */
    delivery->error = error;
    delivery->is_done = true;
    condition_wake_one(&delivery->done);
    lock_give(&delivery->lock); /* it is gone from here on */
}

static void delivery_init(struct delivery *delivery)
{
    *delivery = (struct delivery){ .report.hear = hear_delivery };
    lock_init(&delivery->lock);
    condition_init(&delivery->done);
}

/* What became of one that was handed over. */
static rd_kafka_resp_err_t delivery_wait(struct delivery *delivery)
{
    LOCK_GUARD(&delivery->lock);
    while (!delivery->is_done)
        condition_wait(&delivery->done, &delivery->lock);
    return delivery->error;
}

/* Asking again won't help. */
static bool is_refusal(rd_kafka_resp_err_t error)
{
    switch ((int)error) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
        return true;
    default:
        return false;
    }
}

/* False: the producer stops. */
static bool pause_ms(struct producer *producer, int64_t delay_ms)
{
    int64_t until_ms = clock_monotonic_ms() + delay_ms;

    LOCK_GUARD(&producer->stop_lock);
    while (!atomic_load(&producer->is_stopping) && condition_wait_until(&producer->stop, &producer->stop_lock, until_ms))
        ;
    return !atomic_load(&producer->is_stopping);
}

static void say_up(struct producer *producer, const char *topic)
{
    if (!atomic_exchange(&producer->is_up, true))
        log_info("Kafka takes messages again (%s)", topic);
}

static void say_down(struct producer *producer, const char *topic, rd_kafka_resp_err_t error)
{
    if (atomic_exchange(&producer->is_up, false))
        log_warn("a message for %s can't be delivered now, stepd keeps trying: %s", topic, rd_kafka_err2str(error));
}

static void say_refused(struct producer *producer, const char *topic, rd_kafka_resp_err_t error)
{
    log_error("the brokers refuse a message for %s: %s", topic, rd_kafka_err2str(error));
    atomic_fetch_add_explicit(&producer->refused, 1, memory_order_relaxed);
}

/* One try of those that are not out yet, up to the first that the producer has no room for: all of it is on its way
 * before the first is waited for. `is_out` is set of what the brokers have. The first refusal, else any other error; of which message. */
static rd_kafka_resp_err_t deliver(struct producer *producer, const struct outgoing *messages, size_t count, struct delivery *deliveries,
                                   bool *is_out, size_t *ret_at)
{
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
    size_t handed = 0;

    for (; handed < count && error == RD_KAFKA_RESP_ERR_NO_ERROR; handed++) {
        if (is_out[handed])
            continue;
        delivery_init(&deliveries[handed]);
        error = hand_over(producer, &messages[handed], &deliveries[handed].report);
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        *ret_at = --handed;
    for (size_t i = 0; i < handed; i++) {
        if (is_out[i])
            continue;
        rd_kafka_resp_err_t own = delivery_wait(&deliveries[i]);
        is_out[i] = own == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (is_out[i] || is_refusal(error))
            continue;
        error = own;
        *ret_at = i;
    }
    return error;
}

/* Tries until all are out. 0, -EIO once one is refused, or -ESHUTDOWN. */
static int deliver_all(struct producer *producer, const struct outgoing *messages, size_t count, struct delivery *deliveries, bool *is_out)
{
    for (int64_t delay_ms = RETRY_MIN_MS; !atomic_load(&producer->is_stopping); delay_ms *= 2) {
        size_t at = 0;
        rd_kafka_resp_err_t error = deliver(producer, messages, count, deliveries, is_out, &at);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
            say_up(producer, messages[at].topic);
            return 0;
        }
        if (is_refusal(error)) {
            say_refused(producer, messages[at].topic, error);
            return -EIO;
        }
        if (atomic_load(&producer->is_stopping))
            break;
        if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            say_down(producer, messages[at].topic, error);
        if (!pause_ms(producer, delay_ms < RETRY_MAX_MS ? delay_ms : RETRY_MAX_MS))
            break;
    }
    return -ESHUTDOWN;
}

static int publish(struct publisher *publisher, const struct outgoing *messages, size_t count)
{
    if (count == 0)
        return 0;
    AUTO_FREE struct delivery *deliveries = xcalloc(count, sizeof(*deliveries));
    AUTO_FREE bool *is_out = xcalloc(count, sizeof(*is_out));
    return deliver_all((struct producer *)publisher, messages, count, deliveries, is_out);
}

/* ---- callers that are called ------------------------------------------------------------------ */

static int later_status(const struct later *later, const struct producer *producer)
{
    if (atomic_load(&later->is_refused))
        return -EIO;
    if (!atomic_load(&later->has_failed))
        return 0;
    return atomic_load(&producer->is_stopping) ? -ESHUTDOWN : -EAGAIN;
}

static void drop_share(struct later *later, const struct producer *producer)
{
    assert(atomic_load(&later->left) > 0);
    if (atomic_fetch_sub(&later->left, 1) != 1)
        return;
    struct pending_delivery *pending = later->pending;
    pending->status = later_status(later, producer);
    free(later);
    pending->done(pending);
}

static void hear_later(struct report *report, struct producer *producer, const char *topic, rd_kafka_resp_err_t error)
{
    struct later *later = (struct later *)report;

    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        say_up(producer, topic);
    } else if (is_refusal(error)) {
        say_refused(producer, topic, error);
        atomic_store(&later->is_refused, true);
    } else {
        atomic_store(&later->has_failed, true);
    }
    drop_share(later, producer);
}

static void publish_later(struct publisher *publisher, const struct outgoing *messages, size_t count, struct pending_delivery *pending)
{
    struct producer *producer = (struct producer *)publisher;
    struct later *later = xmalloc(sizeof(*later));

    *later = (struct later){ .report.hear = hear_later, .pending = pending };
    atomic_init(&later->left, count + 1);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t refused = hand_over(producer, &messages[i], &later->report);
        if (refused != RD_KAFKA_RESP_ERR_NO_ERROR)
            hear_later(&later->report, producer, messages[i].topic, refused);
    }
    drop_share(later, producer);
}

/* ---- its life --------------------------------------------------------------------------------- */

static const struct publisher_ops producer_ops = { .publish = publish, .publish_later = publish_later };

int producer_create(const struct setting *kafka, struct producer **ret_producer, struct error *ret_error)
{
    struct producer *producer = xcalloc(1, sizeof(*producer));

    producer->publisher.ops = &producer_ops;
    producer->settings = kafka;
    atomic_init(&producer->is_up, true);
    atomic_init(&producer->refused, 0);
    (void)pthread_rwlock_init(&producer->lock, NULL);
    lock_init(&producer->stop_lock);
    condition_init(&producer->stop);
    int failed = open_handle(producer, ret_error);
    if (failed == 0)
        failed = thread_start(&producer->thread, "producer", PULSE_LIMIT_MS, producer_main, producer, ret_error);
    if (failed != 0) {
        producer_destroy(producer, 0);
        return failed;
    }
    *ret_producer = producer;
    return 0;
}

struct publisher *producer_port(struct producer *producer)
{
    return &producer->publisher;
}

void producer_expect(struct producer *producer, const char *topic)
{
    pthread_rwlock_wrlock(&producer->lock);
    rd_kafka_topic_t *expected = producer->handle != NULL ? rd_kafka_topic_new(producer->handle, topic, NULL) : NULL;
    if (expected != NULL) {
        producer->expected = xrealloc(producer->expected, (producer->expected_count + 1) * sizeof(rd_kafka_topic_t *));
        producer->expected[producer->expected_count++] = expected;
    }
    pthread_rwlock_unlock(&producer->lock);
}

bool producer_is_up(const struct producer *producer)
{
    return atomic_load(&producer->is_up);
}

uint64_t producer_refused(const struct producer *producer)
{
    return atomic_load_explicit(&producer->refused, memory_order_relaxed);
}

void producer_stop(struct producer *producer)
{
    lock_take(&producer->stop_lock);
    atomic_store(&producer->is_stopping, true);
    condition_wake_all(&producer->stop);
    lock_give(&producer->stop_lock);
    pthread_rwlock_wrlock(&producer->lock); /* whoever saw it go on has handed over by now */
    if (producer->handle != NULL)
        purge(producer->handle);
    pthread_rwlock_unlock(&producer->lock);
}

void producer_destroy(struct producer *producer, int64_t timeout_ms)
{
    if (producer == NULL)
        return;
    if (producer->thread.is_started) {
        producer_stop(producer);
        atomic_store(&producer->must_end, true);
        thread_join(&producer->thread);
    }
    forget_expected(producer);
    free(producer->expected);
    if (producer->handle != NULL) {
        empty(producer);
        if (!handle_destroy(producer->handle, 0, timeout_ms))
            return; /* still used there */
    }
    (void)pthread_rwlock_destroy(&producer->lock);
    lock_done(&producer->stop_lock);
    condition_done(&producer->stop);
    free(producer);
}
