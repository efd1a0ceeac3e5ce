/* SPDX-License-Identifier: Apache-2.0 */
/* A topic's log, read once, from a place in each partition to where it ended when that was asked. */
#ifndef STEPD_CTL_TOPIC_LOG_H
#define STEPD_CTL_TOPIC_LOG_H

#include "ctl/kafka.h"
#include "event/event.h"

struct topic_span {
    int32_t partition;
    int64_t first;   /* the next to be read; topic_read() moves it on */
    int64_t end;     /* behind the last */
    int64_t log_end; /* of the whole partition */
};

/* All that stands in each partition. The caller frees. -ENOENT: there is no such topic, -EAGAIN: as kafka_look(). */
int topic_spans(struct kafka *reader, const char *topic, struct topic_span **ret_spans, size_t *ret_count,
                struct error *ret_error) MUST_CHECK;
/* Cuts them: from the first message as young as `from_ms` to the last before one that is younger than `to_ms`. -EAGAIN. */
int topic_spans_cut(struct kafka *reader, const char *topic, int64_t from_ms, int64_t to_ms, struct topic_span *spans, size_t count,
                    struct error *ret_error) MUST_CHECK;
/* Shows each message, partition by partition as they come, until `each` wants no more (false). -EAGAIN, -EIO. */
int topic_read(struct kafka *reader, const char *topic, struct topic_span *spans, size_t count,
               bool (*each)(void *context, const rd_kafka_message_t *message), void *context, struct error *ret_error) MUST_CHECK;

/* A message as an event. Lives as long as it; `*ret_headers` is the caller's to free, once the event is done. */
void topic_event(const rd_kafka_message_t *message, struct event *event, struct event_header **ret_headers);
/* Its headers; the caller frees the list, which borrows from the message. */
struct event_header *topic_headers(const rd_kafka_message_t *message, size_t *ret_count);

#endif
