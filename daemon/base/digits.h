/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as decimal digits, where printf would be most of the work: what goes to Redis has some of them in each argument. */
#ifndef STEPD_BASE_DIGITS_H
#define STEPD_BASE_DIGITS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DIGITS_MOST 20 /* of a uint64_t */

/* With zeros before it, `width` digits at `to`, without a NUL; nines where they are too few. Behind them. */
static inline char *digits_put_wide(char *to, uint64_t number, size_t width)
{
    for (size_t i = width; i-- > 0; number /= 10)
        to[i] = (char)('0' + number % 10);
    if (number != 0)
        memset(to, '9', width);
    return to + width;
}

static inline size_t digits_count(uint64_t number)
{
    size_t count = 1;

    for (; number >= 10; number /= 10)
        count++;
    return count;
}

/* The same without zeros: DIGITS_MOST at most. */
static inline char *digits_put(char *to, uint64_t number)
{
    return digits_put_wide(to, number, digits_count(number));
}

/* With a sign where it is below 0: one place more. */
static inline char *digits_put_signed(char *to, int64_t number)
{
    if (number >= 0)
        return digits_put(to, (uint64_t)number);
    *to = '-';
    return digits_put(to + 1, -(uint64_t)number);
}

#endif
