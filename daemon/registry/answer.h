/* SPDX-License-Identifier: Apache-2.0 */
/* What a registry answers to a question for a schema. Pure. */
#ifndef STEPD_REGISTRY_ANSWER_H
#define STEPD_REGISTRY_ANSWER_H

#include <msgpack.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "schema/framing.h"

enum answer_verdict {
    ANSWER_SCHEMA,
    ANSWER_UNKNOWN, /* it does not know it, or does not say so of one that may not be seen */
    ANSWER_REFUSED, /* who asks is not let in */
    ANSWER_AWAY,    /* it can't say now, or is no registry */
};

/* A schema that another one refers to. */
struct answer_reference {
    const char *name; /* by which it is referred to; NULL: it says none */
    const char *subject;
    int64_t version;
};

/* All in the zone that it was read in. */
struct answer {
    enum answer_verdict verdict;
    const char *words; /* the registry's own, of any verdict but a schema */
    const char *type;  /* "AVRO" where it says none */
    struct bytes schema;
    struct answer_reference *references;
    size_t reference_count;
};

/* `has_codes`: it says that a schema is not there by a code of its own, and any other 404 is of somebody else. */
struct answer answer_read(long status, struct bytes body, bool has_codes, msgpack_zone *zone);

#endif
