/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One partition from its assignment to its revocation. A rewind, or an offset that is out of range,
 * ends one and begins another of the same partition. The consumer's thread's, as its callers assert, but for `assignment` (see
 * run/message.h) and what the thread of `lookups` writes. Freed once nothing names it any more: loads with
 * messages of it, takings that wait for their lag, `lookups`, a commit under way.
 */
#ifndef STEPD_INTAKE_KAFKA_PARTITION_H
#define STEPD_INTAKE_KAFKA_PARTITION_H

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "intake/offsets.h"
#include "kafka/topic_ids.h"
#include "run/message.h"
#include "schema/framing.h"

#define METADATA_MAX 4000 /* brokers take 4,096 by default */

/* All records below `next` are as old as youngest_ms, or older; but for those below where reading began. */
struct read_so_far {
    int64_t next;        /* OFFSETS_UNKNOWN, or 0: nothing is */
    int64_t youngest_ms; /* by their timestamps; -1: none had one */
};

struct partition {
    struct assignment assignment;
    struct offsets *offsets;
    struct partition *next;  /* of those that are revoked, and still named */
    uint64_t serial;         /* no other has it, of this partition or another */
    unsigned holders;        /* that name it */
    int64_t start;           /* where reading begins; a logical offset where nobody could say */
    int64_t committed;       /* acknowledged by the broker; OFFSETS_UNKNOWN: nothing is */
    uint64_t committed_told; /* hash of the metadata that went with it */
    size_t metadata_max;     /* less, once the broker found it too large */
    int64_t again_ms;        /* a message of it was dropped while it is ours: read again then; 0: none */
    bool is_framed;          /* its values may name schemas */
    bool is_awaiting;        /* the schema that its next message names is not known yet; then is_seeking is set, too */
    bool is_waiting_said;
    struct schema_key awaited;
    int64_t awaits_since_ms;
    bool is_crowded;          /* its next message would queue more runs than may be (`assignment.lacks`); then is_seeking is set, too */
    int64_t looked_ms;        /* whether there is room */
    bool is_seeking;          /* librdkafka still reads elsewhere: what comes is not for it */
    int64_t seek_to;          /* where it is to read then; `start` at first */
    int64_t forward_until_ms; /* its queue may come loose until then; 0: no */
    atomic_bool is_loaded;    /* `lookups`: what the store had taken over is known */
    int64_t end;              /* the high watermark; OFFSETS_UNKNOWN */
    int64_t watched_next;     /* the stall watch: what was next when it last moved */
    int64_t moved_ms;         /* and when; monotonic */
    bool is_stalled;
    int64_t began_ms;               /* monotonic */
    struct topic_id topic_id;       /* of the topic that it is of */
    int64_t youngest_ms;            /* timestamp of the youngest record that came; -1: none had one */
    struct read_so_far read;        /* when the brokers were last asked about it … */
    struct read_so_far read_before; /* and the time before that, which is what they were asked by */
    bool was_older;                 /* its first record was not younger than what had been read */
};

/* What a commit found in the group says: its offset, and what was done above it. */
struct partition_begin {
    int64_t start;         /* an offset, or a logical one */
    struct bytes metadata; /* size 0: none */
    int64_t end;           /* OFFSETS_UNKNOWN: not known, and metadata is not believed */
};

/* `ret_is_unread`: there was metadata that could not be read. */
struct partition *partition_create(const char *topic, int32_t id, const struct partition_begin *begin, bool *ret_is_unread);
/* The same partition under a new assignment, where all of `old` that is not done comes again. */
struct partition *partition_renew(const struct partition *old);
void partition_destroy(struct partition *partition);

static inline struct partition *partition_of(const struct message *message)
{
    return (struct partition *)((char *)message->assignment - offsetof(struct partition, assignment));
}

#endif
