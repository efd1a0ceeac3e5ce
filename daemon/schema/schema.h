/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One schema of a registry: how values that name it are read. Constant, and shared: whoever holds one has a
 * reference of their own. What nobody can read (an id that the registry does not know, a language of schemas that
 * stepd does not) is a schema too, with the reason.
 */
#ifndef STEPD_SCHEMA_SCHEMA_H
#define STEPD_SCHEMA_SCHEMA_H

#include <msgpack.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "schema/framing.h"

enum schema_form {
    SCHEMA_JSON, /* the data is JSON as it stands there */
    SCHEMA_AVRO,
    SCHEMA_READ_BY, /* by a reader that whoever made it has */
    SCHEMA_UNREADABLE,
};

/* Reads values of a schema that was made for it. Any threads at once. */
struct schema_reader {
    /* Appends the data as msgpack. 0, or -EBADMSG with the reason. */
    int (*read)(const void *state, struct bytes data, msgpack_sbuffer *buffer, struct error *ret_error);
    void (*destroy)(void *state);
};

struct schema;

struct schema *schema_create_json(const struct schema_key *key);
/* `texts`: those that it refers to, then its own. Unreadable, with the reason, where it is no Avro. */
struct schema *schema_create_avro(const struct schema_key *key, const struct bytes *texts, size_t count);
/* Takes `state`. */
struct schema *schema_create_read_by(const struct schema_key *key, const struct schema_reader *reader, void *state);
struct schema *schema_create_unreadable(const struct schema_key *key, const char *reason);
/* Returns it. */
struct schema *schema_hold(struct schema *schema);
/* The last reference frees it. NULL is fine. */
void schema_release(struct schema *schema);

enum schema_form schema_form(const struct schema *schema);
const struct schema_key *schema_key(const struct schema *schema);
/* As users know it: digits, or a GUID. */
const char *schema_text(const struct schema *schema);
/* Of an unreadable one. */
const char *schema_reason(const struct schema *schema);

/* The data of a value that was framed by it. */
struct bytes schema_data_of(const struct schema *schema, struct bytes value);
/* What is neither JSON nor unreadable, appended as msgpack. 0, or -EBADMSG with the reason. */
int schema_read_data(const struct schema *schema, struct bytes data, msgpack_sbuffer *buffer, struct error *ret_error) MUST_CHECK;

#endif
