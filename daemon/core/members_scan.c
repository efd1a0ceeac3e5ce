/* SPDX-License-Identifier: Apache-2.0 */
#include "core/members_scan.h"

#include <stdint.h>
#include <string.h>

#include "core/packed.h"
#include "core/utf8.h"
#include "core/yajl_run.h"

#define EACH UINT64_C(0x0101010101010101)
#define HIGH_BITS UINT64_C(0x8080808080808080)
#define NUMBER_MAX 64 /* characters; longer ones are for json_number() and its doubles to judge */

_Static_assert(DATA_MAX_DEPTH <= 64, "a level is a bit");

/* What must come next. */
enum next { NEXT_FIRST_KEY, NEXT_KEY, NEXT_FIRST_VALUE, NEXT_VALUE, NEXT_SEPARATOR, NEXT_END, NEXT_UNKNOWN };

struct scan {
    const char *at;
    const char *end;
    uint64_t maps;           /* bit n: the container at depth n + 1 is a map */
    int depth;
    struct member *members;
    struct member *wanted;   /* the value at depth 1 is this member's; NULL: nobody's */
    const char *start;       /* of that value */
};

static void skip_blanks(struct scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\t' || *scan->at == '\r'))
        scan->at++;
}

static bool is_in_map(const struct scan *scan)
{
    return (scan->maps >> (scan->depth - 1) & 1) != 0;
}

/* No quote, no backslash, no control character among eight bytes: Mycroft's test for a zero byte. */
static bool is_plain(uint64_t eight)
{
    uint64_t quotes = eight ^ EACH * '"';
    uint64_t slashes = eight ^ EACH * '\\';
    uint64_t found = ((quotes - EACH) & ~quotes) | ((slashes - EACH) & ~slashes) | ((eight - EACH * 0x20) & ~eight);

    return (found & HIGH_BITS) == 0;
}

static bool is_simple_escape(char c)
{
    return c == '"' || c == '\\' || c == '/' || c == 'b' || c == 'f' || c == 'n' || c == 'r' || c == 't';
}

/* Stands on the opening quote; then behind the closing one. */
static bool skip_string(struct scan *scan, bool *ret_has_escapes)
{
    const char *at = scan->at + 1;
    uint64_t eight;

    *ret_has_escapes = false;
    for (;;) {
        while (scan->end - at >= (ptrdiff_t)sizeof(eight)) {
            memcpy(&eight, at, sizeof(eight));
            if (!is_plain(eight))
                break;
            at += sizeof(eight);
        }
        while (at < scan->end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20)
            at++;
        if (at == scan->end || (unsigned char)*at < 0x20)
            return false;
        if (*at == '"')
            break;
        if (scan->end - at < 2 || !is_simple_escape(at[1]))
            return false;
        *ret_has_escapes = true;
        at += 2;
    }
    scan->at = at + 1;
    return true;
}

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)? */
static bool skip_number(struct scan *scan)
{
    const char *first = scan->at < scan->end && *scan->at == '-' ? scan->at + 1 : scan->at;
    const char *at = skip_digits(first, scan->end);

    if (at == first || (*first == '0' && at - first > 1))
        return false;
    if (at < scan->end && *at == '.') {
        const char *fraction = at + 1;
        at = skip_digits(fraction, scan->end);
        if (at == fraction)
            return false;
    }
    if (at - scan->at > NUMBER_MAX || (at < scan->end && (*at == 'e' || *at == 'E')))
        return false;
    scan->at = at;
    return true;
}

static bool skip_word(struct scan *scan, const char *word, size_t size)
{
    if ((size_t)(scan->end - scan->at) < size || memcmp(scan->at, word, size) != 0)
        return false;
    scan->at += size;
    return true;
}

static struct member *find_member(struct member *members, const char *key, size_t size)
{
    for (struct member *member = members; member->key != NULL; member++) {
        if (member->key_size == size && memcmp(member->key, key, size) == 0)
            return member;
    }
    return NULL;
}

/* The value that ends here, if it is anybody's. */
static struct member *take_value(const struct scan *scan, msgpack_object_type type)
{
    struct member *member = scan->depth == 1 ? scan->wanted : NULL;

    if (member == NULL)
        return NULL;
    member->is_present = true;
    member->has_escapes = false;
    member->bytes = (struct bytes){ scan->start, (size_t)(scan->at - scan->start) };
    member->value.type = type;
    return member;
}

static enum next scan_string(struct scan *scan)
{
    bool has_escapes;
    const char *text = scan->at + 1;

    if (!skip_string(scan, &has_escapes))
        return NEXT_UNKNOWN;
    struct member *member = take_value(scan, MSGPACK_OBJECT_STR);
    if (member != NULL) {
        if (has_escapes)
            return NEXT_UNKNOWN;
        member->value.via.str.ptr = text;
        member->value.via.str.size = (uint32_t)(scan->at - 1 - text);
    }
    return NEXT_SEPARATOR;
}

