/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What JSON can't hold and others write all the same, made into JSON of the same length: a lone
 * surrogate becomes U+FFFD; for NaN, Infinity and -Infinity a number stands, which those who read it
 * take for null.
 */
#ifndef STEPD_CODEC_JSON_MEND_H
#define STEPD_CODEC_JSON_MEND_H

#include <stdbool.h>

#include "base/bytes.h"

#define YAJL_BLANKS " \t\r\n\v\f" /* what yajl takes between values: JSON's own, and two more */

/* True where a string may have a lone surrogate: quick, and mostly false. */
bool json_has_surrogates(struct bytes text);
/* Writes `text`, mended, to `copy`, which has as many bytes. False: there was nothing to mend. */
bool json_mend(struct bytes text, char *copy);
/* Whether the number that a parser of `mended` met was none in `original`. One that is all of the text
 * it may hand out from elsewhere. */
bool json_is_no_number(struct bytes mended, const char *original, const char *number);

#endif
