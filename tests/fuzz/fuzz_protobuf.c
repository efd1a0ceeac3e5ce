/* SPDX-License-Identifier: Apache-2.0 */
/* Indexes of a header in a byte's count, a .proto or a descriptor, a NUL, and bytes by it: whatever comes of them is msgpack that
 * our reader takes, within its bounds. */
#include "fuzz_schema.h"

#include "registry/protobuf.h"

static int read_value(const void *schema, struct bytes value, msgpack_sbuffer *buffer, struct error *ret_error)
{
    return protobuf_to_msgpack(schema, value, buffer, ret_error);
}

/* What several import, and what imports itself, is in the corpus. */
static void read_by(struct bytes indexes, struct bytes text, struct bytes data)
{
    const struct protobuf_source sources[] = { { "other.proto", text }, { NULL, text } };
    struct error error = { 0 };

    for (size_t count = 1; count <= 2; count++) {
        struct protobuf *protobuf = NULL;
        if (protobuf_create(&sources[2 - count], count, indexes, &protobuf, &error) == 0)
            require_packed(read_value, protobuf, data);
        else
            require(error.text[0] != '\0');
        protobuf_destroy(protobuf);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || data[0] > size - 1)
        return 0;
    const struct bytes indexes = { data + 1, data[0] };
    const uint8_t *at = data + 1 + indexes.size;
    const size_t rest = size - 1 - indexes.size;
    const uint8_t *nul = rest > 0 ? memchr(at, 0, rest) : NULL;
    if (nul == NULL)
        return 0;
    const size_t text_size = (size_t)(nul - at);
    void *exact = exact_copy(at, text_size);
    read_by(indexes, (struct bytes){ exact, text_size }, (struct bytes){ nul + 1, rest - text_size - 1 });
    free(exact);
    return 0;
}
