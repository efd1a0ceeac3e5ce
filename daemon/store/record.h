/* SPDX-License-Identifier: Apache-2.0 */
/* A run as the store holds it, read back: how far it is, who holds it, and its event. */
#ifndef STEPD_STORE_RECORD_H
#define STEPD_STORE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "event/event.h"
#include "run/run.h"

enum record_flag {
    RECORD_ORDERED = 1,
    RECORD_CANCEL = 2, /* owned: its worker is asked to end it */
    RECORD_FLOW = 4,
    RECORD_TELL = 8,     /* it was cancelled, and its stepd/function.cancelled is not known to be out */
    RECORD_INVOKED = 16, /* another run, or a program, called it */
    RECORD_MAIL = 32,    /* answers to it came while it was owned */
    RECORD_UNASKED = 64, /* it was called, and its function's flow control has not been asked */
};

/* An event of a record behind its first. */
struct record_event {
    const char *topic; /* in zone, NUL-ended */
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms;
    struct bytes key;
    struct bytes value;
    struct event_header *headers; /* in zone */
    size_t header_count;
    struct bytes kept;
};

/* A record read back. Views point into the bytes that were decoded and live as long as they. */
struct record {
    enum run_status status;
    enum run_phase phase;
    unsigned flags;
    int attempt;
    int takeovers;
    int unclean;
    uint32_t epoch;
    uint32_t checkpoints;
    uint32_t state_bytes;
    int64_t created_ms;
    int64_t changed_ms;
    struct incarnation owner;
    const char *function; /* in zone, NUL-ended */
    const char *topic;    /* in zone, NUL-ended */
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms;
    struct bytes key;             /* data NULL: none */
    struct bytes value;           /* data NULL: none */
    struct event_header *headers; /* in zone */
    size_t header_count;
    struct bytes kept; /* what a schema read of the value; size 0: none did */
    struct bytes tail;
    struct record_event *more; /* in zone; further events of a run of several */
    size_t more_count;
};

/* `event` as event_init() wants it; borrows what the record does. */
static inline void record_init_event(const struct record *record, struct event *event)
{
    event_init(event, record->topic, record->partition, record->offset, record->timestamp_ms, record->key, record->value, record->headers,
               record->header_count);
    event_set_kept(event, record->kept);
}

/* The same of one behind the first. */
static inline void record_init_more(const struct record *record, size_t at, struct event *event)
{
    const struct record_event *from = &record->more[at];

    event_init(event, from->topic, from->partition, from->offset, from->timestamp_ms, from->key, from->value, from->headers,
               from->header_count);
    event_set_kept(event, from->kept);
}

#endif
