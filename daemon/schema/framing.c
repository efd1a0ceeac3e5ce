/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/framing.h"

#include <assert.h>
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define GUID_MARK 1 /* before a GUID in a header; 0 stands before an id */

static uint32_t read_32(const unsigned char *at)
{
    uint32_t number;

    memcpy(&number, at, sizeof(number));
    return be32toh(number);
}

static uint64_t read_64(const unsigned char *at)
{
    uint64_t number;

    memcpy(&number, at, sizeof(number));
    return be64toh(number);
}

/* What stands in the header behind the id or the GUID. */
static bool keep_indexes(struct bytes value, size_t from, struct schema_key *key)
{
    assert(from <= value.size);
    if (value.size - from > INDEXES_SIZE_MAX)
        return false;
    key->indexes_size = (uint8_t)(value.size - from);
    memcpy(key->indexes, (const char *)value.data + from, key->indexes_size);
    return true;
}

static bool read_confluent(struct bytes value, struct schema_key *ret_key)
{
    const unsigned char *at = value.data;
    struct schema_key key = { .form = SCHEMA_BY_GUID };
    size_t size = 1 + GUID_SIZE;

    if (value.size >= size && at[0] == GUID_MARK) {
        memcpy(key.guid, at + 1, GUID_SIZE);
    } else {
        size = FRAME_SIZE;
        if (value.size < size || at[0] != 0 || read_32(at + 1) == 0)
            return false;
        key = (struct schema_key){ .form = SCHEMA_BY_ID, .number = read_32(at + 1) };
    }
    if (!keep_indexes(value, size, &key))
        return false;
    *ret_key = key;
    return true;
}

static bool read_apicurio(struct bytes value, enum schema_key_form form, struct schema_key *ret_key)
{
    if (value.size != sizeof(uint64_t))
        return false;
    *ret_key = (struct schema_key){ .form = form, .number = read_64(value.data) };
    return true;
}

bool framing_of_header(const char *name, struct bytes value, struct schema_key *ret_key)
{
    if (value.data == NULL)
        return false;
    if (strcasecmp(name, "__value_schema_id") == 0)
        return read_confluent(value, ret_key);
    if (strcasecmp(name, "apicurio.value.globalId") == 0)
        return read_apicurio(value, SCHEMA_BY_GLOBAL_ID, ret_key);
    return strcasecmp(name, "apicurio.value.contentId") == 0 && read_apicurio(value, SCHEMA_BY_CONTENT_ID, ret_key);
}

bool framing_of_value(struct bytes value, struct schema_key *ret_key)
{
    const unsigned char *at = value.data;

    if (value.data == NULL || value.size < FRAME_SIZE || at[0] != 0 || read_32(at + 1) == 0)
        return false;
    *ret_key = (struct schema_key){ .form = SCHEMA_BY_ID, .frame_size = FRAME_SIZE, .number = read_32(at + 1) };
    return true;
}

void guid_write(const unsigned char bytes[static GUID_SIZE], char text[static GUID_TEXT_SIZE])
{
    size_t used = 0;

    for (int i = 0; i < GUID_SIZE; i++)
        used += (size_t)snprintf(text + used, GUID_TEXT_SIZE - used, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", bytes[i]);
    assert(used == GUID_TEXT_SIZE - 1);
}

void schema_key_text(const struct schema_key *key, char text[static SCHEMA_TEXT_SIZE])
{
    if (key->form == SCHEMA_BY_GUID)
        guid_write(key->guid, text);
    else
        (void)snprintf(text, SCHEMA_TEXT_SIZE, "%" PRIu64, key->number);
}

bool schema_key_equals(const struct schema_key *left, const struct schema_key *right)
{
    return left->form == right->form && left->number == right->number && left->frame_size == right->frame_size &&
           memcmp(left->guid, right->guid, GUID_SIZE) == 0 && left->indexes_size == right->indexes_size &&
           memcmp(left->indexes, right->indexes, left->indexes_size) == 0;
}
