/* SPDX-License-Identifier: Apache-2.0 */
/* Redis's protocol, as far as requests are written in it here: hiredis prints each length, which is more work than all else. */
#ifndef STEPD_STORE_REDIS_WIRE_H
#define STEPD_STORE_REDIS_WIRE_H

#include <string.h>

#include "base/bytes.h"
#include "base/digits.h"

#define WIRE_WORD_MOST (DIGITS_MOST + 5) /* around a word's bytes, or of the line that says how many words there are */

static inline char *wire_end(char *to)
{
    memcpy(to, "\r\n", 2);
    return to + 2;
}

/* Each of these writes at `to`, and answers what is behind it. */
static inline char *wire_put_count(char *to, size_t words)
{
    *to++ = '*';
    return wire_end(digits_put(to, words));
}

/* A word of two parts. */
static inline char *wire_put_joined(char *to, struct bytes first, struct bytes second)
{
    *to++ = '$';
    to = wire_end(digits_put(to, first.size + second.size));
    if (first.size > 0)
        memcpy(to, first.data, first.size);
    if (second.size > 0)
        memcpy(to + first.size, second.data, second.size);
    return wire_end(to + first.size + second.size);
}

static inline char *wire_put(char *to, struct bytes word)
{
    return wire_put_joined(to, word, (struct bytes){ NULL, 0 });
}

#endif
