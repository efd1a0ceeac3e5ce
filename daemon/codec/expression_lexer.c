/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/expression_lexer.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "codec/expression_number.h"
#include "codec/utf8.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool begins_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The character `ahead` of where it reads; NUL: behind the end. */
static char peek(const struct lexer *lexer, size_t ahead)
{
    return (size_t)(lexer->end - lexer->at) > ahead ? lexer->at[ahead] : '\0';
}

static struct token fault(const char *at, const char *why)
{
    return (struct token){ .kind = TOKEN_FAULT, .at = at, .end = at, .fault = why };
}

static void skip_blanks(struct lexer *lexer)
{
    while (lexer->at < lexer->end) {
        if (memchr(" \t\r\n\f", *lexer->at, 5) != NULL) {
            lexer->at++;
        } else if (peek(lexer, 0) == '/' && peek(lexer, 1) == '/') {
            const char *line_end = memchr(lexer->at, '\n', (size_t)(lexer->end - lexer->at));
            lexer->at = line_end != NULL ? line_end : lexer->end;
        } else {
            return;
        }
    }
}

/* ---- numbers --------------------------------------------------------------------------------------- */

static size_t digits_at(const struct lexer *lexer, size_t ahead)
{
    size_t count = 0;

    while (is_digit(peek(lexer, ahead + count)))
        count++;
    return count;
}

/* How much of the text is a double; 0: it is none. */
static size_t double_size(const struct lexer *lexer)
{
    size_t size = digits_at(lexer, 0);
    size_t fraction = peek(lexer, size) == '.' ? digits_at(lexer, size + 1) : 0;

    if (fraction > 0)
        size += 1 + fraction;
    char mark = peek(lexer, size), sign = peek(lexer, size + 1);
    size_t head = sign == '+' || sign == '-' ? 2 : 1;
    size_t exponent = mark == 'e' || mark == 'E' ? digits_at(lexer, size + head) : 0;
    if (exponent > 0)
        return size + head + exponent;
    return fraction > 0 ? size : 0;
}

static struct token read_double(struct lexer *lexer, size_t size)
{
    struct token token = { .kind = TOKEN_DOUBLE, .at = lexer->at, .end = lexer->at + size };

    if (!number_parse_double((struct bytes){ lexer->at, size }, &token.number))
        return fault(lexer->at, "the number is beyond what a double can be");
    return token;
}

static bool read_hex(struct lexer *lexer, size_t *ret_size, uint64_t *ret_natural)
{
    size_t size = 2;
    uint64_t natural = 0;

    for (; hex_value(peek(lexer, size)) >= 0; size++) {
        if (natural >> 60 != 0)
            return false;
        natural = natural << 4 | (uint64_t)hex_value(peek(lexer, size));
    }
    *ret_size = size;
    *ret_natural = natural;
    return size > 2;
}

static struct token read_whole(struct lexer *lexer)
{
    struct token token = { .kind = TOKEN_INT, .at = lexer->at };
    bool is_hex = peek(lexer, 0) == '0' && (peek(lexer, 1) == 'x' || peek(lexer, 1) == 'X');
    size_t size = is_hex ? 0 : digits_at(lexer, 0);

    if (is_hex ? !read_hex(lexer, &size, &token.natural) : !number_parse_uint((struct bytes){ lexer->at, size }, &token.natural))
        return fault(lexer->at, "the number is beyond 64 bits, or no number");
    if (peek(lexer, size) == 'u' || peek(lexer, size) == 'U') {
        token.kind = TOKEN_UINT;
        size++;
    } else if (token.natural > (uint64_t)INT64_MAX + 1) {
        return fault(lexer->at, "the number is beyond what an int can be");
    }
    token.end = lexer->at + size;
    return token;
}

static struct token read_number(struct lexer *lexer)
{
    size_t size = double_size(lexer);
    struct token token = size > 0 ? read_double(lexer, size) : read_whole(lexer);

    if (token.kind != TOKEN_FAULT && token.end < lexer->end && (begins_name(*token.end) || is_digit(*token.end)))
        return fault(token.end, "syntax: a number ends here, and no name can begin");
    return token;
}

