/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/members_scan.h"

#include <endian.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "codec/number.h"
#include "codec/packed.h"
#include "codec/utf8.h"

#define NUMBER_MAX 64 /* characters; longer ones are for number_read() and its doubles to judge */

/* Characters that are looked at together. */
typedef signed char chunk __attribute__((vector_size(16)));

struct scan {
    const char *at;
    const char *end;
    struct member *members;
    int depth; /* of the map whose members they are */
    size_t others;
};

static char peek_past_blanks(struct scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\t' || *scan->at == '\r'))
        scan->at++;
    return scan->at < scan->end ? *scan->at : '\0';
}

/* The next character that is no blank, which stays there; NUL, which no JSON has outside of strings: the end. */
static inline char peek(struct scan *scan)
{
    if (scan->at<scan->end && * scan->at> ' ')
        return *scan->at;
    return peek_past_blanks(scan);
}

static bool skip_sign(struct scan *scan, char sign)
{
    if (peek(scan) != sign)
        return false;
    scan->at++;
    return true;
}

/* ---- strings, numbers, words ----------------------------------------------------------------------- */

/* How many of a chunk's characters come before the first that is a quote, a backslash, a control character, or
 * outside of ASCII: those are negative. */
static size_t plain_among(const char *text)
{
    union {
        chunk each;
        uint64_t halves[sizeof(chunk) / sizeof(uint64_t)];
    } found;
    chunk characters;

    memcpy(&characters, text, sizeof(characters));
    found.each = (characters < ' ') | (characters == '"') | (characters == '\\');
    for (size_t i = 0; i < sizeof(chunk) / sizeof(uint64_t); i++) {
        if (found.halves[i] != 0)
            return i * sizeof(uint64_t) + (size_t)__builtin_ctzll(le64toh(found.halves[i])) / 8;
    }
    return sizeof(chunk);
}

static bool is_plain(char c)
{
    return (signed char)c >= ' ' && c != '"' && c != '\\';
}

/* To the first character that plain_among() stops at, or the end. */
static const char *skip_plain(const char *at, const char *end)
{
    while (end - at >= (ptrdiff_t)sizeof(chunk)) {
        size_t plain = plain_among(at);
        at += plain;
        if (plain < sizeof(chunk))
            return at;
    }
    while (at < end && is_plain(*at))
        at++;
    return at;
}

static bool is_simple_escape(char c)
{
    return c == '"' || c == '\\' || c == '/' || c == 'b' || c == 'f' || c == 'n' || c == 'r' || c == 't';
}

/* Stands on a character that is neither plain nor a quote; NULL: it may not stand in a string. */
static const char *skip_special(const char *at, const char *end, bool *ret_has_escapes)
{
    if (*at == '\\') {
        *ret_has_escapes = true;
        return end - at >= 2 && is_simple_escape(at[1]) ? at + 2 : NULL;
    }
    if ((signed char)*at >= 0)
        return NULL; /* a control character */
    while (at < end && (signed char)*at < 0) {
        size_t size = utf8_character((const unsigned char *)at, (size_t)(end - at));
        if (size == 0)
            return NULL;
        at += size;
    }
    return at;
}

