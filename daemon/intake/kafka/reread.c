/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/kafka/reread.h"

#include <assert.h>
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "intake/kafka/aside.h"
#include "intake/kafka/consumer_settings.h"
#include "intake/kafka/message_schema.h"
#include "intake/kafka/positions.h"
#include "kafka/handle.h"

#define POLL_MS 100
#define ASKED_MOST 256   /* messages that the store has not answered */
#define SILENCE_MS 20000 /* of the brokers, while there is more to read */
#define SCHEMA_US 50000
#define DESTROY_MS 3000

struct stretch {
    struct position position;
    int64_t first;
    int64_t next;
    int64_t end;
};

/* A message that the store is asked about, and nobody waits for its answer. */
struct asked {
    struct asked *next; /* of those that are answered */
    struct reread *reread;
    rd_kafka_message_t *message; /* owned, as all below */
    struct event event;
    struct event_header *headers;
    struct schema *schema;
    int status;
    bool is_whole;
};

struct reread {
    const struct consumer_settings *settings;
    atomic_bool is_stopping;
    rd_kafka_t *handle; /* NULL: it was not needed yet */
    struct stretch *spans;
    size_t count;
    size_t room;
    bool is_trouble_said;
    struct lock lock; /* guards what follows */
    struct condition answered;
    struct asked *ended; /* those that the store has answered, in their order */
    struct asked **last;
    size_t asked; /* how many it has not */
};

struct reread *reread_create(const struct consumer_settings *settings)
{
    struct reread *reread = xcalloc(1, sizeof(*reread));

    reread->settings = settings;
    reread->last = &reread->ended;
    lock_init(&reread->lock);
    condition_init(&reread->answered);
    return reread;
}

void reread_destroy(struct reread *reread)
{
    if (reread == NULL)
        return;
    if (reread->handle != NULL)
        (void)handle_destroy(reread->handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, DESTROY_MS);
    assert(reread->asked == 0 && reread->ended == NULL);
    condition_done(&reread->answered);
    lock_done(&reread->lock);
    free(reread->spans);
    free(reread);
}

void reread_stop(struct reread *reread)
{
    atomic_store(&reread->is_stopping, true);
}

void reread_begin(struct reread *reread)
{
    reread->count = 0;
}

void reread_add(struct reread *reread, const struct position *position, int64_t first, int64_t end)
{
    assert(first < end);
    if (reread->count == reread->room) {
        reread->room = reread->room * 2 + 16;
        reread->spans = xrealloc(reread->spans, reread->room * sizeof(reread->spans[0]));
    }
    reread->spans[reread->count++] = (struct stretch){ *position, first, first, end };
}

/* ---- a message ------------------------------------------------------------------------------------ */

/* NULL: its value names none. */
static struct schema *schema_of(struct reread *reread, const rd_kafka_message_t *message, const rd_kafka_headers_t *headers)
{
    const struct schema_port *port = &reread->settings->schemas;
    struct schema *schema = NULL;
    struct schema_key key;

    if (!message_schema_key(message, headers, &key))
        return NULL;
    while ((schema = port->find(port->context, &key)) == NULL && !atomic_load(&reread->is_stopping)) {
        pulse_beat_here();
        (void)usleep(SCHEMA_US);
    }
    return schema;
}

static int match_all(struct reread *reread, struct event *event)
{
    struct error error;
    size_t ended;
    int status = 0;

    if (event_find_name(event, &error) != 0)
        return 0;
    if (event->parts == NULL)
        return matching_match(reread->settings->matching, event, &ended);
    for (size_t i = 0; i < event->parts->count && status == 0; i++) {
        if (event_find_name(&event->parts->events[i], &error) == 0)
            status = matching_match(reread->settings->matching, &event->parts->events[i], &ended);
    }
    return status;
}

static void asked_free(struct asked *asked)
{
    event_done(&asked->event);
    schema_release(asked->schema);
    free(asked->headers);
    rd_kafka_message_destroy(asked->message);
    free(asked);
}

