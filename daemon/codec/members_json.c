/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/members.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json_mend.h"
#include "codec/members_scan.h"
#include "codec/number.h"
#include "codec/yajl_run.h"

#define ONLY_EXPONENTS_OVERFLOW 300 /* fewer digits without an exponent always fit a double */

struct scan {
    struct json_depth depth;
    struct bytes text;
    const char *original; /* `text` before it was mended */
    yajl_handle handle;
    struct member *members;
    struct member *current; /* the value that comes next is this member's; NULL: nobody's */
    size_t key_end;
    struct members_shape shape;
};

/* True where what comes is the value of a wanted member. */
static bool is_wanted(const struct scan *scan)
{
    return scan->current != NULL && scan->depth.depth == 1;
}

/* yajl has read the value up to where it stands; it began behind the key's colon. */
static struct member *take_member(struct scan *scan, msgpack_object_type type)
{
    struct member *member = scan->current;
    const char *text = scan->text.data;
    size_t start = scan->key_end;
    size_t end = yajl_get_bytes_consumed(scan->handle);

    start += strspn(text + start, YAJL_BLANKS) + 1;
    start += strspn(text + start, YAJL_BLANKS);
    /* A number that the text ends with is told once yajl has been told of that end, and counts from there; the map is refused next. */
    member->bytes = (struct bytes){ text + start, end > start ? end - start : 0 };
    member->is_present = true;
    member->has_escapes = false;
    member->value.type = type;
    scan->current = NULL;
    return member;
}

static int on_null(void *context)
{
    if (is_wanted(context))
        (void)take_member(context, MSGPACK_OBJECT_NIL);
    return 1;
}

static int on_boolean(void *context, int value)
{
    if (is_wanted(context))
        take_member(context, MSGPACK_OBJECT_BOOLEAN)->value.via.boolean = value != 0;
    return 1;
}

/* Every number is looked at, so that json_decode() finds nothing more to refuse. */
static int on_number(void *context, const char *text, size_t size)
{
    struct scan *scan = context;
    msgpack_object number;
    bool is_taken = is_wanted(scan);

    if (json_is_no_number(scan->text, scan->original, text))
        return on_null(scan);
    if (!is_taken && size < ONLY_EXPONENTS_OVERFLOW && memchr(text, 'e', size) == NULL && memchr(text, 'E', size) == NULL)
        return 1;
    scan->depth.is_out_of_range = !number_read(text, size, &number);
    if (scan->depth.is_out_of_range)
        return 0;
    if (is_taken)
        take_member(scan, number.type)->value = number;
    return 1;
}

static int on_string(void *context, const unsigned char *text, size_t size)
{
    struct scan *scan = context;

    if (!is_wanted(scan))
        return 1;
    struct member *member = take_member(scan, MSGPACK_OBJECT_STR);
    member->has_no_nul = false;
    member->has_escapes = (uintptr_t)text - (uintptr_t)scan->text.data > scan->text.size;
    member->value.via.str.ptr = member->has_escapes ? NULL : (const char *)text;
    member->value.via.str.size = (uint32_t)size;
    return 1;
}

static int on_key(void *context, const unsigned char *key, size_t size)
{
    struct scan *scan = context;

    if (scan->depth.depth != 1)
        return 1;
    scan->current = NULL;
    for (struct member *member = scan->members; member->key != NULL; member++) {
        if (member->key_size != size || memcmp(member->key, key, size) != 0)
            continue;
        scan->current = member;
        scan->key_end = yajl_get_bytes_consumed(scan->handle);
        break;
    }
    scan->shape.others += scan->current == NULL;
    return 1;
}

static int on_open_map(void *context)
{
    struct scan *scan = context;

    scan->shape.is_map |= scan->depth.depth == 0;
    return json_open(&scan->depth);
}

static int on_open_array(void *context)
{
    struct scan *scan = context;
    return json_open(&scan->depth);
}

static int on_close_map(void *context)
{
    struct scan *scan = context;

    scan->depth.depth--;
    if (is_wanted(scan))
        (void)take_member(scan, MSGPACK_OBJECT_MAP);
    return 1;
}

static int on_close_array(void *context)
{
    struct scan *scan = context;

    scan->depth.depth--;
    if (is_wanted(scan))
        (void)take_member(scan, MSGPACK_OBJECT_ARRAY);
    return 1;
}

static void on_begin(void *context, yajl_handle handle)
{
    struct scan *scan = context;
    scan->handle = handle;
}

/* `original` is what `text` was before it was mended. */
static int find(struct bytes text, const char *original, struct member *members, struct members_shape *ret_shape, struct error *ret_error)
{
    static const yajl_callbacks callbacks = {
        .yajl_null = on_null,
        .yajl_boolean = on_boolean,
        .yajl_number = on_number,
        .yajl_string = on_string,
        .yajl_map_key = on_key,
        .yajl_start_map = on_open_map,
        .yajl_end_map = on_close_map,
        .yajl_start_array = on_open_array,
        .yajl_end_array = on_close_array,
    };
    struct scan scan = { .text = text, .original = original, .members = members };
    int result = yajl_run(text, &callbacks, &scan, &scan.depth, on_begin, ret_error);

    if (result == 0)
        *ret_shape = scan.shape;
    return result;
}

/* What was found in the copy stands at the same place in the original. */
static const void *moved(const void *found, struct bytes copy, const char *original)
{
    uintptr_t offset = (uintptr_t)found - (uintptr_t)copy.data;

    return offset <= copy.size ? original + offset : found;
}

static void members_move(struct member *members, struct bytes copy, const char *original)
{
    for (struct member *member = members; member->key != NULL; member++) {
        if (!member->is_present)
            continue;
        member->bytes.data = moved(member->bytes.data, copy, original);
        if (member->value.type == MSGPACK_OBJECT_STR && member->value.via.str.ptr != NULL)
            member->value.via.str.ptr = moved(member->value.via.str.ptr, copy, original);
    }
}

static void members_forget(struct member *members)
{
    for (struct member *member = members; member->key != NULL; member++)
        member->is_present = false;
}

/* Lone surrogates have to be mended before: yajl lets them pass. Words that are no JSON it refuses. */
int members_find_json(struct bytes text, struct member *members, struct members_shape *ret_shape, struct error *ret_error)
{
    ret_shape->is_map = members_scan_json(text, members, &ret_shape->others);
    if (ret_shape->is_map)
        return 0;
    if (!json_has_surrogates(text)) {
        int result = find(text, text.data, members, ret_shape, ret_error);
        if (result == 0 || text.size == 0)
            return result;
        members_forget(members);
    }
    AUTO_FREE char *copy = xmalloc(text.size + 1);
    bool has_changed = json_mend(text, copy);
    struct bytes mended = { has_changed ? copy : text.data, text.size };
    int result = find(mended, text.data, members, ret_shape, ret_error);
    if (result == 0 && has_changed)
        members_move(members, mended, text.data);
    return result;
}
