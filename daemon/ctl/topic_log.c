/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/topic_log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define ASK_MS 10000
#define SILENCE_MS 20000 /* of the brokers, while there is more to read */

/* ---- what is there --------------------------------------------------------------------------------- */

/* -1: there is no such topic. */
static int partitions_of(const struct rd_kafka_metadata *metadata, const char *topic)
{
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (strcmp(metadata->topics[i].topic, topic) == 0 && metadata->topics[i].err == RD_KAFKA_RESP_ERR_NO_ERROR)
            return metadata->topics[i].partition_cnt;
    return -1;
}

static int ask_ends(struct kafka *reader, const char *topic, struct topic_span *span, struct error *ret_error)
{
    rd_kafka_resp_err_t failed = rd_kafka_query_watermark_offsets(reader->handle, topic, span->partition, &span->first, &span->end, ASK_MS);

    if (failed != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error_set(ret_error, EAGAIN, "%s [%d]: %s", topic, (int)span->partition, rd_kafka_err2str(failed));
    span->log_end = span->end;
    return 0;
}

int topic_spans(struct kafka *reader, const char *topic, struct topic_span **ret_spans, size_t *ret_count, struct error *ret_error)
{
    const struct rd_kafka_metadata *metadata;
    int status = kafka_look(reader, &metadata, ret_error);

    if (status != 0)
        return status;
    const int count = partitions_of(metadata, topic);
    rd_kafka_metadata_destroy(metadata);
    if (count < 0)
        return error_set(ret_error, ENOENT, "there is no topic '%s'", topic);
    struct topic_span *spans = xcalloc((size_t)count + 1, sizeof(*spans));
    for (int i = 0; i < count && status == 0; i++) {
        spans[i].partition = i;
        status = ask_ends(reader, topic, &spans[i], ret_error);
    }
    if (status != 0) {
        free(spans);
        return status;
    }
    *ret_spans = spans;
    *ret_count = (size_t)count;
    return 0;
}

/* The first offset of each partition that is as young as `at_ms`; what has none: RD_KAFKA_OFFSET_END. */
static int ask_offsets(struct kafka *reader, const char *topic, int64_t at_ms, const struct topic_span *spans, size_t count,
                       int64_t *ret_offsets, struct error *ret_error)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);

    for (size_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, topic, spans[i].partition)->offset = at_ms;
    rd_kafka_resp_err_t failed = rd_kafka_offsets_for_times(reader->handle, list, ASK_MS);
    for (size_t i = 0; i < count && failed == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        failed = list->elems[i].err;
        ret_offsets[i] = list->elems[i].offset >= 0 ? list->elems[i].offset : spans[i].log_end;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return failed == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : error_set(ret_error, EAGAIN, "%s: %s", topic, rd_kafka_err2str(failed));
}

int topic_spans_cut(struct kafka *reader, const char *topic, int64_t from_ms, int64_t to_ms, struct topic_span *spans, size_t count,
                    struct error *ret_error)
{
    AUTO_FREE int64_t *offsets = xcalloc(count + 1, sizeof(*offsets));
    assert(from_ms <= to_ms);
    int status = ask_offsets(reader, topic, from_ms, spans, count, offsets, ret_error);

    if (status != 0)
        return status;
    for (size_t i = 0; i < count; i++)
        if (offsets[i] > spans[i].first)
            spans[i].first = offsets[i];
    status = ask_offsets(reader, topic, to_ms + 1, spans, count, offsets, ret_error);
    for (size_t i = 0; i < count && status == 0; i++)
        if (offsets[i] < spans[i].end)
            spans[i].end = offsets[i];
    return status;
}

/* ---- reading --------------------------------------------------------------------------------------- */

static size_t count_open(const struct topic_span *spans, size_t count)
{
    size_t open = 0;

    for (size_t i = 0; i < count; i++)
        open += spans[i].first < spans[i].end;
    return open;
}

static int assign(struct kafka *reader, const char *topic, const struct topic_span *spans, size_t count, struct error *ret_error)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);

    for (size_t i = 0; i < count; i++)
        if (spans[i].first < spans[i].end)
            rd_kafka_topic_partition_list_add(list, topic, spans[i].partition)->offset = spans[i].first;
    rd_kafka_resp_err_t failed = rd_kafka_assign(reader->handle, list);
    rd_kafka_topic_partition_list_destroy(list);
    return failed == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : error_set(ret_error, EIO, "%s: %s", topic, rd_kafka_err2str(failed));
}

static struct topic_span *span_of(struct topic_span *spans, size_t count, int32_t partition)
{
    for (size_t i = 0; i < count; i++)
        if (spans[i].partition == partition)
            return &spans[i];
    return NULL;
}

/* Shows a message, or hears that its partition has no more. False: no more is wanted. */
static bool take(rd_kafka_message_t *message, struct topic_span *span, bool (*each)(void *context, const rd_kafka_message_t *message),
                 void *context)
{
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (span->first < span->end)
            span->first = span->end; /* markers of transactions stand at the end */
        return true;
    }
    if (message->offset >= span->end) {
        span->first = span->end;
        return true;
    }
    if (message->offset < span->first)
        return true;
    bool goes_on = each(context, message);
    span->first = message->offset + 1;
    return goes_on;
}

int topic_read(struct kafka *reader, const char *topic, struct topic_span *spans, size_t count,
               bool (*each)(void *context, const rd_kafka_message_t *message), void *context, struct error *ret_error)
{
    assert(reader->handle != NULL && spans != NULL);
    int status = assign(reader, topic, spans, count, ret_error);
    int64_t heard_ms = clock_monotonic_ms();
    bool goes_on = true;

    while (status == 0 && goes_on && count_open(spans, count) > 0) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(reader->handle, 100);
        if (message == NULL) {
            if (clock_monotonic_ms() - heard_ms > SILENCE_MS)
                status = kafka_unreachable(reader, ret_error);
            continue;
        }
        heard_ms = clock_monotonic_ms();
        struct topic_span *span = message->rkt != NULL ? span_of(spans, count, message->partition) : NULL;
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
            status = error_set(ret_error, EIO, "%s: %s", topic, rd_kafka_message_errstr(message));
        else if (span != NULL)
            goes_on = take(message, span, each, context);
        rd_kafka_message_destroy(message);
    }
    (void)rd_kafka_assign(reader->handle, NULL);
    return status;
}

/* ---- a message ------------------------------------------------------------------------------------- */

struct event_header *topic_headers(const rd_kafka_message_t *message, size_t *ret_count)
{
    rd_kafka_headers_t *headers = NULL;
    struct event_header *list = NULL;
    const char *name;
    const void *value;
    size_t count = 0, size;

    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR && headers != NULL)
        list = xcalloc(rd_kafka_header_cnt(headers) + 1, sizeof(*list));
    while (list != NULL && rd_kafka_header_get_all(headers, count, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR)
        list[count++] = (struct event_header){ name, { value, size } };
    *ret_count = count;
    return list;
}

void topic_event(const rd_kafka_message_t *message, struct event *event, struct event_header **ret_headers)
{
    size_t count = 0;

    *ret_headers = topic_headers(message, &count);
    event_init(event, rd_kafka_topic_name(message->rkt), message->partition, message->offset, rd_kafka_message_timestamp(message, NULL),
               (struct bytes){ message->key, message->key_len }, (struct bytes){ message->payload, message->len }, *ret_headers, count);
}
