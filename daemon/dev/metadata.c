/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/metadata.h"

enum {
    MOCK_NEWEST = 2,  /* version 3 has a throttle time in front of the answer, version 4 a boolean more in the request */
    ANSWER_HEADER = 8 /* length and correlation */
};

void metadata_ask(struct wire_buffer *out, const uint8_t *frame, size_t size, int16_t version)
{
    const int32_t api_and_version = (3 << 16) | MOCK_NEWEST;
    const size_t kept = version >= 4 ? size - 1 : size;

    if (version <= MOCK_NEWEST) {
        wire_buffer_add(out, frame, size);
        return;
    }
    wire_put_i32(out, (int32_t)kept - 4);
    wire_put_i32(out, api_and_version);
    wire_buffer_add(out, frame + ANSWER_HEADER, kept - ANSWER_HEADER);
}

/* Writes `port` over each broker's; returns the id of one of them. */
static int32_t patch_brokers(uint8_t *body, struct wire_reader *reader, int16_t version, uint16_t port)
{
    int32_t id = -1;

    for (int32_t count = wire_read_i32(reader); count > 0 && !reader->is_short; count--) {
        id = wire_read_i32(reader);
        (void)wire_read_string(reader); /* host */
        uint8_t *at = body + (reader->at - (const uint8_t *)body);
        (void)wire_read_i32(reader);
        if (version >= 1)
            (void)wire_read_string(reader); /* rack */
        if (!reader->is_short)
            wire_patch_i32(at, port);
    }
    return id;
}

static void patch(uint8_t *body, size_t size, int16_t version, uint16_t port)
{
    struct wire_reader reader = wire_reader(body, size);
    const int32_t broker = patch_brokers(body, &reader, version, port);

    if (version < 1)
        return;
    if (version >= 2)
        (void)wire_read_string(&reader); /* cluster id */
    uint8_t *controller = body + (reader.at - (const uint8_t *)body);
    (void)wire_read_i32(&reader);
    if (!reader.is_short)
        wire_patch_i32(controller, broker);
}

void metadata_answer(struct wire_buffer *reply, uint8_t *frame, size_t size, int16_t version, uint16_t port)
{
    patch(frame + ANSWER_HEADER, size - ANSWER_HEADER, version, port);
    if (version <= MOCK_NEWEST) {
        wire_buffer_add(reply, frame, size);
        return;
    }
    wire_put_i32(reply, (int32_t)size);
    wire_buffer_add(reply, frame + 4, 4); /* correlation */
    wire_put_throttle(reply, version, 3);
    wire_buffer_add(reply, frame + ANSWER_HEADER, size - ANSWER_HEADER);
}