static enum next scan_number(struct scan *scan)
{
    const char *text = scan->at;

    if (!skip_number(scan))
        return NEXT_UNKNOWN;
    struct member *member = take_value(scan, MSGPACK_OBJECT_NIL);
    if (member != NULL && !json_number(text, (size_t)(scan->at - text), &member->value))
        return NEXT_UNKNOWN;
    return NEXT_SEPARATOR;
}

static enum next scan_boolean(struct scan *scan, bool is_true)
{
    if (is_true ? !skip_word(scan, "true", 4) : !skip_word(scan, "false", 5))
        return NEXT_UNKNOWN;
    struct member *member = take_value(scan, MSGPACK_OBJECT_BOOLEAN);
    if (member != NULL)
        member->value.via.boolean = is_true;
    return NEXT_SEPARATOR;
}

static enum next scan_null(struct scan *scan)
{
    if (!skip_word(scan, "null", 4))
        return NEXT_UNKNOWN;
    (void)take_value(scan, MSGPACK_OBJECT_NIL);
    return NEXT_SEPARATOR;
}

static enum next open_container(struct scan *scan, bool is_map)
{
    if (scan->depth == DATA_MAX_DEPTH)
        return NEXT_UNKNOWN;
    uint64_t bit = UINT64_C(1) << scan->depth;
    scan->maps = is_map ? scan->maps | bit : scan->maps & ~bit;
    scan->depth++;
    scan->at++;
    return is_map ? NEXT_FIRST_KEY : NEXT_FIRST_VALUE;
}

static enum next close_container(struct scan *scan)
{
    bool was_map = is_in_map(scan);

    scan->at++;
    scan->depth--;
    (void)take_value(scan, was_map ? MSGPACK_OBJECT_MAP : MSGPACK_OBJECT_ARRAY);
    return scan->depth == 0 ? NEXT_END : NEXT_SEPARATOR;
}

static enum next scan_value(struct scan *scan)
{
    if (scan->depth == 1)
        scan->start = scan->at;
    switch (*scan->at) {
    case '{':
        return open_container(scan, true);
    case '[':
        return open_container(scan, false);
    case '"':
        return scan_string(scan);
    case 't':
        return scan_boolean(scan, true);
    case 'f':
        return scan_boolean(scan, false);
    case 'n':
        return scan_null(scan);
    default:
        return scan_number(scan);
    }
}

static enum next scan_key(struct scan *scan)
{
    bool has_escapes;
    const char *key = scan->at + 1;

    if (*scan->at != '"' || !skip_string(scan, &has_escapes))
        return NEXT_UNKNOWN;
    if (scan->depth == 1) {
        if (has_escapes)
            return NEXT_UNKNOWN;
        scan->wanted = find_member(scan->members, key, (size_t)(scan->at - 1 - key));
    }
    skip_blanks(scan);
    if (scan->at == scan->end || *scan->at != ':')
        return NEXT_UNKNOWN;
    scan->at++;
    return NEXT_VALUE;
}

static enum next scan_separator(struct scan *scan)
{
    bool is_map = is_in_map(scan);

    if (*scan->at == (is_map ? '}' : ']'))
        return close_container(scan);
    if (*scan->at != ',')
        return NEXT_UNKNOWN;
    scan->at++;
    return is_map ? NEXT_KEY : NEXT_VALUE;
}

static enum next scan_next(struct scan *scan, enum next next)
{
    skip_blanks(scan);
    if (scan->at == scan->end)
        return NEXT_UNKNOWN;
    switch (next) {
    case NEXT_FIRST_KEY:
        return *scan->at == '}' ? close_container(scan) : scan_key(scan);
    case NEXT_KEY:
        return scan_key(scan);
    case NEXT_FIRST_VALUE:
        return *scan->at == ']' ? close_container(scan) : scan_value(scan);
    case NEXT_VALUE:
        return scan_value(scan);
    case NEXT_SEPARATOR:
        return scan_separator(scan);
    case NEXT_END:
    case NEXT_UNKNOWN:
        break;
    }
    return NEXT_UNKNOWN;
}

static bool scan_all(struct scan *scan)
{
    skip_blanks(scan);
    if (scan->at == scan->end || *scan->at != '{')
        return false;
    enum next next = open_container(scan, true);
    while (next < NEXT_END)
        next = scan_next(scan, next);
    skip_blanks(scan);
    return next == NEXT_END && scan->at == scan->end;
}

bool members_scan_json(struct bytes text, struct member *members)
{
    struct scan scan = { .at = text.data, .members = members };

    if (text.size == 0 || !utf8_is_valid(text.data, text.size))
        return false;
    scan.end = scan.at + text.size;
    if (scan_all(&scan))
        return true;
    for (struct member *member = members; member->key != NULL; member++)
        member->is_present = false;
    return false;
}
