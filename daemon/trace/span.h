/* SPDX-License-Identifier: Apache-2.0 */
/* One span, and a request to a collector with many: written as OTLP has them, in protobuf. */
#ifndef STEPD_TRACE_SPAN_H
#define STEPD_TRACE_SPAN_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "run/trace.h"

#define SPAN_SCHEMA_URL "https://opentelemetry.io/schemas/1.30.0" /* which attributes mean what */

enum span_kind { SPAN_INTERNAL = 1, SPAN_CONSUMER = 5 };

struct span {
    const struct trace_place *place;
    const struct run *run;
    enum span_kind kind;
    uint64_t id;
    uint64_t parent;       /* 0: none */
    bool is_parent_remote; /* the parent is another program's */
    const char *verb;      /* the name is "VERB OF" */
    const char *of;        /* NULL: the verb alone */
    int64_t begun_ns;      /* wall clock */
    int64_t ended_ns;
    int attempt;
    const char *step;              /* NULL: none; the next, too */
    const char *outcome;           /* what it came to */
    const struct failure *failure; /* NULL: none */
    struct bytes common;           /* of a span of kind CONSUMER, which tells of the message: span_write_common() */
};

/* Appends it as a request has it. */
void span_write(msgpack_sbuffer *buffer, const struct span *span);
/* What all spans that tell of a message say alike. */
void span_write_common(msgpack_sbuffer *buffer, const char *group);

/* Who sends. */
struct span_sender {
    const char *version;
    const char *instance; /* unique, of this start of this daemon */
    const char *host;
};

/* A request begins; spans are added, one or many, as span_write() wrote them, and it is whole once it is ended. */
struct span_request {
    msgpack_sbuffer *buffer;
    size_t resource_spans, scope_spans;
};
struct span_request span_request_begin(msgpack_sbuffer *buffer, const struct span_sender *sender);
void span_request_add(const struct span_request *request, struct bytes spans);
void span_request_end(const struct span_request *request);

#endif
