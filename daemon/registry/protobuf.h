/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of Protobuf by the text of their schema, read by libprotobuf: a message is a map by the names that its fields have in
 * the .proto. The one file behind this is C++. What a stranger wrote has bounds: nesting (libprotobuf's 100), and how
 * much becomes of it. Constant once it is made: any number of threads may read by one at once.
 */
#ifndef STEPD_REGISTRY_PROTOBUF_H
#define STEPD_REGISTRY_PROTOBUF_H

#include <msgpack.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"

#define PROTOBUF_OUTPUT_MAX ((size_t)64 << 20)

struct protobuf;

/* One .proto; `name` is what others import it by, NULL: nobody does. */
struct protobuf_source {
    const char *name;
    struct bytes text;
};

/* `sources`: those that it imports, directly or not, each before who imports it, then its own. google/protobuf/… are there
 * already. `indexes`: Confluent's, which say which message of the .proto values are; without a byte each value begins with
 * its own. 0, or -EBADMSG with the reason. */
int protobuf_create(const struct protobuf_source *sources, size_t count, struct bytes indexes, struct protobuf **ret_protobuf,
                    struct error *ret_error) MUST_CHECK;
/* NULL is fine. */
void protobuf_destroy(struct protobuf *protobuf);
/* Appends what `data` holds: the indexes, where it was made without them, then the message. 0, or -EBADMSG with the reason. */
int protobuf_to_msgpack(const struct protobuf *protobuf, struct bytes data, msgpack_sbuffer *buffer, struct error *ret_error) MUST_CHECK;

#define PROTOBUF_TIME_SIZE 40

/* Of C: seconds since 1970 as ISO text in UTC. -EINVAL: its year has not four digits. */
int protobuf_time_text(int64_t seconds, uint32_t nanoseconds, char *text) MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