/* ---- strings --------------------------------------------------------------------------------------- */

/* A string as it stands in the text: its prefix, its quotes, what is between them. */
struct quoted {
    bool is_raw, is_bytes;
    size_t quotes; /* 1 or 3 */
    const char *begin, *end;
};

static bool take_prefix(struct lexer *lexer, struct quoted *quoted)
{
    size_t size = 0;

    quoted->is_bytes = peek(lexer, size) == 'b' || peek(lexer, size) == 'B';
    size += quoted->is_bytes;
    quoted->is_raw = peek(lexer, size) == 'r' || peek(lexer, size) == 'R';
    size += quoted->is_raw;
    if (peek(lexer, size) != '\'' && peek(lexer, size) != '"')
        return false;
    lexer->at += size;
    return true;
}

static bool is_closed(const char *at, const char *end, char quote, size_t quotes)
{
    for (size_t i = 0; i < quotes; i++)
        if (at + i >= end || at[i] != quote)
            return false;
    return true;
}

/* Moves on to behind the string. NULL, or why it is none. */
static const char *find_end(struct lexer *lexer, struct quoted *quoted)
{
    char quote = *lexer->at;

    quoted->quotes = is_closed(lexer->at, lexer->end, quote, 3) ? 3 : 1;
    quoted->begin = lexer->at + quoted->quotes;
    for (const char *at = quoted->begin; at < lexer->end; at++) {
        if (is_closed(at, lexer->end, quote, quoted->quotes)) {
            quoted->end = at;
            lexer->at = at + quoted->quotes;
            return NULL;
        }
        if (quoted->quotes == 1 && (*at == '\n' || *at == '\r'))
            break;
        at += *at == '\\' && !quoted->is_raw;
    }
    return "syntax: the string is not closed";
}

/* `digits` of them, in base 8 or 16. */
static bool read_code(const char **at, const char *end, int digits, uint32_t base, uint32_t *ret_code)
{
    uint32_t code = 0;

    for (int i = 0; i < digits; i++, ++*at) {
        int value = *at < end ? hex_value(**at) : -1;
        if (value < 0 || (uint32_t)value >= base)
            return false;
        code = code * base + (uint32_t)value;
    }
    *ret_code = code;
    return true;
}

static bool is_scalar_value(uint32_t code)
{
    return code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
}

/* `*at` is behind the backslash. False: there is no such escape. */
static bool write_escape(const struct quoted *quoted, const char **at, char **out)
{
    static const char letters[] = "abfnrtv\\'\"`?", meanings[] = "\a\b\f\n\r\t\v\\'\"`?";
    char letter = *at < quoted->end ? **at : '\0';
    const char *simple = letter != '\0' ? strchr(letters, letter) : NULL;
    bool is_octal = letter >= '0' && letter <= '3', is_byte = letter == 'x' || letter == 'X';
    uint32_t code;

    *at += !is_octal;
    if (simple != NULL) {
        *(*out)++ = meanings[simple - letters];
        return true;
    }
    if (is_octal        ? !read_code(at, quoted->end, 3, 8, &code)
        : is_byte       ? !read_code(at, quoted->end, 2, 16, &code)
        : letter == 'u' ? !read_code(at, quoted->end, 4, 16, &code)
                        : letter != 'U' || !read_code(at, quoted->end, 8, 16, &code))
        return false;
    if (!quoted->is_bytes)
        *out += utf8_write(code, *out);
    else if (is_octal || is_byte)
        *(*out)++ = (char)code;
    return is_scalar_value(code) && (!quoted->is_bytes || is_octal || is_byte);
}

