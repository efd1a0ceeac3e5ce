/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic of numbers and their text. Numbers of different kinds calculate with each other; whole ones exactly,
 * within 64 bits. */
#ifndef STEPD_CODEC_EXPRESSION_NUMBER_H
#define STEPD_CODEC_EXPRESSION_NUMBER_H

#include "codec/expression_value.h"

#define NUMBER_TEXT_SIZE 32

/* `operation` is one of + - * / %, both are numbers. */
struct value number_calculate(char operation, const struct value *a, const struct value *b);
struct value number_negate(const struct value *number);

/* A double as Go's %g writes it: the fewest digits that give it back, an exponent from 1e+06 and below 1e-04. */
size_t number_write_double(double number, char text[NUMBER_TEXT_SIZE]);
/* A number as text: whole ones by their digits, another double as above. */
size_t number_write(const struct value *number, char text[NUMBER_TEXT_SIZE]);

/* Cut towards zero. False: that is beyond 64 bits, or not a number. */
bool number_to_int(const struct value *number, int64_t *ret_integer);
bool number_to_uint(const struct value *number, uint64_t *ret_natural);
double number_to_double(const struct value *number);
/* "-007": a sign and decimal digits. */
bool number_parse_int(struct bytes text, int64_t *ret_integer);
bool number_parse_uint(struct bytes text, uint64_t *ret_natural);
/* "-1.5e3", "1.", ".5", "NaN", "Inf", "Infinity" in any case of letters. */
bool number_parse_double(struct bytes text, double *ret_number);

#endif
