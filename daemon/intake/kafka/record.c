/* SPDX-License-Identifier: Apache-2.0 */
/*
 * librdkafka hands out values where they stand in the broker's answer (or in what it unpacked of it),
 * and there, in record format 2, a value has its length before it and the count of headers behind it,
 * both as zigzag varints. The length is looked at first: it also is there in the formats before, as
 * four bytes that are never the same, so that nothing is read behind a value of theirs, which may end
 * the buffer. Whatever looks different is asked about in the ordinary way, and so is all that comes from a
 * librdkafka whose reader of record batches (rd_kafka_msgset_reader_msg_v2) nobody has looked at: another
 * one may hand out values that stand elsewhere, where there are no such bytes around them.
 */
#include "intake/kafka/record.h"

#include <stdint.h>

#define VARINT_MAX 5
#define KNOWN_FIRST 0x02000000 /* librdkafka 2.0.0 … */
#define KNOWN_END 0x02100000   /* … up to 2.15: their readers were looked at */

bool record_layout_is_known(int version)
{
    return version >= KNOWN_FIRST && version < KNOWN_END;
}

static size_t zigzag_write(size_t value, uint8_t out[VARINT_MAX])
{
    uint64_t rest = (uint64_t)value << 1;
    size_t size = 0;

    while (rest >= 0x80 && size < VARINT_MAX - 1) {
        out[size++] = (uint8_t)(rest | 0x80);
        rest >>= 7;
    }
    out[size++] = (uint8_t)rest;
    return size;
}

bool record_may_have_headers(const rd_kafka_message_t *message)
{
    const uint8_t *value = message->payload;
    uint8_t length[VARINT_MAX];

    /* An empty value's length is a zero byte in every format. */
    if (value == NULL || message->len == 0 || message->len > INT32_MAX || !record_layout_is_known(rd_kafka_version()))
        return true;
    size_t size = zigzag_write(message->len, length);
    for (size_t i = 0; i < size; i++) {
        if ((value - size)[i] != length[i])
            return true;
    }
    return value[message->len] != 0;
}
