/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/base64.h"

#include <assert.h>
#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit_value(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

void base64_encode(struct bytes data, char *out)
{
    const unsigned char *in = data.data;

    for (size_t i = 0; i < data.size; i += 3) {
        size_t left = data.size - i;
        uint32_t group = (uint32_t)in[i] << 16;
        if (left > 1)
            group |= (uint32_t)in[i + 1] << 8;
        if (left > 2)
            group |= in[i + 2];
        *out++ = digits[group >> 18];
        *out++ = digits[group >> 12 & 63];
        *out++ = '=';
        *out++ = '=';
        if (left > 1)
            out[-2] = digits[group >> 6 & 63];
        if (left > 2)
            out[-1] = digits[group & 63];
    }
}

static size_t padding_of(const unsigned char *text, size_t size)
{
    if (size < 4 || text[size - 1] != '=')
        return 0;
    return text[size - 2] == '=' ? 2 : 1;
}

bool base64_is_valid(struct bytes text, size_t *ret_decoded_size)
{
    const unsigned char *in = text.data;
    size_t padding = padding_of(in, text.size);

    if (text.size % 4 != 0)
        return false;
    for (size_t i = 0; i < text.size - padding; i++)
        if (digit_value(in[i]) < 0)
            return false;
    *ret_decoded_size = text.size / 4 * 3 - padding;
    return true;
}

void base64_decode(struct bytes text, unsigned char *out)
{
    const unsigned char *in = text.data;
    size_t count = text.size - padding_of(in, text.size);
    uint32_t group = 0;
    int bits = 0;

    assert(text.size % 4 == 0); /* base64_is_valid() looked */
    for (size_t i = 0; i < count; i++) {
        group = group << 6 | (uint32_t)digit_value(in[i]);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *out++ = (unsigned char)(group >> bits);
        }
    }
}
