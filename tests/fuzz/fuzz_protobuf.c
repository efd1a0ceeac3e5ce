/* SPDX-License-Identifier: Apache-2.0 */
/* Indexes of a header in a byte's count, a .proto or a descriptor, a NUL, and bytes by it: whatever comes of them is msgpack that
 * our reader takes, within its bounds. */
#include "fuzz.h"

#include <errno.h>

#include "codec/packed.h"
#include "registry/protobuf.h"

static void read_data(const struct protobuf *protobuf, struct bytes data)
{
    void *exact = exact_copy(data.data, data.size);
    msgpack_sbuffer buffer;
    struct error error = { 0 };
    size_t size = 0;

    msgpack_sbuffer_init(&buffer);
    if (protobuf_to_msgpack(protobuf, (struct bytes){ exact, data.size }, &buffer, &error) == 0) {
        int result = packed_measure((struct bytes){ buffer.data, buffer.size }, DATA_MAX_DEPTH, &size, &error);
        require(result == -ELOOP || (result == 0 && size == buffer.size));
    } else {
        require(error.text[0] != '\0');
    }
    msgpack_sbuffer_destroy(&buffer);
    free(exact);
}

/* What several import, and what imports itself, is in the corpus. */
static void read_by(struct bytes indexes, struct bytes text, struct bytes data)
{
    const struct protobuf_source sources[] = { { "other.proto", text }, { NULL, text } };
    struct error error = { 0 };

    for (size_t count = 1; count <= 2; count++) {
        struct protobuf *protobuf = NULL;
        if (protobuf_create(&sources[2 - count], count, indexes, &protobuf, &error) == 0)
            read_data(protobuf, data);
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
