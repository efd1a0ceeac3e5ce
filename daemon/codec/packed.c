/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/packed.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "codec/number.h"
#include "codec/utf8.h"

#define SMALL_MAP 16 /* up to here comparing all with all is faster than hashing */

/* One object's first bytes: how long it is without what it contains, and how much it contains. */
struct head {
    uint64_t size;  /* of the head, with the bytes of a text, bin or ext */
    size_t text_at; /* texts: where the characters begin */
    uint64_t items; /* objects that follow as its own; a map's pairs count two */
    bool is_text;
    bool is_container;
};

static uint32_t big_endian(const unsigned char *at, size_t size)
{
    uint32_t value = 0;

    for (size_t i = 0; i < size; i++)
        value = value << 8 | at[i];
    return value;
}

/* Types 0xc0 to 0xdf: bytes of the head, and in it the bytes of a length. */
static const struct {
    uint8_t fixed;
    uint8_t length;
    enum { PLAIN, TEXT, BLOB, ARRAY, MAP, INVALID } kind;
} types[32] = {
    [0xc0 - 0xc0] = { 1, 0, PLAIN },  [0xc1 - 0xc0] = { 1, 0, INVALID }, [0xc2 - 0xc0] = { 1, 0, PLAIN }, [0xc3 - 0xc0] = { 1, 0, PLAIN },
    [0xc4 - 0xc0] = { 2, 1, BLOB },   [0xc5 - 0xc0] = { 3, 2, BLOB },    [0xc6 - 0xc0] = { 5, 4, BLOB },  [0xc7 - 0xc0] = { 3, 1, BLOB },
    [0xc8 - 0xc0] = { 4, 2, BLOB },   [0xc9 - 0xc0] = { 6, 4, BLOB },    [0xca - 0xc0] = { 5, 0, PLAIN }, [0xcb - 0xc0] = { 9, 0, PLAIN },
    [0xcc - 0xc0] = { 2, 0, PLAIN },  [0xcd - 0xc0] = { 3, 0, PLAIN },   [0xce - 0xc0] = { 5, 0, PLAIN }, [0xcf - 0xc0] = { 9, 0, PLAIN },
    [0xd0 - 0xc0] = { 2, 0, PLAIN },  [0xd1 - 0xc0] = { 3, 0, PLAIN },   [0xd2 - 0xc0] = { 5, 0, PLAIN }, [0xd3 - 0xc0] = { 9, 0, PLAIN },
    [0xd4 - 0xc0] = { 3, 0, PLAIN },  [0xd5 - 0xc0] = { 4, 0, PLAIN },   [0xd6 - 0xc0] = { 6, 0, PLAIN }, [0xd7 - 0xc0] = { 10, 0, PLAIN },
    [0xd8 - 0xc0] = { 18, 0, PLAIN }, [0xd9 - 0xc0] = { 2, 1, TEXT },    [0xda - 0xc0] = { 3, 2, TEXT },  [0xdb - 0xc0] = { 5, 4, TEXT },
    [0xdc - 0xc0] = { 3, 2, ARRAY },  [0xdd - 0xc0] = { 5, 4, ARRAY },   [0xde - 0xc0] = { 3, 2, MAP },   [0xdf - 0xc0] = { 5, 4, MAP },
};

static bool read_long_head(const unsigned char *at, size_t left, struct head *head)
{
    size_t fixed = types[at[0] - 0xc0].fixed;

    if (left < fixed)
        return false;
    head->size = fixed;
    head->text_at = fixed;
    uint64_t length = big_endian(at + 1, types[at[0] - 0xc0].length);
    switch (types[at[0] - 0xc0].kind) {
    case TEXT:
        head->is_text = true;
        head->size += length;
        break;
    case BLOB:
        head->size += length;
        break;
    case MAP:
        length *= 2;
        head->items = length;
        head->is_container = true;
        break;
    case ARRAY:
        head->items = length;
        head->is_container = true;
        break;
    case PLAIN:
    case INVALID:
        break;
    }
    return true;
}

