/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a value that is no event looks like, for the reason of its dead letter: whoever reads that knows their
 * producers, not stepd's parsers. Looks are guesses, from most telling to least.
 */
#include <assert.h>
#include <endian.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "codec/utf8.h"
#include "event/event_internal.h"
#include "schema/framing.h"

#define GLUE_SIZE 18       /* 03, how it is compressed, and a GUID */
#define FLUENT_BIT_SIZE 17 /* 00 and 16 bytes */
#define LONG_SIZE 8
#define CONTENT_TYPE_SHOWN 80

/* What is said of a value. */
struct looks {
    struct bytes value;
    struct bytes content_type;
    char *text;
    size_t size;
};

static bool begins_with(struct bytes value, const char *start, size_t size)
{
    return value.size >= size && memcmp(value.data, start, size) == 0;
}

static uint32_t number_at(struct bytes value, size_t at)
{
    uint32_t number;

    assert(at + sizeof(number) <= value.size);
    memcpy(&number, (const char *)value.data + at, sizeof(number));
    return be32toh(number);
}

/* ---- schema registries ---------------------------------------------------------------------------- */

/* Ids of schemas are small numbers; a number of 8 bytes, as Java writes it, begins with 00 as well. */
static bool is_framed(const struct looks *looks)
{
    const struct bytes value = looks->value;

    if (value.size <= FRAME_SIZE || *(const unsigned char *)value.data != 0)
        return false;
    uint32_t id = number_at(value, 1);
    if (value.size == LONG_SIZE)
        (void)snprintf(looks->text, looks->size, id == 0 ? "8 bytes, a number" : "Confluent framing, schema %u, or a number of 8 bytes",
                       id);
    else if (id == 0 && value.size > LONG_SIZE)
        (void)snprintf(looks->text, looks->size, "Apicurio framing, schema %u", number_at(value, FRAME_SIZE));
    else if (id == 0)
        return false;
    else if (id > UINT32_MAX >> 8 && value.size >= FLUENT_BIT_SIZE)
        (void)snprintf(looks->text, looks->size, "Fluent Bit framing, 16 bytes of schema id");
    else
        (void)snprintf(looks->text, looks->size, "Confluent framing, schema %u", id);
    return true;
}

static bool is_glue(const struct looks *looks)
{
    const unsigned char *at = looks->value.data;
    char guid[GUID_TEXT_SIZE];

    if (looks->value.size < GLUE_SIZE || at[0] != 3 || (at[1] != 0 && at[1] != 5))
        return false;
    guid_write(at + 2, guid);
    (void)snprintf(looks->text, looks->size, "AWS Glue framing%s, schema version %s", at[1] == 5 ? " with zlib" : "", guid);
    return true;
}

static bool is_by_header(const struct looks *looks, const struct event *event)
{
    char guid[GUID_TEXT_SIZE];
    struct bytes id;
    uint64_t number;

    if (event_header_find(event, "__value_schema_id", &id) && id.size == 17) {
        guid_write((const unsigned char *)id.data + 1, guid);
        (void)snprintf(looks->text, looks->size, "schema %s of a header", guid);
        return true;
    }
    bool is_global = event_header_find(event, "apicurio.value.globalId", &id);
    if ((!is_global && !event_header_find(event, "apicurio.value.contentId", &id)) || id.size != sizeof(number))
        return false;
    memcpy(&number, id.data, sizeof(number));
    (void)snprintf(looks->text, looks->size, "Apicurio %s %" PRIu64 " of a header", is_global ? "globalId" : "contentId", be64toh(number));
    return true;
}

/* ---- files and what is packed --------------------------------------------------------------------- */

static bool has_first_bytes(const struct looks *looks)
{
    static const struct {
        const char *start;
        size_t size;
        const char *what;
    } known[] = {
        { "Obj\x01", 4, "Avro container file" },
        { "\xc3\x01", 2, "Avro single object" },
        { "\x1f\x8b", 2, "gzip" },
        { "\x28\xb5\x2f\xfd", 4, "zstd" },
        { "\x04\x22\x4d\x18", 4, "lz4" },
        { "\x82SNAPPY\x00", 8, "snappy" },
        { "\xff\x06\x00\x00sNaPpY", 10, "snappy" },
        { "\x78\x01", 2, "zlib" },
        { "\x78\x9c", 2, "zlib" },
        { "\x78\xda", 2, "zlib" },
        { "PK\x03\x04", 4, "zip" },
        { "PAR1", 4, "Parquet file" },
        { "\xac\xed\x00\x05", 4, "a serialized Java object" },
        { "\xff\xfe", 2, "UTF-16" },
        { "\xfe\xff", 2, "UTF-16" },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (!begins_with(looks->value, known[i].start, known[i].size))
            continue;
        (void)snprintf(looks->text, looks->size, "%s", known[i].what);
        return true;
    }
    return false;
}

