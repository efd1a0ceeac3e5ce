/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns in RE2's language, by libre2: its time is linear in the text, whatever the pattern. The one file behind
 * this is C++. Any number of threads may match one pattern at once. */
#ifndef STEPD_CODEC_EXPRESSION_REGEX_H
#define STEPD_CODEC_EXPRESSION_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct regex;

/* NULL: it is no pattern, for the reason in `ret_reason`, which is cut to `reason_size`. */
struct regex *regex_compile(const char *pattern, size_t size, char *ret_reason, size_t reason_size);
/* Whether it matches anywhere in `text`. */
bool regex_matches(const struct regex *regex, const char *text, size_t size);
void regex_destroy(struct regex *regex);

#ifdef __cplusplus
}
#endif

#endif
