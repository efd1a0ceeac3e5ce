/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One schema of a registry: how values that name it are read. Constant, and shared: whoever holds one has a
 * reference of their own. What nobody can read (an id that the registry does not know, Protobuf) is a
 * schema too, with the reason.
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
    SCHEMA_UNREADABLE,
};

struct schema;

struct schema *schema_create_json(const struct schema_key *key);
/* `texts`: those that it refers to, then its own. Unreadable, with the reason, where it is no Avro. */
struct schema *schema_create_avro(const struct schema_key *key, const struct bytes *texts, size_t count);
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
/* Avro's data, appended as msgpack. 0, or -EBADMSG with the reason. */
int schema_read_avro(const struct schema *schema, struct bytes data, msgpack_sbuffer *buffer, struct error *ret_error) MUST_CHECK;

#endif
