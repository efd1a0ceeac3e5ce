/* SPDX-License-Identifier: Apache-2.0 */
/* What the quick scan of a JSON map, or of an array of maps, takes, the parser takes too, and finds the same in it. */
#include "fuzz.h"

#include <string.h>

#include "codec/json.h"
#include "codec/members_scan.h"

/* The parser keeps the last of a key that stands twice, and so is it here. */
static const msgpack_object *find(const msgpack_object *map, const struct member *member)
{
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object *key = &map->via.map.ptr[i].key;
        if (key->via.str.size == member->key_size && memcmp(key->via.str.ptr, member->key, member->key_size) == 0)
            return &map->via.map.ptr[i].val;
    }
    return NULL;
}

static void compare(const msgpack_object *map, const struct member *member, msgpack_zone *zone)
{
    const msgpack_object *value = find(map, member);
    msgpack_object own;
    struct error error;

    require(member->is_present == (value != NULL));
    if (value == NULL)
        return;
    require(member->value.type == value->type);
    require(json_decode(member->bytes, zone, &own, &error) == 0 && msgpack_object_equal(own, *value));
    if (value->type != MSGPACK_OBJECT_MAP && value->type != MSGPACK_OBJECT_ARRAY)
        require(msgpack_object_equal(member->value, *value));
}

/* Of an array of maps: as many as the parser finds, and the same. */
static void compare_maps(struct bytes text, const struct member *wanted, size_t wanted_count, msgpack_zone *zone)
{
    struct bytes *texts = NULL;
    struct member *members = NULL;
    size_t count = 0;
    msgpack_object array, map;
    struct error error = { 0 };

    if (!members_scan_maps(text, wanted, &texts, &members, &count))
        return;
    require(json_decode(text, zone, &array, &error) == 0);
    require(array.type == MSGPACK_OBJECT_ARRAY && array.via.array.size == count);
    for (size_t i = 0; i < count; i++) {
        require(json_decode(texts[i], zone, &map, &error) == 0 && msgpack_object_equal(map, array.via.array.ptr[i]));
        for (const struct member *member = &members[i * wanted_count]; member->key != NULL; member++)
            compare(&map, member, zone);
    }
    free(texts);
    free(members);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct member wanted[] = { MEMBER("name"), MEMBER("data"), MEMBER("ts"), MEMBER(""), { .key = NULL } };
    struct member members[sizeof(wanted) / sizeof(wanted[0])];
    void *exact = exact_copy(data, size);
    msgpack_zone zone;
    msgpack_object object;
    struct error error = { 0 };
    size_t others;

    memcpy(members, wanted, sizeof(members));
    require(msgpack_zone_init(&zone, 1024));
    if (members_scan_json((struct bytes){ exact, size }, members, &others)) {
        require(json_decode((struct bytes){ exact, size }, &zone, &object, &error) == 0);
        require(object.type == MSGPACK_OBJECT_MAP);
        for (const struct member *member = members; member->key != NULL; member++)
            compare(&object, member, &zone);
    }
    compare_maps((struct bytes){ exact, size }, wanted, sizeof(wanted) / sizeof(wanted[0]), &zone);
    msgpack_zone_destroy(&zone);
    free(exact);
    return 0;
}
