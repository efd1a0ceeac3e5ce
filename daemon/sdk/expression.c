/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/expression.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/bytes.h"
#include "sdk/object.h"

enum literal_kind { LITERAL_TEXT, LITERAL_NUMBER, LITERAL_BOOL, LITERAL_NULL };

struct literal {
    enum literal_kind kind;
    struct bytes text;
    int64_t number; /* LITERAL_BOOL, too */
};

struct comparison {
    struct bytes path; /* behind "event." */
    struct literal literal;
};

/* ---- reading: each takes what it reads off `*at` ------------------------------------------------- */

static void skip_blanks(const char **at)
{
    *at += strspn(*at, " \t\n");
}

static bool take(const char **at, const char *token)
{
    skip_blanks(at);
    if (strncmp(*at, token, strlen(token)) != 0)
        return false;
    *at += strlen(token);
    return true;
}

static bool is_of_word(char letter)
{
    return isalnum((unsigned char)letter) || letter == '_';
}

static bool take_path(const char **at, struct bytes *ret_path)
{
    if (!take(at, "event."))
        return false;
    const char *start = *at;
    while (is_of_word(**at) || (**at == '.' && *at > start && is_of_word((*at)[1])))
        ++*at;
    *ret_path = (struct bytes){ start, (size_t)(*at - start) };
    return ret_path->size > 0;
}

static bool take_text(const char **at, struct literal *ret_literal)
{
    char quote = **at;
    const char *end = strchr(*at + 1, quote);

    if (end == NULL || memchr(*at, '\\', (size_t)(end - *at)) != NULL)
        return false;
    *ret_literal = (struct literal){ .kind = LITERAL_TEXT, .text = { *at + 1, (size_t)(end - *at - 1) } };
    *at = end + 1;
    return true;
}

static bool take_number(const char **at, struct literal *ret_literal)
{
    char *end;

    errno = 0;
    long long number = strtoll(*at, &end, 10);
    if (errno != 0 || end == *at || is_of_word(*end) || *end == '.')
        return false;
    *ret_literal = (struct literal){ .kind = LITERAL_NUMBER, .number = number };
    *at = end;
    return true;
}

static bool take_word(const char **at, struct literal *ret_literal)
{
    static const struct {
        const char *word;
        struct literal literal;
    } words[] = {
        { "true", { .kind = LITERAL_BOOL, .number = 1 } },
        { "false", { .kind = LITERAL_BOOL } },
        { "null", { .kind = LITERAL_NULL } },
    };

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strncmp(*at, words[i].word, strlen(words[i].word)) == 0 && !is_of_word((*at)[strlen(words[i].word)])) {
            *at += strlen(words[i].word);
            *ret_literal = words[i].literal;
            return true;
        }
    }
    return false;
}

static bool take_literal(const char **at, struct literal *ret_literal)
{
    skip_blanks(at);
    if (**at == '\'' || **at == '"')
        return take_text(at, ret_literal);
    return take_word(at, ret_literal) || take_number(at, ret_literal);
}

static bool take_comparison(const char **at, struct comparison *ret_comparison)
{
    return take_path(at, &ret_comparison->path) && take(at, "==") && take_literal(at, &ret_comparison->literal);
}

/* ---- what they are of ---------------------------------------------------------------------------- */

static bool equals(const msgpack_object *value, const struct literal *literal)
{
    switch (literal->kind) {
    case LITERAL_TEXT:
        return value != NULL && value->type == MSGPACK_OBJECT_STR && value->via.str.size == literal->text.size &&
               memcmp(value->via.str.ptr, literal->text.data, literal->text.size) == 0;
    case LITERAL_NUMBER:
        return value != NULL &&
               ((value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && literal->number >= 0 && value->via.u64 == (uint64_t)literal->number) ||
                (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER && value->via.i64 == literal->number));
    case LITERAL_BOOL:
        return value != NULL && value->type == MSGPACK_OBJECT_BOOLEAN && value->via.boolean == (literal->number != 0);
    case LITERAL_NULL:
        return !object_is_given(value);
    }
    return false;
}

static const msgpack_object *find_key(const msgpack_object *object, struct bytes key)
{
    if (object == NULL || object->type != MSGPACK_OBJECT_MAP)
        return NULL;
    for (uint32_t i = 0; i < object->via.map.size; i++) {
        const msgpack_object *name = &object->via.map.ptr[i].key;
        if (name->type == MSGPACK_OBJECT_STR && name->via.str.size == key.size && memcmp(name->via.str.ptr, key.data, key.size) == 0)
            return &object->via.map.ptr[i].val;
    }
    return NULL;
}

/* The path's first word, taken off it. */
static struct bytes next_word(struct bytes *path)
{
    const char *text = path->data;
    const char *dot = memchr(text, '.', path->size);
    size_t size = dot != NULL ? (size_t)(dot - text) : path->size;
    size_t skipped = dot != NULL ? size + 1 : size;

    *path = (struct bytes){ text + skipped, path->size - skipped };
    return (struct bytes){ text, size };
}

static bool is_word(struct bytes word, const char *text)
{
    return word.size == strlen(text) && memcmp(word.data, text, word.size) == 0;
}

static msgpack_object text_object(const char *text)
{
    return (msgpack_object){ .type = MSGPACK_OBJECT_STR, .via.str = { .ptr = text, .size = (uint32_t)strlen(text) } };
}

static bool holds(const struct comparison *comparison, const struct stepd_event *event)
{
    struct bytes path = comparison->path;
    struct bytes word = next_word(&path);
    msgpack_object scalar = { .type = MSGPACK_OBJECT_NIL };
    const msgpack_object *value = &scalar;

    if (is_word(word, "data"))
        value = event->data;
    else if (is_word(word, "user"))
        value = event->user;
    else if (is_word(word, "name"))
        scalar = text_object(event->name);
    else if (is_word(word, "id"))
        scalar = text_object(event->id);
    else if (is_word(word, "ts"))
        scalar = (msgpack_object){ .type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = (uint64_t)event->ts_ms };
    while (path.size > 0)
        value = find_key(value, next_word(&path));
    return equals(value, &comparison->literal);
}

bool expression_is_valid(const char *text)
{
    struct comparison comparison;

    do {
        if (!take_comparison(&text, &comparison))
            return false;
    } while (take(&text, "&&"));
    skip_blanks(&text);
    return *text == '\0';
}

bool expression_holds(const char *text, const struct stepd_event *event)
{
    struct comparison comparison;

    do {
        if (!take_comparison(&text, &comparison) || !holds(&comparison, event))
            return false;
    } while (take(&text, "&&"));
    return true;
}
