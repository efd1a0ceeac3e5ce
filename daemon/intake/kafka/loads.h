/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads: batches to hand over, each one allocation with its messages, the bytes they are made of, and
 * the spans of offsets that it covers. Copied, since a message of librdkafka's own would keep the
 * whole answer to a fetch (up to 50 MB) in memory until its run has ended. Used again; the consumer
 * thread's, but for what the taker holds of them.
 */
#ifndef STEPD_INTAKE_KAFKA_LOADS_H
#define STEPD_INTAKE_KAFKA_LOADS_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "run/message.h"
#include "schema/schema.h"

struct partition;

/* Offsets of one partition that follow each other in a load. */
struct span {
    struct partition *partition;
    int64_t first;
    int64_t last;
};

struct load_pool;

struct load {
    struct load *next;
    struct load_pool *pool; /* that it goes back to; NULL: its size is its own */
    size_t size;            /* of the allocation */
    size_t bytes_left;
    char *bytes; /* what is free of it */
    struct span *spans;
    unsigned span_count;
    struct batch batch;
};

/* Unused ones of one size. */
struct load_pool {
    struct load *first;
    unsigned count;
    unsigned least; /* there were never fewer since the last trim */
};

#define LOAD_SIZES 5

/* Zeroed: empty. */
struct loads {
    struct load_pool pools[LOAD_SIZES];
};

void loads_done(struct loads *loads);
/* An empty load with room for `bytes` at least, and for many messages if they come in a burst; else for as many as this round has brought
 * `before`, and one. */
struct load *loads_take(struct loads *loads, size_t bytes, bool is_burst, size_t before);
/* Takes one back that the taker has ended with. */
void loads_give(struct load *load);
/* Now and then: frees those that nobody needed since the last time. */
void loads_trim(struct loads *loads);

/* Bytes that a copy of this message takes, with a header of ours. */
size_t load_bytes_of(const rd_kafka_message_t *message, rd_kafka_headers_t **ret_headers);
bool load_has_room(const struct load *load, size_t bytes);
/* Copies it in; load_has_room(). `headers` NULL: none. `schema`, that its value names, is told in a header; NULL: none. */
void load_add(struct load *load, struct partition *partition, const rd_kafka_message_t *message, rd_kafka_headers_t *headers,
              struct schema *schema);

#endif
