/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/record.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "redis_fixture.h"

static struct bytes written(struct sample *sample, char *buffer)
{
    msgpack_sbuffer body;
    msgpack_packer packer;

    msgpack_sbuffer_init(&body);
    msgpack_packer_init(&packer, &body, msgpack_sbuffer_write);
    record_pack_body(&packer, &sample->run);
    memset(buffer, 0, RECORD_HEADER_SIZE);
    buffer[0] = RECORD_VERSION;
    buffer[1] = RUN_DELAYED;
    uint32_t size = (uint32_t)body.size;
    uint32_t little_endian = htole32(size);
    memcpy(buffer + 32, &little_endian, sizeof(little_endian));
    memcpy(buffer + RECORD_HEADER_SIZE, body.data, body.size);
    msgpack_sbuffer_destroy(&body);
    return (struct bytes){ buffer, RECORD_HEADER_SIZE + size };
}

Test(record, reads_back_what_was_written)
{
    struct sample sample;
    struct record record;
    struct error error = { 0 };
    msgpack_zone zone;
    char buffer[1024];
    const struct event_header headers[] = { { "ce_type", { "app/x", 5 } }, { "empty", { "", 0 } }, { "none", { NULL, 0 } } };

    sample_init_ordered(&sample, 9, "key");
    sample.event.headers = headers;
    sample.event.header_count = 3;
    cr_assert(msgpack_zone_init(&zone, 512));
    cr_assert_eq(record_decode(written(&sample, buffer), &zone, &record, &error), 0, "%s", error.text);
    cr_assert_str_eq(record.function, "f");
    cr_assert_str_eq(record.topic, "events");
    cr_assert_eq(record.partition, 3);
    cr_assert_eq(record.offset, 9);
    cr_assert_eq(record.timestamp_ms, sample.event.timestamp_ms);
    cr_assert(record.key.size == 3 && memcmp(record.key.data, "key", 3) == 0);
    cr_assert_eq(record.value.size, 16);
    cr_assert_eq(record.header_count, 3);
    cr_assert_str_eq(record.headers[0].name, "ce_type");
    cr_assert_eq(record.headers[0].value.size, 5);
    cr_assert_not_null(record.headers[1].value.data, "empty is not none");
    cr_assert_null(record.headers[2].value.data);
    msgpack_zone_destroy(&zone);
}

Test(record, keeps_what_a_schema_read)
{
    struct sample sample;
    struct record record;
    struct error error = { 0 };
    msgpack_zone zone;
    char buffer[1024];
    const struct event_header headers[] = { { "stepd-schema-id", { "9", 1 } } };

    sample_init_ordered(&sample, 9, "key");
    sample.event.headers = headers;
    sample.event.header_count = 1;
    event_set_kept(&sample.event, (struct bytes){ "M\x01", 2 });
    cr_assert(msgpack_zone_init(&zone, 512));
    cr_assert_eq(record_decode(written(&sample, buffer), &zone, &record, &error), 0, "%s", error.text);
    cr_assert_eq(record.header_count, 1);
    cr_assert_str_eq(record.headers[0].name, "stepd-schema-id");
    cr_assert(record.kept.size == 2 && memcmp(record.kept.data, "M\x01", 2) == 0);
    msgpack_zone_destroy(&zone);
}

Test(record, takes_no_header_of_a_message_for_what_a_schema_read)
{
    struct sample sample;
    struct record record;
    struct error error = { 0 };
    msgpack_zone zone;
    char buffer[1024];
    const struct event_header headers[] = { { "tenant", { "a", 1 } }, { "stepd-kept", { "M\x01", 2 } } };

    sample_init_ordered(&sample, 9, "key");
    sample.event.headers = headers;
    sample.event.header_count = 2;
    cr_assert(msgpack_zone_init(&zone, 512));
    cr_assert_eq(record_decode(written(&sample, buffer), &zone, &record, &error), 0, "%s", error.text);
    cr_assert_eq(record.kept.size, 0);
    cr_assert_eq(record.header_count, 1);
    cr_assert_str_eq(record.headers[0].name, "tenant");
    msgpack_zone_destroy(&zone);
}

Test(record, survives_any_damage)
{
    struct sample sample;
    char buffer[1024];

    sample_init_ordered(&sample, 9, "key");
    struct bytes good = written(&sample, buffer);
    for (size_t size = 0; size < good.size; size++) {
        struct record record;
        msgpack_zone zone;
        cr_assert(msgpack_zone_init(&zone, 512));
        AUTO_FREE char *cut = xmemdup(good.data, size + 1);
        cr_assert_eq(record_decode((struct bytes){ cut, size }, &zone, &record, NULL), -EBADMSG);
        msgpack_zone_destroy(&zone);
    }
    for (size_t at = 0; at < good.size * 8; at++) {
        struct record record;
        msgpack_zone zone;
        cr_assert(msgpack_zone_init(&zone, 512));
        AUTO_FREE char *flipped = xmemdup(good.data, good.size);
        flipped[at / 8] = (char)(flipped[at / 8] ^ 1 << at % 8);
        (void)!record_decode((struct bytes){ flipped, good.size }, &zone, &record, NULL);
        msgpack_zone_destroy(&zone);
    }
}
