/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json_mend.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ESCAPE_SIZE 6 /* \uXXXX */

/* What stands for a word: a number as long as it is. */
static const struct {
    const char *word;
    const char *number;
    size_t size;
} WORDS[] = { { "NaN", "0.0", 3 }, { "Infinity", "0.000000", 8 } };

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The code unit that \uXXXX names; -1: no such escape begins here. */
static int escaped_unit(const char *at, const char *end)
{
    int unit = 0;

    if (end - at < ESCAPE_SIZE || at[0] != '\\' || at[1] != 'u')
        return -1;
    for (int i = 2; i < ESCAPE_SIZE; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static bool is_high(int unit)
{
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low(int unit)
{
    return unit >= 0xdc00 && unit <= 0xdfff;
}

bool json_has_surrogates(struct bytes text)
{
    const char *at = text.data;
    const char *end = at + text.size;

    while (at < end && (at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
        if (end - at >= 3 && at[1] == 'u' && (at[2] | 0x20) == 'd')
            return true;
        at += 2;
    }
    return false;
}

struct mending {
    const char *at;
    const char *end;
    char *to; /* where what stands at `at` goes */
    bool has_mended;
};

static void keep(struct mending *mending, size_t size)
{
    memcpy(mending->to, mending->at, size);
    mending->to += size;
    mending->at += size;
}

static void replace(struct mending *mending, const char *by, size_t size)
{
    memcpy(mending->to, by, size);
    mending->to += size;
    mending->at += size;
    mending->has_mended = true;
}

static void mend_escape(struct mending *mending)
{
    size_t left = (size_t)(mending->end - mending->at);
    int unit = escaped_unit(mending->at, mending->end);

    if (is_high(unit) && is_low(escaped_unit(mending->at + ESCAPE_SIZE, mending->end)))
        keep(mending, 2 * (size_t)ESCAPE_SIZE);
    else if (is_high(unit) || is_low(unit))
        replace(mending, "\\ufffd", ESCAPE_SIZE);
    else
        keep(mending, left < 2 ? left : 2);
}

/* Stands on the opening quote; then behind the closing one, or at the end. */
static void mend_string(struct mending *mending)
{
    keep(mending, 1);
    while (mending->at < mending->end && *mending->at != '"') {
        if (*mending->at == '\\')
            mend_escape(mending);
        else
            keep(mending, 1);
    }
    if (mending->at < mending->end)
        keep(mending, 1);
}

static bool is_boundary(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',' || c == ':' || c == '[' || c == ']' || c == '}';
}

/* Whether a word may begin here: behind a boundary, or behind the sign that is behind one. */
static bool begins_value(const char *start, const char *at)
{
    if (at > start && at[-1] == '-' && *at == 'I')
        at--;
    return at == start || is_boundary(at[-1]);
}

static void mend_other(struct mending *mending, const char *start)
{
    size_t left = (size_t)(mending->end - mending->at);

    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
        size_t size = WORDS[i].size;
        if (left < size || memcmp(mending->at, WORDS[i].word, size) != 0)
            continue;
        if (begins_value(start, mending->at) && (left == size || is_boundary(mending->at[size]))) {
            replace(mending, WORDS[i].number, size);
            return;
        }
    }
    keep(mending, 1);
}

bool json_mend(struct bytes text, char *copy)
{
    const char *start = text.data;
    struct mending mending = { .at = start, .end = start + text.size, .to = copy };

    while (mending.at < mending.end) {
        if (*mending.at == '"')
            mend_string(&mending);
        else
            mend_other(&mending, start);
    }
    assert(mending.to == copy + text.size); /* as long as it was */
    return mending.has_mended;
}

bool json_is_no_number(struct bytes mended, const char *original, const char *number)
{
    uintptr_t offset = (uintptr_t)number - (uintptr_t)mended.data;

    if (original == mended.data)
        return false;
    original += offset < mended.size ? offset : strspn(original, YAJL_BLANKS);
    if (*original == '-')
        original++; /* a digit or a word follows */
    return *original == 'N' || *original == 'I';
}