/* Takes the message. What the live reader copies into a load is borrowed from it. */
static struct asked *asked_create(struct reread *reread, const struct stretch *span, rd_kafka_message_t *message)
{
    struct asked *asked = xcalloc(1, sizeof(*asked));
    rd_kafka_headers_t *headers = NULL;
    size_t count = 0;
    const char *name;
    const void *value;
    size_t size;

    assert(message->offset >= span->next && message->offset < span->end);
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        headers = NULL;
    asked->reread = reread;
    asked->message = message;
    asked->headers = xcalloc((headers != NULL ? rd_kafka_header_cnt(headers) : 0) + 1, sizeof(*asked->headers));
    while (headers != NULL && rd_kafka_header_get_all(headers, count, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR)
        asked->headers[count++] = (struct event_header){ name, { value, size } };
    asked->schema = span->position.is_framed ? schema_of(reread, message, headers) : NULL;
    event_init(&asked->event, span->position.topic, message->partition, message->offset, rd_kafka_message_timestamp(message, NULL),
               (struct bytes){ message->key, message->key_len }, (struct bytes){ message->payload, message->len }, asked->headers, count);
    if (asked->schema != NULL)
        event_set_schema(&asked->event, asked->schema);
    return asked;
}

/* A thread of the store's. */
static void hear(void *context, int status, bool is_whole, size_t ended)
{
    struct asked *asked = context;
    struct reread *reread = asked->reread;

    (void)ended;
    asked->status = status;
    asked->is_whole = is_whole;
    LOCK_GUARD(&reread->lock);
    asked->next = NULL;
    *reread->last = asked;
    reread->last = &asked->next;
    reread->asked--;
    condition_wake_all(&reread->answered);
}

/* False: it is the caller's still. */
static bool ask_later(struct reread *reread, struct asked *asked)
{
    struct error error;

    if (asked->event.parts != NULL || event_find_name(&asked->event, &error) != 0)
        return false;
    lock_take(&reread->lock);
    reread->asked++;
    lock_give(&reread->lock);
    if (matching_match_later(reread->settings->matching, &asked->event, hear, asked))
        return true;
    LOCK_GUARD(&reread->lock);
    reread->asked--;
    return false;
}

/* Takes the message. */
static int match(struct reread *reread, const struct stretch *span, rd_kafka_message_t *message)
{
    struct asked *asked = asked_create(reread, span, message);

    if (ask_later(reread, asked))
        return 0;
    int status = match_all(reread, &asked->event);
    asked_free(asked);
    return status;
}

/* What has been answered; waits until no more than `most` are not. */
static struct asked *take_answered(struct reread *reread, size_t most)
{
    LOCK_GUARD(&reread->lock);
    pulse_rest_here();
    while (reread->asked > most)
        condition_wait(&reread->answered, &reread->lock);
    pulse_beat_here();
    struct asked *ended = reread->ended;
    reread->ended = NULL;
    reread->last = &reread->ended;
    return ended;
}

/* What was not answered as a whole is asked again, by one who waits. */
static int settle(struct reread *reread, size_t most)
{
    int status = 0;

    for (struct asked *asked = take_answered(reread, most), *next; asked != NULL; asked = next) {
        next = asked->next;
        if (status == 0)
            status = asked->status != 0 || asked->is_whole ? asked->status : match_all(reread, &asked->event);
        asked_free(asked);
    }
    return status;
}

/* ---- reading -------------------------------------------------------------------------------------- */

static int open_handle(struct reread *reread)
{
    struct error error = { 0 };

    if (reread->handle != NULL || aside_open(reread->settings->kafka, &reread->handle, &error) == 0)
        return 0;
    log_error("events that were read before a run waited for them can't be read again: %s", error.text);
    return -EINVAL;
}

static size_t count_open(const struct reread *reread)
{
    size_t open = 0;

    for (size_t i = 0; i < reread->count; i++)
        open += reread->spans[i].next < reread->spans[i].end;
    return open;
}

static int assign(struct reread *reread)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)reread->count);

    assert(reread->handle != NULL);
    for (size_t i = 0; i < reread->count; i++) {
        const struct stretch *span = &reread->spans[i];
        if (span->next < span->end)
            rd_kafka_topic_partition_list_add(list, span->position.topic, span->position.partition)->offset = span->next;
    }
    rd_kafka_resp_err_t failed = rd_kafka_assign(reread->handle, list);
    rd_kafka_topic_partition_list_destroy(list);
    return failed == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : -EIO;
}