/* False: cut short. `left` > 0. */
static bool read_head(const unsigned char *at, size_t left, struct head *head)
{
    unsigned char type = at[0];

    *head = (struct head){ .size = 1 };
    if (type >= 0xc0 && type <= 0xdf) {
        if (!read_long_head(at, left, head))
            return false;
    } else if (type >= 0xa0 && type <= 0xbf) {
        head->is_text = true;
        head->text_at = 1;
        head->size += type & 31;
    } else if (type >= 0x80 && type <= 0x9f) {
        head->is_container = true;
        head->items = (uint64_t)(type & 15) << (type < 0x90);
    }
    /* Each object within takes a byte at least. */
    return head->size <= left && head->items <= left - head->size;
}

int packed_measure(struct bytes data, int max_depth, size_t *ret_size, struct error *ret_error)
{
    const unsigned char *bytes = data.data;
    uint64_t open[DATA_MAX_DEPTH]; /* what each open container still wants */
    int depth = 0;
    size_t at = 0;

    assert(max_depth <= DATA_MAX_DEPTH);
    do {
        struct head head;
        if (at == data.size || !read_head(bytes + at, data.size - at, &head))
            return error_set(ret_error, EBADMSG, "not valid msgpack: cut short");
        if (bytes[at] == 0xc1)
            return error_set(ret_error, EBADMSG, "not valid msgpack: the byte 0xc1 means nothing");
        if (head.is_text && !utf8_is_valid(bytes + at + head.text_at, head.size - head.text_at))
            return error_set(ret_error, EBADMSG, "not valid UTF-8 in a text");
        if (depth > 0)
            open[depth - 1]--;
        if (head.is_container) {
            if (depth == max_depth)
                return error_set(ret_error, ELOOP, "nested deeper than %d levels", DATA_MAX_DEPTH);
            open[depth++] = head.items;
        }
        at += head.size;
        while (depth > 0 && open[depth - 1] == 0)
            depth--;
    } while (depth > 0);
    *ret_size = at;
    return 0;
}

void *zone_take(msgpack_zone *zone, size_t size)
{
    void *memory = msgpack_zone_malloc(zone, size);

    if (memory == NULL)
        abort();
    return memory;
}

static bool is_same_text(const msgpack_object *one, const msgpack_object *other)
{
    return one->type == MSGPACK_OBJECT_STR && other->type == MSGPACK_OBJECT_STR && one->via.str.size == other->via.str.size &&
           memcmp(one->via.str.ptr, other->via.str.ptr, one->via.str.size) == 0;
}

static bool is_repeated_later(const msgpack_object_map *map, uint32_t i)
{
    for (uint32_t later = i + 1; later < map->size; later++)
        if (is_same_text(&map->ptr[i].key, &map->ptr[later].key))
            return true;
    return false;
}

static void drop_from_small(msgpack_object_map *map)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < map->size; i++)
        if (!is_repeated_later(map, i))
            map->ptr[kept++] = map->ptr[i];
    map->size = kept;
}

/* From the last to the first, so that what is met again is the one to drop. The seed is random:
 * keys come from strangers. */
static void drop_from_large(msgpack_object_map *map)
{
    size_t size = SMALL_MAP * 2;
    uint64_t seed = 0;

    (void)getrandom(&seed, sizeof(seed), GRND_NONBLOCK);
    while (size < (size_t)map->size * 2)
        size *= 2;
    AUTO_FREE uint32_t *places = xcalloc(size, sizeof(*places)); /* index + 1, 0: free */
    uint32_t first = map->size;
    for (uint32_t i = map->size; i-- > 0;) {
        const msgpack_object *key = &map->ptr[i].key;
        bool is_repeated = false;
        if (key->type == MSGPACK_OBJECT_STR) {
            size_t place = XXH3_64bits_withSeed(key->via.str.ptr, key->via.str.size, seed) & (size - 1);
            while (places[place] != 0 && !is_same_text(key, &map->ptr[places[place] - 1].key))
                place = (place + 1) & (size - 1);
            is_repeated = places[place] != 0;
            if (!is_repeated)
                places[place] = first; /* it moves to first - 1 */
        }
        if (!is_repeated)
            map->ptr[--first] = map->ptr[i];
    }
    map->ptr += first;
    map->size -= first;
}

