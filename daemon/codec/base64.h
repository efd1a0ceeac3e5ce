/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 with padding (RFC 4648, 4). */
#ifndef STEPD_CODEC_BASE64_H
#define STEPD_CODEC_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

#define BASE64_SIZE(size) (((size) + 2) / 3 * 4)

/* Writes BASE64_SIZE(data.size) characters, no NUL. */
void base64_encode(struct bytes data, char *out);
bool base64_is_valid(struct bytes text, size_t *ret_decoded_size);
/* `text` is valid; `out` has room for what it decodes to. */
void base64_decode(struct bytes text, unsigned char *out);

#endif
