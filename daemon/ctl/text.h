/* SPDX-License-Identifier: Apache-2.0 */
/* What people read: tables that fit the terminal, times in words. Nothing that came with an event or
 * from a function can send the terminal a command. */
#ifndef STEPD_CTL_TEXT_H
#define STEPD_CTL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "run/run.h"

enum colour { COLOUR_NONE, COLOUR_RED, COLOUR_GREEN, COLOUR_YELLOW, COLOUR_BLUE, COLOUR_DIM, COLOUR_BOLD };

enum colour text_status_colour(enum run_status status);

/* Columns, lines of the terminal; 0: standard output is none, so nothing is cut. */
size_t text_width(void);
size_t text_height(void);
/* `text`, printable, between the colour's codes when standard output is a terminal. */
void text_print(enum colour colour, const char *text);
/* One line, without control characters; cut to `width` columns (0: not) with an ellipsis. The caller
 * frees. */
char *text_clean(struct bytes text, size_t width);
size_t text_columns(const char *text);

/* "in 12 s", "3 m ago", "now". The caller frees. */
char *text_when(int64_t at_ms, int64_t now_ms);
/* "2026-07-26 12:00:01". The caller frees. */
char *text_date(int64_t at_ms);
/* "12 s". The caller frees. */
char *text_duration(int64_t duration_ms);

/* A table: the first row is its head; the last column takes what is left of a line. */
struct table;
struct table *table_create(size_t columns);
/* The next cell. Copies, cleaned. */
void table_add(struct table *table, enum colour colour, const char *format, ...) PRINTF_LIKE(3, 4);
/* To standard output, and frees. */
void table_print(struct table *table, const char *indent);
void table_destroy(struct table *table);

#endif