const msgpack_object *packed_find(const msgpack_object *object, const char *key)
{
    const size_t size = strlen(key);

    for (uint32_t i = 0; object != NULL && object->type == MSGPACK_OBJECT_MAP && i < object->via.map.size; i++) {
        const msgpack_object_kv *pair = &object->via.map.ptr[i];
        if (pair->key.type == MSGPACK_OBJECT_STR && pair->key.via.str.size == size && memcmp(pair->key.via.str.ptr, key, size) == 0)
            return &pair->val;
    }
    return NULL;
}

void map_drop_duplicates(msgpack_object_map *map)
{
    if (map->size > SMALL_MAP)
        drop_from_large(map);
    else if (map->size > 1)
        drop_from_small(map);
}

static uint64_t big_endian_64(const unsigned char *at)
{
    return (uint64_t)big_endian(at, 4) << 32 | big_endian(at + 4, 4);
}

static void build_unsigned(msgpack_object *object, uint64_t value)
{
    object->type = MSGPACK_OBJECT_POSITIVE_INTEGER;
    object->via.u64 = value;
}

static void build_signed(msgpack_object *object, int64_t value)
{
    object->type = value < 0 ? MSGPACK_OBJECT_NEGATIVE_INTEGER : MSGPACK_OBJECT_POSITIVE_INTEGER;
    object->via.i64 = value;
}

static void build_float(msgpack_object *object, uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    object->type = isfinite(value) ? MSGPACK_OBJECT_FLOAT32 : MSGPACK_OBJECT_NIL;
    object->via.f64 = value;
}

static void build_double(msgpack_object *object, uint64_t bits)
{
    memcpy(&object->via.f64, &bits, sizeof(bits));
    object->type = isfinite(object->via.f64) ? MSGPACK_OBJECT_FLOAT64 : MSGPACK_OBJECT_NIL;
}

static void build_bin(msgpack_object *object, const unsigned char *data, const unsigned char *end)
{
    object->type = MSGPACK_OBJECT_BIN;
    object->via.bin.ptr = (const char *)data;
    object->via.bin.size = (uint32_t)(end - data);
}

/* The ext's own type stands in the byte before its data. */
static void build_ext(msgpack_object *object, const unsigned char *data, const unsigned char *end)
{
    struct bytes body = { data, (size_t)(end - data) };

    if ((int8_t)data[-1] == NUMBER_EXT && number_unpack(body, object))
        return;
    object->type = MSGPACK_OBJECT_EXT;
    object->via.ext.type = (int8_t)data[-1];
    object->via.ext.ptr = (const char *)data;
    object->via.ext.size = (uint32_t)(end - data);
}

