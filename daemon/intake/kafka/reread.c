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
#include "base/log.h"
#include "base/pulse.h"
#include "intake/kafka/consumer_settings.h"
#include "intake/kafka/message_schema.h"
#include "intake/kafka/positions.h"
#include "kafka/conf.h"
#include "kafka/handle.h"

#define POLL_MS 100
#define SILENCE_MS 20000 /* of the brokers, while there is more to read */
#define SCHEMA_US 50000
#define DESTROY_MS 3000

struct stretch {
    struct position position;
    int64_t next;
    int64_t end;
};

struct reread {
    const struct consumer_settings *settings;
    atomic_bool is_stopping;
    rd_kafka_t *handle; /* NULL: it was not needed yet */
    struct stretch *spans;
    size_t count;
    size_t room;
    bool is_trouble_said;
};

struct reread *reread_create(const struct consumer_settings *settings)
{
    struct reread *reread = xcalloc(1, sizeof(*reread));

    reread->settings = settings;
    return reread;
}

void reread_destroy(struct reread *reread)
{
    if (reread == NULL)
        return;
    if (reread->handle != NULL)
        (void)handle_destroy(reread->handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, DESTROY_MS);
    free(reread->spans);
    free(reread);
}

void reread_stop(struct reread *reread)
{
    atomic_store(&reread->is_stopping, true);
}

void reread_add(struct reread *reread, const struct position *position, int64_t first)
{
    assert(first < position->next);
    if (reread->count == reread->room) {
        reread->room = reread->room * 2 + 16;
        reread->spans = xrealloc(reread->spans, reread->room * sizeof(reread->spans[0]));
    }
    reread->spans[reread->count++] = (struct stretch){ *position, first, position->next };
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

/* What the live reader copies into a load, borrowed from the message. */
static int match(struct reread *reread, const struct stretch *span, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    struct event event = { 0 };
    size_t count = 0;
    const char *name;
    const void *value;
    size_t size;

    assert(message->offset >= span->next && message->offset < span->end);
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        headers = NULL;
    AUTO_FREE struct event_header *list = xcalloc((headers != NULL ? rd_kafka_header_cnt(headers) : 0) + 1, sizeof(*list));
    while (headers != NULL && rd_kafka_header_get_all(headers, count, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR)
        list[count++] = (struct event_header){ name, { value, size } };
    struct schema *schema = span->position.is_framed ? schema_of(reread, message, headers) : NULL;
    event_init(&event, span->position.topic, message->partition, message->offset, rd_kafka_message_timestamp(message, NULL),
               (struct bytes){ message->key, message->key_len }, (struct bytes){ message->payload, message->len }, list, count);
    if (schema != NULL)
        event_set_schema(&event, schema);
    int status = match_all(reread, &event);
    event_done(&event);
    schema_release(schema);
    return status;
}

/* ---- reading -------------------------------------------------------------------------------------- */

static int open_handle(struct reread *reread)
{
    struct error error = { 0 };
    rd_kafka_conf_t *conf;
    char why[150];

    if (reread->handle != NULL)
        return 0;
    if (conf_create(reread->settings->kafka, &conf, &error) != 0)
        return -EINVAL;
    conf_default(conf, reread->settings->kafka, "group.id", "stepd");
    conf_default(conf, reread->settings->kafka, "fetch.wait.max.ms", "100");
    conf_force(conf, "enable.auto.commit", "false");
    conf_force(conf, "enable.auto.offset.store", "false");
    conf_force(conf, "enable.partition.eof", "true");
    conf_force(conf, "auto.offset.reset", "earliest");
    reread->handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    if (reread->handle == NULL) {
        rd_kafka_conf_destroy(conf);
        log_error("events that were read before a run waited for them can't be read again: %s", why);
        return -EINVAL;
    }
    (void)rd_kafka_poll_set_consumer(reread->handle);
    return 0;
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

static int take(struct reread *reread, struct stretch *span, const rd_kafka_message_t *message)
{
    int status = 0;

    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        span->next = span->end; /* what is left are markers, or was deleted */
        return 0;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ? 0 : -EIO;
    if (message->offset < span->end && message->offset >= span->next)
        status = match(reread, span, message);
    if (status == 0)
        span->next = message->offset + 1;
    return status;
}

static int read_on(struct reread *reread)
{
    int64_t heard_ms = clock_monotonic_ms();

    while (count_open(reread) > 0) {
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
        int status = span != NULL ? take(reread, span, message) : 0;
        rd_kafka_message_destroy(message);
        if (status != 0)
            return status;
    }
    return 0;
}

int reread_all(struct reread *reread)
{
    int status = count_open(reread) > 0 ? open_handle(reread) : 0;

    if (status == 0 && count_open(reread) > 0) {
        status = assign(reread);
        if (status == 0)
            status = read_on(reread);
        (void)rd_kafka_assign(reread->handle, NULL);
    }
    reread->count = 0;
    if (status != 0 && status != -ESHUTDOWN && !reread->is_trouble_said)
        log_warn("events that were read before a run waited for them can't be read again now: stepd keeps trying");
    reread->is_trouble_said = status != 0;
    return status;
}
