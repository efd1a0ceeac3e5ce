/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STEPD_CODEC_UTF8_H
#define STEPD_CODEC_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length of the character at `text` (1 to 4), 0 when there is no valid one: no overlong form, no
 * surrogate, nothing past U+10FFFF. `size` > 0. */
size_t utf8_character(const unsigned char *text, size_t size);
bool utf8_is_valid(const void *text, size_t size);
/* Valid, and without control characters but for tab, newline and return. */
bool utf8_is_plain(const void *text, size_t size);
/* Writes the character `code`, up to U+10FFFF; returns how many bytes, 1 to 4. */
size_t utf8_write(uint32_t code, char out[4]);

#endif
