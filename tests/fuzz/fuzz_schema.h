/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzzers of schemas share: a value that a schema reads becomes msgpack. */
#ifndef STEPD_TESTS_FUZZ_SCHEMA_H
#define STEPD_TESTS_FUZZ_SCHEMA_H

#include "fuzz.h"

#include <errno.h>

#include "codec/packed.h"

typedef int (*schema_read_fn)(const void *schema, struct bytes value, msgpack_sbuffer *buffer, struct error *ret_error);

/* Whatever `read` makes of the value is msgpack that our reader takes, within its bounds; else it says why not. */
static inline void require_packed(schema_read_fn read, const void *schema, struct bytes value)
{
    void *exact = exact_copy(value.data, value.size);
    msgpack_sbuffer buffer;
    struct error error = { 0 };
    size_t size = 0;

    msgpack_sbuffer_init(&buffer);
    if (read(schema, (struct bytes){ exact, value.size }, &buffer, &error) == 0) {
        int result = packed_measure((struct bytes){ buffer.data, buffer.size }, DATA_MAX_DEPTH, &size, &error);
        require(result == -ELOOP || (result == 0 && size == buffer.size));
    } else {
        require(error.text[0] != '\0');
    }
    msgpack_sbuffer_destroy(&buffer);
    free(exact);
}

#endif