/* Stands on the opening quote; then behind the closing one. */
static bool skip_string(struct scan *scan, bool *ret_has_escapes)
{
    const char *at = skip_plain(scan->at + 1, scan->end);

    *ret_has_escapes = false;
    while (at < scan->end && *at != '"') {
        at = skip_special(at, scan->end, ret_has_escapes);
        if (at == NULL)
            return false;
        at = skip_plain(at, scan->end);
    }
    if (at == scan->end)
        return false;
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
    const char *first = *scan->at == '-' ? scan->at + 1 : scan->at;
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

/* ---- values that nobody asked for ------------------------------------------------------------------ */

static bool skip_map(struct scan *scan, int depth);
static bool skip_array(struct scan *scan, int depth);

/* Stands on its first character, in a container at that depth; then behind it. */
static bool skip_value(struct scan *scan, int depth)
{
    bool has_escapes;

    switch (peek(scan)) {
    case '{':
        return skip_map(scan, depth + 1);
    case '[':
        return skip_array(scan, depth + 1);
    case '"':
        return skip_string(scan, &has_escapes);
    case 't':
        return skip_word(scan, "true", 4);
    case 'f':
        return skip_word(scan, "false", 5);
    case 'n':
        return skip_word(scan, "null", 4);
    case '\0':
        return false;
    default:
        return skip_number(scan);
    }
}

/* Behind a value: whether another one follows in this container; *ret_is_over: or it ends here. */
static bool skip_comma(struct scan *scan, char closing, bool *ret_is_over)
{
    char sign = peek(scan);

    *ret_is_over = sign == closing;
    if (sign != ',' && sign != closing)
        return false;
    scan->at++;
    return true;
}

/* Stands on the opening sign; then behind it, or behind the closing one where nothing is within. */
static bool open_container(struct scan *scan, int depth, char closing, bool *ret_is_over)
{
    if (depth > DATA_MAX_DEPTH)
        return false;
    scan->at++;
    *ret_is_over = skip_sign(scan, closing);
    return true;
}

static bool skip_array(struct scan *scan, int depth)
{
    bool is_over;

    if (!open_container(scan, depth, ']', &is_over))
        return false;
    while (!is_over) {
        if (!skip_value(scan, depth) || !skip_comma(scan, ']', &is_over))
            return false;
    }
    return true;
}

static bool skip_map(struct scan *scan, int depth)
{
    bool has_escapes;
    bool is_over;

    if (!open_container(scan, depth, '}', &is_over))
        return false;
    while (!is_over) {
        if (peek(scan) != '"' || !skip_string(scan, &has_escapes) || !skip_sign(scan, ':'))
            return false;
        if (!skip_value(scan, depth) || !skip_comma(scan, '}', &is_over))
            return false;
    }
    return true;
}

/* ---- members --------------------------------------------------------------------------------------- */

static bool is_named(const struct member *member, const char *key, size_t size)
{
    return member->key_size == size && (size == 0 || (member->key[0] == key[0] && memcmp(member->key, key, size) == 0));
}

/* Stands on the key; then behind it. *ret_member: whom the value belongs to; NULL: nobody. */
static bool find_member(struct scan *scan, struct member **ret_member)
{
    const char *key = scan->at + 1;
    bool has_escapes;

    if (!skip_string(scan, &has_escapes) || has_escapes)
        return false;
    size_t size = (size_t)(scan->at - 1 - key);
    struct member *member = scan->members;
    while (member->key != NULL && !is_named(member, key, size))
        member++;
    *ret_member = member->key != NULL ? member : NULL;
    scan->others += member->key == NULL;
    return true;
}

static bool take_text(struct scan *scan, struct member *member)
{
    const char *text = scan->at + 1;
    bool has_escapes;

    if (!skip_string(scan, &has_escapes) || has_escapes)
        return false;
    member->has_no_nul = true;
    member->value.type = MSGPACK_OBJECT_STR;
    member->value.via.ext.size = 0; /* unmarked: see number.h */
    member->value.via.str.ptr = text;
    member->value.via.str.size = (uint32_t)(scan->at - 1 - text);
    return true;
}

static bool take_number(struct scan *scan, struct member *member)
{
    const char *text = scan->at;

    return skip_number(scan) && number_read(text, (size_t)(scan->at - text), &member->value);
}

static bool take_other(struct scan *scan, struct member *member, char first)
{
    member->value.type = first == '{'   ? MSGPACK_OBJECT_MAP
                         : first == '[' ? MSGPACK_OBJECT_ARRAY
                         : first == 'n' ? MSGPACK_OBJECT_NIL
                                        : MSGPACK_OBJECT_BOOLEAN;
    member->value.via.boolean = first == 't';
    return skip_value(scan, scan->depth);
}

static bool take_value(struct scan *scan, struct member *member)
{
    char first = peek(scan);
    const char *start = scan->at;
    bool is_number = first == '-' || (first >= '0' && first <= '9');

    if (first == '"' ? !take_text(scan, member) : is_number ? !take_number(scan, member) : !take_other(scan, member, first))
        return false;
    member->is_present = true;
    member->has_escapes = false;
    member->bytes = (struct bytes){ start, (size_t)(scan->at - start) };
    return true;
}

/* Stands on what should be a map; then behind it. */
static bool scan_members(struct scan *scan)
{
    struct member *member;
    bool is_over;

    if (peek(scan) != '{' || !open_container(scan, scan->depth, '}', &is_over))
        return false;
    while (!is_over) {
        if (peek(scan) != '"' || !find_member(scan, &member) || !skip_sign(scan, ':'))
            return false;
        if (!(member != NULL ? take_value(scan, member) : skip_value(scan, scan->depth)) || !skip_comma(scan, '}', &is_over))
            return false;
    }
    return true;
}

static bool is_at_end(struct scan *scan)
{
    (void)peek(scan);
    return scan->at == scan->end;
}

bool members_scan_json(struct bytes text, struct member *members, size_t *ret_others)
{
    struct scan scan = { .at = text.data, .members = members, .depth = 1 };

    if (text.size == 0)
        return false;
    scan.end = scan.at + text.size;
    if (scan_members(&scan) && is_at_end(&scan)) {
        *ret_others = scan.others;
        return true;
    }
    for (struct member *member = members; member->key != NULL; member++)
        member->is_present = false;
    return false;
}

/* ---- maps of an array ------------------------------------------------------------------------------- */

#define FIRST_MAPS 16

struct maps {
    const struct member *wanted;
    size_t wanted_count; /* with the end of the list */
    struct bytes *texts;
    struct member *members;
    size_t count;
    size_t room;
};

/* The members of the next map, of which nothing is found yet. */
static struct member *add_map(struct maps *maps)
{
    if (maps->count == maps->room) {
        maps->room = maps->room == 0 ? FIRST_MAPS : 2 * maps->room;
        maps->texts = xrealloc(maps->texts, maps->room * sizeof(*maps->texts));
        maps->members = xrealloc(maps->members, maps->room * maps->wanted_count * sizeof(*maps->members));
    }
    struct member *members = maps->members + maps->count++ * maps->wanted_count;
    memcpy(members, maps->wanted, maps->wanted_count * sizeof(*members));
    return members;
}

/* The outermost array, and nothing behind it. */
static bool scan_maps(struct scan *scan, struct maps *maps)
{
    bool is_over;

    if (peek(scan) != '[' || !open_container(scan, 1, ']', &is_over))
        return false;
    while (!is_over) {
        (void)peek(scan);
        const char *start = scan->at;
        scan->members = add_map(maps);
        if (!scan_members(scan))
            return false;
        maps->texts[maps->count - 1] = (struct bytes){ start, (size_t)(scan->at - start) };
        if (!skip_comma(scan, ']', &is_over))
            return false;
    }
    return is_at_end(scan);
}

static size_t list_size(const struct member *members)
{
    size_t count = 1;

    while (members[count - 1].key != NULL)
        count++;
    return count;
}

bool members_scan_maps(struct bytes text, const struct member *wanted, struct bytes **ret_texts, struct member **ret_members,
                       size_t *ret_count)
{
    struct scan scan = { .at = text.data, .depth = 2 };
    struct maps maps = { .wanted = wanted, .wanted_count = list_size(wanted) };

    if (text.size == 0)
        return false;
    scan.end = scan.at + text.size;
    if (!scan_maps(&scan, &maps)) {
        free(maps.texts);
        free(maps.members);
        return false;
    }
    *ret_texts = maps.texts;
    *ret_members = maps.members;
    *ret_count = maps.count;
    return true;
}