/* What contains nothing, and is no text. `end` is behind it. */
static void build_plain(const unsigned char *at, const unsigned char *end, msgpack_object *object)
{
    const unsigned char *rest = at + 1;

    if (at[0] < 0x80) {
        build_unsigned(object, at[0]);
        return;
    }
    if (at[0] >= 0xe0) {
        build_signed(object, (int8_t)at[0]);
        return;
    }
    switch (at[0]) {
    case 0xc2:
    case 0xc3:
        object->type = MSGPACK_OBJECT_BOOLEAN;
        object->via.boolean = at[0] == 0xc3;
        return;
    case 0xc4:
    case 0xc5:
    case 0xc6:
        build_bin(object, at + types[at[0] - 0xc0].fixed, end);
        return;
    case 0xc7:
    case 0xc8:
    case 0xc9:
        build_ext(object, at + types[at[0] - 0xc0].fixed, end);
        return;
    case 0xca:
        build_float(object, big_endian(rest, 4));
        return;
    case 0xcb:
        build_double(object, big_endian_64(rest));
        return;
    case 0xcc:
        build_unsigned(object, rest[0]);
        return;
    case 0xcd:
        build_unsigned(object, big_endian(rest, 2));
        return;
    case 0xce:
        build_unsigned(object, big_endian(rest, 4));
        return;
    case 0xcf:
        build_unsigned(object, big_endian_64(rest));
        return;
    case 0xd0:
        build_signed(object, (int8_t)rest[0]);
        return;
    case 0xd1:
        build_signed(object, (int16_t)big_endian(rest, 2));
        return;
    case 0xd2:
        build_signed(object, (int32_t)big_endian(rest, 4));
        return;
    case 0xd3:
        build_signed(object, (int64_t)big_endian_64(rest));
        return;
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        build_ext(object, at + 2, end);
        return;
    default:
        object->type = MSGPACK_OBJECT_NIL;
    }
}

static bool is_map_head(unsigned char type)
{
    return (type >= 0x80 && type <= 0x8f) || type == 0xde || type == 0xdf;
}

static const unsigned char *build(const unsigned char *at, const unsigned char *end, msgpack_zone *zone, msgpack_object *object);

static const unsigned char *build_array(const unsigned char *at, const unsigned char *end, uint64_t count, msgpack_zone *zone,
                                        msgpack_object *object)
{
    msgpack_object *items = zone_take(zone, count * sizeof(*items));

    for (uint64_t i = 0; i < count; i++)
        at = build(at, end, zone, &items[i]);
    object->type = MSGPACK_OBJECT_ARRAY;
    object->via.array = (msgpack_object_array){ .size = (uint32_t)count, .ptr = items };
    return at;
}

static const unsigned char *build_map(const unsigned char *at, const unsigned char *end, uint64_t count, msgpack_zone *zone,
                                      msgpack_object *object)
{
    msgpack_object_kv *pairs = zone_take(zone, count * sizeof(*pairs));

    for (uint64_t i = 0; i < count; i++) {
        at = build(at, end, zone, &pairs[i].key);
        at = build(at, end, zone, &pairs[i].val);
    }
    object->type = MSGPACK_OBJECT_MAP;
    object->via.map = (msgpack_object_map){ .size = (uint32_t)count, .ptr = pairs };
    map_drop_duplicates(&object->via.map);
    return at;
}

/* Returns where the next object begins. Recursion is as deep as the data, which was measured. */
static const unsigned char *build(const unsigned char *at, const unsigned char *end, msgpack_zone *zone, msgpack_object *object)
{
    struct head head;
    bool is_whole = read_head(at, (size_t)(end - at), &head);

    assert(is_whole);
    if (head.is_text) {
        object->type = MSGPACK_OBJECT_STR;
        object->via.ext.size = 0; /* unmarked: see number.h */
        object->via.str.ptr = (const char *)at + head.text_at;
        object->via.str.size = (uint32_t)(head.size - head.text_at);
        return at + head.size;
    }
    if (!head.is_container) {
        build_plain(at, at + head.size, object);
        return at + head.size;
    }
    if (is_map_head(at[0]))
        return build_map(at + head.size, end, head.items / 2, zone, object);
    return build_array(at + head.size, end, head.items, zone, object);
}

void packed_build(struct bytes data, msgpack_zone *zone, msgpack_object *ret_object)
{
    const unsigned char *at = data.data;
    (void)build(at, at + data.size, zone, ret_object);
}

int packed_decode(struct bytes data, msgpack_zone *zone, msgpack_object *ret_object, struct error *ret_error)
{
    size_t size;
    int result = packed_measure(data, DATA_MAX_DEPTH, &size, ret_error);

    if (result < 0)
        return result;
    if (size != data.size)
        return error_set(ret_error, EBADMSG, "not valid msgpack: %zu bytes after the end", data.size - size);
    packed_build(data, zone, ret_object);
    return 0;
}
