/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/utf8.h"

#include <stdint.h>
#include <string.h>

static bool is_tail(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The Unicode standard's table 3-7: only the second byte has a range of its own. */
size_t utf8_character(const unsigned char *text, size_t size)
{
    unsigned char first = text[0];

    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4 || size < 2)
        return 0;
    if (first < 0xe0)
        return is_tail(text[1]) ? 2 : 0;
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (text[1] < low || text[1] > high || size < 3 || !is_tail(text[2]))
        return 0;
    if (first < 0xf0)
        return 3;
    return size >= 4 && is_tail(text[3]) ? 4 : 0;
}

bool utf8_is_valid(const void *text, size_t size)
{
    const unsigned char *at = text;
    const unsigned char *end = at + size;

    while (at < end) {
        uint64_t eight;
        if (end - at >= (ptrdiff_t)sizeof(eight)) {
            memcpy(&eight, at, sizeof(eight));
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof(eight);
                continue;
            }
        }
        size_t length = utf8_character(at, (size_t)(end - at));
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

size_t utf8_write(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = size; --i > 0; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(code | (0xf00u >> size & 0xf0)); /* the mark of that length */
    return size;
}

/* C0 but for three of them; DEL; C1, which UTF-8 writes as c2 80 to c2 9f. */
static bool is_control(const unsigned char *at, size_t left)
{
    if (at[0] == 0xc2)
        return left > 1 && at[1] < 0xa0;
    return (at[0] < ' ' && at[0] != '\t' && at[0] != '\n' && at[0] != '\r') || at[0] == 0x7f;
}

bool utf8_is_plain(const void *text, size_t size)
{
    const unsigned char *at = text;

    for (size_t i = 0; i < size; i++)
        if (is_control(at + i, size - i))
            return false;
    return utf8_is_valid(text, size);
}
