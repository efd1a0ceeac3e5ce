/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/schema.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "schema/avro.h"

#define ZONE_CHUNK_SIZE 4096

struct schema {
    atomic_uint holders;
    enum schema_form form;
    struct schema_key key;
    char text[SCHEMA_TEXT_SIZE];
    char *reason;                 /* of an unreadable one */
    const struct avro_type *avro; /* in the zone */
    msgpack_zone zone;
    const struct schema_reader *reader; /* with its state */
    void *state;
};

static struct schema *schema_new(const struct schema_key *key, enum schema_form form)
{
    struct schema *schema = xcalloc(1, sizeof(*schema));

    atomic_init(&schema->holders, 1);
    schema->form = form;
    schema->key = *key;
    schema_key_text(key, schema->text);
    if (!msgpack_zone_init(&schema->zone, ZONE_CHUNK_SIZE))
        abort();
    return schema;
}

struct schema *schema_create_json(const struct schema_key *key)
{
    return schema_new(key, SCHEMA_JSON);
}

struct schema *schema_create_unreadable(const struct schema_key *key, const char *reason)
{
    assert(reason[0] != '\0');
    struct schema *schema = schema_new(key, SCHEMA_UNREADABLE);

    schema->reason = xstrdup(reason);
    return schema;
}

struct schema *schema_create_avro(const struct schema_key *key, const struct bytes *texts, size_t count)
{
    struct schema *schema = schema_new(key, SCHEMA_AVRO);
    struct error error;

    if (avro_type_parse(texts, count, &schema->zone, &schema->avro, &error) == 0)
        return schema;
    schema->form = SCHEMA_UNREADABLE;
    schema->reason = xasprintf("schema %s: %s", schema->text, error.text);
    return schema;
}

struct schema *schema_create_read_by(const struct schema_key *key, const struct schema_reader *reader, void *state)
{
    assert(reader->read != NULL && reader->destroy != NULL);
    struct schema *schema = schema_new(key, SCHEMA_READ_BY);

    schema->reader = reader;
    schema->state = state;
    return schema;
}

struct schema *schema_hold(struct schema *schema)
{
    atomic_fetch_add_explicit(&schema->holders, 1, memory_order_relaxed);
    return schema;
}

void schema_release(struct schema *schema)
{
    if (schema == NULL || atomic_fetch_sub_explicit(&schema->holders, 1, memory_order_acq_rel) != 1)
        return;
    if (schema->reader != NULL)
        schema->reader->destroy(schema->state);
    msgpack_zone_destroy(&schema->zone);
    free(schema->reason);
    free(schema);
}

enum schema_form schema_form(const struct schema *schema)
{
    return schema->form;
}

const struct schema_key *schema_key(const struct schema *schema)
{
    return &schema->key;
}

const char *schema_text(const struct schema *schema)
{
    return schema->text;
}

const char *schema_reason(const struct schema *schema)
{
    assert(schema->form == SCHEMA_UNREADABLE);
    return schema->reason;
}

struct bytes schema_data_of(const struct schema *schema, struct bytes value)
{
    assert(value.size >= schema->key.frame_size);
    return (struct bytes){ (const char *)value.data + schema->key.frame_size, value.size - schema->key.frame_size };
}

int schema_read_data(const struct schema *schema, struct bytes data, msgpack_sbuffer *buffer, struct error *ret_error)
{
    assert(schema->form == SCHEMA_AVRO || schema->form == SCHEMA_READ_BY);
    if (schema->form == SCHEMA_READ_BY)
        return schema->reader->read(schema->state, data, buffer, ret_error);
    return avro_to_msgpack(schema->avro, data, buffer, ret_error);
}
