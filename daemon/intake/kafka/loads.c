/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/kafka/loads.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/footprint.h"
#include "base/memory.h"
#include "intake/kafka/partition.h"
#include "intake/kafka/record.h"

#define RESERVING_BYTES ((size_t)256 << 10)

/* How many messages and bytes they have room for. A load stays whole until the last of its runs has ended, which may take its time: so
 * loads of a trickle are little larger than what is in them, and each of a round is larger than the one before. */
static const struct load_size {
    unsigned room;
    size_t bytes;
} SIZES[LOAD_SIZES] = { { 1, 512 }, { 2, 1024 }, { 4, 2048 }, { 8, 8192 }, { 256, (size_t)96 << 10 } };

#define LARGE (LOAD_SIZES - 1)
#define LARGEST_OF_A_TRICKLE (LOAD_SIZES - 2)

static size_t aligned(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

static struct load *load_create(unsigned room, size_t bytes)
{
    size_t head = sizeof(struct load) + room * sizeof(struct message);
    size_t spans = room * sizeof(struct span);
    size_t size = head + spans + bytes;

    assert(room > 0);
    if (size >= RESERVING_BYTES)
        footprint_reserve_here();
    struct load *load = xcalloc(1, size); /* events must be zeroed before their first use */

    load->batch.room = room;
    load->size = size;
    load->spans = (struct span *)((char *)load + head);
    return load;
}

static void load_destroy(struct load *load)
{
    for (unsigned i = 0; i < load->batch.room; i++)
        event_done(&load->batch.messages[i].event);
    free(load->batch.jobs);
    free(load);
}

static void load_empty(struct load *load)
{
    load->next = NULL;
    load->span_count = 0;
    load->bytes = (char *)(load->spans + load->batch.room);
    load->bytes_left = (size_t)((char *)load + load->size - load->bytes);
    load->batch.next = NULL;
    load->batch.count = 0;
    atomic_init(&load->batch.is_mixed, false);
}

static void pool_free(struct load_pool *pool, unsigned count)
{
    for (; count > 0 && pool->first != NULL; count--) {
        struct load *load = pool->first;
        pool->first = load->next;
        pool->count--;
        load_destroy(load);
    }
}

void loads_done(struct loads *loads)
{
    for (size_t i = 0; i < LOAD_SIZES; i++)
        pool_free(&loads->pools[i], loads->pools[i].count);
}

static void pool_trim(struct load_pool *pool)
{
    pool_free(pool, pool->least);
    pool->least = pool->count;
}

void loads_trim(struct loads *loads)
{
    for (size_t i = 0; i < LOAD_SIZES; i++)
        pool_trim(&loads->pools[i]);
}

static struct load *pool_take(struct load_pool *pool, const struct load_size *size)
{
    struct load *load = pool->first;

    assert(load == NULL || (load->batch.room == size->room && load->pool == pool));
    if (load == NULL) {
        pool->least = 0;
        load = load_create(size->room, size->bytes);
        load->pool = pool;
        return load;
    }
    pool->first = load->next;
    pool->count--;
    if (pool->count < pool->least)
        pool->least = pool->count;
    return load;
}

static void pool_give(struct load_pool *pool, struct load *load)
{
    load->next = pool->first;
    pool->first = load;
    pool->count++;
}

struct load *loads_take(struct loads *loads, size_t bytes, bool is_burst, size_t before)
{
    size_t i = is_burst ? LARGE : 0;
    struct load *load;

    while (i < LARGEST_OF_A_TRICKLE && SIZES[i].room <= before)
        i++;
    while (i < LOAD_SIZES && SIZES[i].bytes < bytes)
        i++;
    load = i < LOAD_SIZES ? pool_take(&loads->pools[i], &SIZES[i]) : load_create(1, bytes);
    load_empty(load);
    return load;
}

void loads_give(struct load *load)
{
    if (load->pool != NULL)
        pool_give(load->pool, load);
    else
        load_destroy(load);
}

static size_t header_bytes(const rd_kafka_headers_t *headers)
{
    size_t count = rd_kafka_header_cnt(headers);
    size_t bytes = count * sizeof(struct event_header);
    const char *name;
    const void *value;
    size_t size;

    for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        bytes += strlen(name) + 1 + size;
    return bytes;
}

size_t load_bytes_of(const rd_kafka_message_t *message, rd_kafka_headers_t **ret_headers)
{
    size_t bytes = message->key_len + message->len + sizeof(struct event_header);

    *ret_headers = NULL;
    if (record_may_have_headers(message) && rd_kafka_message_headers(message, ret_headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        bytes += header_bytes(*ret_headers);
    return aligned(bytes);
}

bool load_has_room(const struct load *load, size_t bytes)
{
    return load->batch.count < load->batch.room && bytes <= load->bytes_left;
}

static void *place_in(struct load *load, size_t size)
{
    char *at = load->bytes;

    assert(size <= load->bytes_left);
    load->bytes += size;
    load->bytes_left -= size;
    return at;
}

static void *copy_in(struct load *load, const void *data, size_t size)
{
    char *at = place_in(load, size);

    return size > 0 ? memcpy(at, data, size) : at;
}

/* NULL stays NULL. */
static struct bytes bytes_in(struct load *load, const void *data, size_t size)
{
    return (struct bytes){ data == NULL ? NULL : copy_in(load, data, size), size };
}

/* The message's, and behind them what we say of it. */
static struct event_header *headers_in(struct load *load, const rd_kafka_headers_t *headers, size_t count, const struct schema *schema)
{
    struct event_header *copies = place_in(load, (count + (schema != NULL)) * sizeof(*copies));
    const char *name;
    const void *value;
    size_t size;

    for (size_t i = 0; i < count; i++) {
        (void)rd_kafka_header_get_all(headers, i, &name, &value, &size);
        copies[i].name = copy_in(load, name, strlen(name) + 1);
        copies[i].value = bytes_in(load, value, size);
    }
    if (schema != NULL)
        copies[count] = (struct event_header){ "stepd-schema-id", { schema_text(schema), strlen(schema_text(schema)) } };
    return copies;
}

static void span_add(struct load *load, struct partition *partition, int64_t offset)
{
    struct span *span = &load->spans[load->span_count];

    assert(load->span_count < load->batch.room || span[-1].partition == partition);
    if (load->span_count > 0 && span[-1].partition == partition) {
        span[-1].last = offset;
        return;
    }
    *span = (struct span){ .partition = partition, .first = offset, .last = offset };
    load->span_count++;
}

void load_add(struct load *load, struct partition *partition, const rd_kafka_message_t *message, rd_kafka_headers_t *headers,
              struct schema *schema)
{
    struct message *to = &load->batch.messages[load->batch.count++];
    size_t header_count = headers != NULL ? rd_kafka_header_cnt(headers) : 0;
    rd_kafka_timestamp_type_t type;

    assert(load->batch.count <= load->batch.room);
    assert(((uintptr_t)load->bytes & 7) == 0);
    const size_t count = header_count + (schema != NULL);
    const struct event_header *copies = count > 0 ? headers_in(load, headers, header_count, schema) : NULL;
    struct bytes key = bytes_in(load, message->key, message->key_len);
    struct bytes value = bytes_in(load, message->payload, message->len);
    size_t rest = (size_t) - (intptr_t)load->bytes & 7;
    load->bytes += rest;
    load->bytes_left -= rest;

    event_init(&to->event, partition->assignment.topic, message->partition, message->offset, rd_kafka_message_timestamp(message, &type),
               key, value, copies, count);
    if (schema != NULL)
        event_set_schema(&to->event, schema);
    message_init(to, &partition->assignment, &load->batch);
    span_add(load, partition, message->offset);
}