static struct stretch *stretch_of(struct reread *reread, const rd_kafka_message_t *message)
{
    if (message->rkt == NULL)
        return NULL;
    for (size_t i = 0; i < reread->count; i++) {
        struct stretch *span = &reread->spans[i];
        if (span->position.partition == message->partition && strcmp(span->position.topic, rd_kafka_topic_name(message->rkt)) == 0)
            return span;
    }
    return NULL;
}

/* Takes the message. */
static int take(struct reread *reread, struct stretch *span, rd_kafka_message_t *message)
{
    const rd_kafka_resp_err_t failed = message->err;
    const int64_t offset = message->offset;
    int status = 0;

    if (failed == RD_KAFKA_RESP_ERR_NO_ERROR && offset < span->end && offset >= span->next)
        status = match(reread, span, message);
    else
        rd_kafka_message_destroy(message);
    if (failed == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        span->next = span->end; /* what is left are markers, or was deleted */
    else if (failed != RD_KAFKA_RESP_ERR_NO_ERROR)
        return failed == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ? 0 : -EIO;
    else if (status == 0)
        span->next = offset + 1;
    return status;
}

static int read_on(struct reread *reread, int64_t until_ms)
{
    int64_t heard_ms = clock_monotonic_ms();

    while (count_open(reread) > 0 && clock_monotonic_ms() < until_ms) {
        pulse_beat_here();
        if (atomic_load(&reread->is_stopping))
            return -ESHUTDOWN;
        rd_kafka_message_t *message = rd_kafka_consumer_poll(reread->handle, POLL_MS);
        if (message == NULL) {
            if (clock_monotonic_ms() - heard_ms > SILENCE_MS)
                return -EAGAIN;
            continue;
        }
        heard_ms = clock_monotonic_ms();
        struct stretch *span = stretch_of(reread, message);
        int status = 0;
        if (span != NULL)
            status = take(reread, span, message);
        else
            rd_kafka_message_destroy(message);
        if (status == 0)
            status = settle(reread, ASKED_MOST);
        if (status != 0)
            return status;
    }
    return 0;
}

/* The answers to all that was asked are there. */
static int read_some(struct reread *reread, int64_t most_ms)
{
    int status = assign(reread);

    if (status == 0)
        status = read_on(reread, clock_monotonic_ms() + most_ms);
    (void)rd_kafka_assign(reread->handle, NULL);
    int rest = settle(reread, 0);
    return status != 0 ? status : rest;
}

int reread_all(struct reread *reread, int64_t most_ms, bool *ret_is_whole)
{
    int status = count_open(reread) > 0 ? open_handle(reread) : 0;

    if (status == 0 && count_open(reread) > 0)
        status = read_some(reread, most_ms);
    for (size_t i = 0; status != 0 && i < reread->count; i++)
        reread->spans[i].next = reread->spans[i].first; /* of what was asked at once nobody knows which failed */
    *ret_is_whole = status == 0 && count_open(reread) == 0;
    if (status != 0 && status != -ESHUTDOWN && !reread->is_trouble_said)
        log_warn("events that were read before a run waited for them can't be read again now: stepd keeps trying");
    reread->is_trouble_said = status != 0;
    return status;
}

int64_t reread_next(const struct reread *reread, uint64_t serial)
{
    for (size_t i = 0; i < reread->count; i++)
        if (reread->spans[i].position.serial == serial)
            return reread->spans[i].next;
    return -1;
}
