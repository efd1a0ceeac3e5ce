/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An Avro schema as a tree. Types that have a name may hold themselves. All of a tree lives in the zone that
 * it was made in, and is constant.
 */
#ifndef STEPD_SCHEMA_AVRO_TYPE_H
#define STEPD_SCHEMA_AVRO_TYPE_H

#include <msgpack.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"

enum avro_kind {
    AVRO_KIND_NULL,
    AVRO_KIND_BOOLEAN,
    AVRO_KIND_INT,
    AVRO_KIND_LONG,
    AVRO_KIND_FLOAT,
    AVRO_KIND_DOUBLE,
    AVRO_KIND_BYTES,
    AVRO_KIND_STRING,
    AVRO_KIND_FIXED,
    AVRO_KIND_ENUM,
    AVRO_KIND_ARRAY,
    AVRO_KIND_MAP,
    AVRO_KIND_UNION,
    AVRO_KIND_RECORD,
};

/* What a value means beyond its kind. One that does not go with its kind counts for nothing, as Avro has it. */
enum avro_logical {
    AVRO_PLAIN,
    AVRO_DECIMAL,   /* bytes, fixed */
    AVRO_UUID,      /* fixed; as a string it is a text anyway */
    AVRO_DATE,      /* int */
    AVRO_TIME,      /* int, long */
    AVRO_TIMESTAMP, /* long */
    AVRO_LOCAL_TIMESTAMP,
};

struct avro_type {
    enum avro_kind kind;
    enum avro_logical logical;
    int64_t per_second;             /* of times: units in a second */
    uint32_t scale;                 /* of a decimal */
    uint32_t size;                  /* of FIXED, bytes */
    uint32_t count;                 /* of `names`, and of `types` but for an enum's */
    const struct bytes *names;      /* of fields or symbols */
    const struct avro_type **types; /* of fields, branches; of ARRAY and MAP the one of all items */
};

/* A schema's text in JSON, with those that it refers to before it, in any order that defines before it uses.
 * 0, or -EBADMSG with the reason. */
int avro_type_parse(const struct bytes *texts, size_t count, msgpack_zone *zone, const struct avro_type **ret_type,
                    struct error *ret_error) MUST_CHECK;

#endif
