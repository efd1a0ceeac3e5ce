/* SPDX-License-Identifier: Apache-2.0 */
#include "common/text.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

bool text_is_utf8(const void *text, size_t size)
{
    json_t *string = json_stringn(text, size); /* refuses all else */

    json_decref(string);
    return string != NULL;
}

/* C0 but for tab, newline and return; DEL; C1, which UTF-8 writes as c2 80 to c2 9f. */
static bool is_control(const unsigned char *at, size_t left)
{
    if (at[0] == 0xc2)
        return left > 1 && at[1] < 0xa0;
    return (at[0] < ' ' && at[0] != '\t' && at[0] != '\n' && at[0] != '\r') || at[0] == 0x7f;
}

bool text_is_plain(const void *text, size_t size)
{
    const unsigned char *at = text;

    for (size_t i = 0; i < size; i++)
        if (is_control(at + i, size - i))
            return false;
    return text_is_utf8(text, size);
}

void text_pack(msgpack_packer *packer, const char *text, size_t size)
{
    if (size == 0)
        (void)msgpack_pack_nil(packer);
    else if (text_is_utf8(text, size))
        (void)msgpack_pack_str_with_body(packer, text, size);
    else
        (void)msgpack_pack_bin_with_body(packer, text, size);
}

/* The most of `most` bytes that ends between characters. */
static size_t cut_between_characters(const char *text, size_t size, size_t most)
{
    if (size <= most)
        return size;
    for (size = most; size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80; size--)
        continue;
    return size;
}

/* Of a character that lacks its end at most 3 bytes are there. */
void text_pack_cut(msgpack_packer *packer, const char *text, size_t size)
{
    for (size_t less = 1; less <= 3 && less <= size; less++) {
        unsigned char first = (unsigned char)text[size - less];
        if ((first & 0xc0) == 0x80)
            continue;
        if (first >= 0xc0 && !text_is_utf8(text + size - less, less))
            size -= less;
        break;
    }
    text_pack(packer, text, size);
}

void text_pack_json(struct stepd_ctx *ctx, msgpack_packer *packer, const char *text, size_t size)
{
    const msgpack_object *object = stepd_from_json(ctx, text, size);

    if (object != NULL)
        stepd_pack(ctx, packer, object);
    else
        text_pack(packer, text, size);
}

static bool is_blank(char c)
{
    return (unsigned char)c <= ' ' || c == 0x7f;
}

void text_to_line(const char *text, size_t size, char *line, size_t room)
{
    while (size > 0 && is_blank(text[0])) {
        text++;
        size--;
    }
    while (size > 0 && is_blank(text[size - 1]))
        size--;
    size = cut_between_characters(text, size, room - 1);
    for (size_t i = 0; i < size; i++)
        line[i] = is_blank(text[i]) ? ' ' : text[i];
    line[size] = '\0';
}

void text_copy(const char *text, size_t size, char *copy, size_t room)
{
    size = cut_between_characters(text, size, room - 1);
    for (size_t i = 0; i < size; i++)
        copy[i] = text[i] != '\0' ? text[i] : ' ';
    copy[size] = '\0';
}

int text_refuse(char *ret_why, size_t why_size, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(ret_why, why_size, format, arguments);
    va_end(arguments);
    return -EINVAL;
}
