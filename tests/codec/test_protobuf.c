/* SPDX-License-Identifier: Apache-2.0 */
/* That real readers understand it is for tests/scenarios/test_traces.py. */
#include "codec/protobuf.h"

#include <criterion/criterion.h>
#include <string.h>

static void assert_written(const msgpack_sbuffer *buffer, const char *bytes, size_t size)
{
    cr_assert_eq(buffer->size, size, "%zu bytes", buffer->size);
    cr_assert_eq(memcmp(buffer->data, bytes, size), 0);
}

#define ASSERT_WRITTEN(buffer, bytes) assert_written(buffer, bytes, sizeof(bytes) - 1)

Test(protobuf, numbers_and_texts_are_as_the_protocol_has_them)
{
    msgpack_sbuffer buffer;

    msgpack_sbuffer_init(&buffer);
    protobuf_unsigned(&buffer, 1, 300);
    protobuf_fixed32(&buffer, 16, 0x01020304);
    protobuf_fixed64(&buffer, 2, 1);
    protobuf_text(&buffer, 3, "hi");
    ASSERT_WRITTEN(&buffer, "\x08\xac\x02\x85\x01\x04\x03\x02\x01\x11\x01\0\0\0\0\0\0\0\x1a\x02hi");
    msgpack_sbuffer_destroy(&buffer);
}

Test(protobuf, a_message_says_its_length_once_it_is_known)
{
    msgpack_sbuffer buffer;

    msgpack_sbuffer_init(&buffer);
    size_t opened = protobuf_open(&buffer, 1);
    for (int i = 0; i < 100; i++)
        protobuf_unsigned(&buffer, 1, 0);
    protobuf_close(&buffer, opened);
    cr_assert_eq(memcmp(buffer.data, "\x0a\xc8\x81\x80\x00", 5), 0, "200 bytes");
    msgpack_sbuffer_destroy(&buffer);
}

Test(protobuf, a_string_is_utf8)
{
    msgpack_sbuffer buffer;

    msgpack_sbuffer_init(&buffer);
    protobuf_text(&buffer, 1, "a\xff");
    cr_assert_eq(memcmp(buffer.data,
                        "\x0a\x84\x80\x80\x00"
                        "a\xef\xbf\xbd",
                        9),
                 0);
    msgpack_sbuffer_destroy(&buffer);
}
