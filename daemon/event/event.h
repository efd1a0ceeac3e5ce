/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message, whatever format it came in. Reading goes in two passes: event_find_name() validates
 * the whole value and finds name, id and time, but builds nothing; event_decode() builds data and
 * user as msgpack objects, and is only worth its price when a function asks.
 *
 * Everything given to event_init() is borrowed and must outlive the event; so must the struct stay
 * where it is, since `view` points into it. One thread may do anything with an event; once
 * event_find_name() was called several may call event_decode() and read.
 */
#ifndef STEPD_EVENT_EVENT_H
#define STEPD_EVENT_EVENT_H

#include <msgpack.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stepd/stepd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/lock.h"
#include "base/memory.h"

#define EVENT_INLINE_SIZE 224 /* bytes of name, id and traceparent that need no allocation */

struct event_header {
    const char *name;
    struct bytes value; /* data NULL: a null value */
};

/* First match wins. */
enum event_format {
    EVENT_CLOUD_STRUCTURED, /* content-type: application/cloudevents+json, or JSON with a CloudEvent's keys */
    EVENT_CLOUD_BATCH,      /* content-type: application/cloudevents-batch+json; its events are `parts` */
    EVENT_CLOUD_FOREIGN,    /* content-type: application/cloudevents with anything else */
    EVENT_CLOUD_BINARY,     /* CloudEvents in headers */
    EVENT_EMPTY,            /* no bytes at all */
    EVENT_TEXT,             /* content-type: text, as it is */
    EVENT_MSGPACK,          /* content-type: application/msgpack, or the first byte begins a map */
    EVENT_JSON,
};

enum event_state { EVENT_NEW, EVENT_NAMED, EVENT_DECODED, EVENT_MALFORMED };

/* Where in the value a part of it stands, and as what. */
enum event_part_form { PART_NIL, PART_JSON, PART_MSGPACK, PART_TEXT, PART_BINARY, PART_BASE64 };
struct event_part {
    enum event_part_form form;
    struct bytes bytes; /* BASE64: what stands between the quotes */
};

struct event_parts;
struct schema; /* schema/schema.h */

/* Functions by event and functions by topic do not always see the same: what only a function by topic takes
 * as data, and a message that is no event at all, is a row to it.
 * What every message writes stands together, at the beginning: events lie beside each other by the thousand, and go from the thread
 * that reads them to another. */
struct event {
    struct stepd_event view; /* id, name, data and user are never NULL, after event_find_name() */
    const struct event_header *headers;
    size_t header_count;
    int64_t timestamp_ms;      /* the message's; -1: none */
    struct event_parts *parts; /* a batch's, known after event_find_name(): it is no event itself. NULL: it is no batch */
    const char *said_name;     /* of one that is malformed: its name, or its topic's where none could be read; else NULL */
    const char *tracestate;    /* what goes with view.traceparent; NULL: none */
    struct schema *schema;     /* that the value names; a reference. NULL: it names none */
    struct bytes kept;         /* after event_find_name() what a schema read, for event_set_kept(); size 0: none did */
    struct bytes source;       /* a CloudEvent's, after event_find_name(); size 0: none */
    enum event_format format;  /* known after event_find_name() */
    uint32_t part;             /* 0: the message as a whole; else 1 + its index among the events of a CloudEvents batch */
    bool has_row;              /* known after event_find_name() */

    /* event.c's own */
    bool has_zone;
    bool has_lock;
    atomic_bool is_row_decoded;
    _Atomic(enum event_state) state;
    const char *failure; /* why it is malformed */
    struct event_part data_part;
    struct event_part user_part;
    struct event_part row_part;
    msgpack_object data;
    msgpack_object user;
    size_t inline_used;
    char inline_text[EVENT_INLINE_SIZE];

    struct stepd_event row; /* what a function by topic sees, where has_row; as view */

    /* event.c's own */
    msgpack_object row_data;
    struct lock decoding; /* guards zone, data, user and row_data until they are decoded */
    msgpack_zone zone;
};

/* `event` is zeroed, or was given to event_init() before: then what it held is released and its
 * memory used again. Allocates nothing. key or value with data NULL: none. */
void event_init(struct event *event, const char *topic, int32_t partition, int64_t offset, int64_t timestamp_ms, struct bytes key,
                struct bytes value, const struct event_header *headers, size_t header_count);
/* Between event_init() and event_find_name(): the schema that the value names. The event holds it, too. */
void event_set_schema(struct event *event, struct schema *schema);
/* The same of a value that was read before: `kept` of then, borrowed. Nobody asks a registry again. */
void event_set_kept(struct event *event, struct bytes kept);
/* Leaves it as if zeroed. */
void event_done(struct event *event);

/* After event_find_name(). */
static inline bool event_is_cloud(const struct event *event)
{
    return event->format == EVENT_CLOUD_BINARY || event->format == EVENT_CLOUD_STRUCTURED;
}

/* Validates the value and fills view.name, id, ts_ms. 0, or -EBADMSG with the reason; then name is
 * the topic's, data nil, and id, ts_ms what they are by default. Again: the same answer, no work. */
int event_find_name(struct event *event, struct error *ret_error) MUST_CHECK;
/* Fills view.data and view.user. Finds the name first, where nobody did; fails only as that does. */
int event_decode(struct event *event, struct error *ret_error) MUST_CHECK;

/* What a function by event sees, and what a function by topic does, with data and user built. Of a message
 * that is malformed to both, is_raw is set. */
const struct stepd_event *event_view(struct event *event);
const struct stepd_event *event_row(struct event *event);

/* The value of the last header of that name, letter case ignored; false: none. */
bool event_header_find(const struct event *event, const char *name, struct bytes *ret_value);
/* One that the daemon writes, of an event or of a dead letter; letter case ignored. */
bool event_header_is_own(const char *name);

#define EVENT_INDEX_HEADER "stepd-batch-index" /* of a part's headers: where in the batch it stands */

/*
 * The events of a message with a CloudEvents batch. Each is an event of its own, whose value is its own JSON and
 * whose headers are the message's but for the content type, which is a single CloudEvent's: so a record, a dead
 * letter and a retry of it need to know nothing of batches.
 */
struct event_parts {
    size_t count;
    struct event_header *headers; /* of all parts, one after the other */
    char (*indexes)[24];
    struct event events[];
};

#endif