/* Takes a number of 7 bits a byte off the front. */
static bool skip_varint(struct bytes *rest, uint64_t *ret_number)
{
    const unsigned char *at = rest->data;
    uint64_t number = 0;

    for (size_t i = 0; i < rest->size && i < 10; i++) {
        number |= (uint64_t)(at[i] & 0x7f) << (7 * i);
        if ((at[i] & 0x80) != 0)
            continue;
        *rest = (struct bytes){ at + i + 1, rest->size - i - 1 };
        *ret_number = number;
        return true;
    }
    return false;
}

/* A field of Protobuf: its number, how it is written, and the value. */
static bool skip_field(struct bytes *rest)
{
    enum { VARINT = 0, EIGHT = 1, SIZED = 2, FOUR = 5 };
    uint64_t tag, size = 0;

    if (!skip_varint(rest, &tag) || tag >> 3 == 0 || tag >> 3 > 536870911)
        return false;
    if ((tag & 7) == VARINT)
        return skip_varint(rest, &size);
    if ((tag & 7) == SIZED && !skip_varint(rest, &size))
        return false;
    if ((tag & 7) != SIZED)
        size = (tag & 7) == EIGHT ? 8 : (tag & 7) == FOUR ? 4 : UINT64_MAX;
    if (size > rest->size)
        return false;
    *rest = (struct bytes){ (const char *)rest->data + size, rest->size - (size_t)size };
    return true;
}

static bool is_protobuf(const struct looks *looks)
{
    struct bytes rest = looks->value;

    while (rest.size > 0)
        if (!skip_field(&rest))
            return false;
    (void)snprintf(looks->text, looks->size, "bytes that may be Protobuf");
    return true;
}

/* ---- text ----------------------------------------------------------------------------------------- */

static bool has_content_type(const struct looks *looks)
{
    return looks->content_type.size > 0 && utf8_is_valid(looks->content_type.data, looks->content_type.size);
}

static int shown_size(const struct looks *looks)
{
    return (int)(looks->content_type.size < CONTENT_TYPE_SHOWN ? looks->content_type.size : CONTENT_TYPE_SHOWN);
}

static bool has_controls(struct bytes value)
{
    const unsigned char *at = value.data;

    for (size_t i = 0; i < value.size; i++)
        if (at[i] < ' ' && at[i] != '\t' && at[i] != '\n' && at[i] != '\r')
            return true;
    return false;
}

/* What begins as JSON is JSON with a fault, unless somebody said that all of it is. */
static bool is_text(const struct looks *looks)
{
    const char *text = looks->value.data;

    if (!utf8_is_valid(text, looks->value.size) || has_controls(looks->value))
        return false;
    if (has_content_type(looks))
        (void)snprintf(looks->text, looks->size, "plain text under %.*s", shown_size(looks), (const char *)looks->content_type.data);
    else if (strchr(" \t\r\n{[\"", text[0]) == NULL)
        (void)snprintf(looks->text, looks->size, "plain text");
    return true;
}

static void say_content_type(const struct looks *looks)
{
    if (has_content_type(looks))
        (void)snprintf(looks->text, looks->size, "bytes under %.*s", shown_size(looks), (const char *)looks->content_type.data);
}

void event_looks_like(const struct event *event, struct bytes content_type, char *text, size_t size)
{
    const struct looks looks = { { event->view.raw, event->view.raw_len }, content_type, text, size };

    assert(size > 0);
    text[0] = '\0';
    if (looks.value.size == 0 || is_by_header(&looks, event) || is_glue(&looks) || has_first_bytes(&looks) || is_framed(&looks))
        return;
    if (is_text(&looks))
        return;
    say_content_type(&looks);
    if (text[0] == '\0')
        (void)is_protobuf(&looks);
}