/* What it means is never longer than how it is written. */
static bool resolve(struct lexer *lexer, const struct quoted *quoted, struct token *token)
{
    size_t size = (size_t)(quoted->end - quoted->begin);

    token->text = (struct bytes){ quoted->begin, size };
    if (quoted->is_raw || memchr(quoted->begin, '\\', size) == NULL)
        return true;
    char *text = arena_take(lexer->arena, size + 4), *out = text;
    for (const char *at = quoted->begin; at < quoted->end;) {
        if (*at != '\\') {
            *out++ = *at++;
            continue;
        }
        const char *backslash = at++;
        if (!write_escape(quoted, &at, &out)) {
            *token = fault(
                backslash,
                "unknown escape: \\\\ \\' \\\" \\` \\? \\a \\b \\f \\n \\r \\t \\v \\xHH \\uHHHH \\UHHHHHHHH \\OOO are those there are");
            return false;
        }
    }
    assert((size_t)(out - text) <= size + 4);
    token->text = (struct bytes){ text, (size_t)(out - text) };
    return true;
}

static struct token read_string(struct lexer *lexer, const char *start, struct quoted *quoted)
{
    const char *why = find_end(lexer, quoted);
    struct token token = { .kind = quoted->is_bytes ? TOKEN_BYTES : TOKEN_STRING, .at = start, .end = lexer->at };

    if (why != NULL)
        return fault(start, why);
    (void)resolve(lexer, quoted, &token);
    return token;
}

/* ---- the rest -------------------------------------------------------------------------------------- */

static struct token read_name(struct lexer *lexer)
{
    const char *end = lexer->at;

    while (end < lexer->end && (begins_name(*end) || is_digit(*end)))
        end++;
    struct token token = { .kind = TOKEN_NAME, .at = lexer->at, .end = end, .text = { lexer->at, (size_t)(end - lexer->at) } };
    if (token.text.size == 2 && memcmp(lexer->at, "in", 2) == 0) {
        token.kind = TOKEN_OPERATOR;
        token.operation = OPERATION_IN;
    }
    return token;
}

static struct token read_quoted_name(struct lexer *lexer)
{
    const char *start = lexer->at + 1, *end = start;

    while (end < lexer->end && (begins_name(*end) || is_digit(*end) || strchr(".-/ ", *end) != NULL) && *end != '\0')
        end++;
    if (end == lexer->end || *end != '`' || end == start)
        return fault(lexer->at, "syntax: between backticks stands a field's name: letters, digits, _ . - / and blanks");
    return (struct token){ .kind = TOKEN_QUOTED_NAME, .at = lexer->at, .end = end + 1, .text = { start, (size_t)(end - start) } };
}

static struct token read_operator(struct lexer *lexer)
{
    static const struct {
        char text[3];
        int operation;
    } pairs[] = {
        { "==", OPERATION_EQUAL },      { "!=", OPERATION_UNEQUAL }, { "<=", OPERATION_LESS_EQUAL },
        { ">=", OPERATION_MORE_EQUAL }, { "&&", OPERATION_AND },     { "||", OPERATION_OR },
    };
    struct token token = { .kind = TOKEN_OPERATOR, .at = lexer->at };

    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        if (peek(lexer, 0) == pairs[i].text[0] && peek(lexer, 1) == pairs[i].text[1]) {
            token.operation = pairs[i].operation;
            token.end = lexer->at + 2;
            return token;
        }
    }
    if (strchr("+-*/%!<>?:.,()[]{}", *lexer->at) == NULL || *lexer->at == '\0')
        return fault(lexer->at, "syntax: no such character is known here");
    token.operation = (unsigned char)*lexer->at;
    token.end = lexer->at + 1;
    return token;
}

struct token lexer_next(struct lexer *lexer)
{
    struct quoted quoted;

    assert(lexer->at <= lexer->end);
    skip_blanks(lexer);
    const char *start = lexer->at;
    if (start == lexer->end)
        return (struct token){ .kind = TOKEN_END, .at = start, .end = start };
    if (take_prefix(lexer, &quoted)) {
        struct token token = read_string(lexer, start, &quoted);
        lexer->at = token.kind == TOKEN_FAULT ? start : lexer->at;
        return token;
    }
    bool is_number = is_digit(*start) || (*start == '.' && is_digit(peek(lexer, 1)));
    struct token token = is_number             ? read_number(lexer)
                         : begins_name(*start) ? read_name(lexer)
                         : *start == '`'       ? read_quoted_name(lexer)
                                               : read_operator(lexer);
    if (token.kind != TOKEN_FAULT)
        lexer->at = token.end;
    return token;
}
