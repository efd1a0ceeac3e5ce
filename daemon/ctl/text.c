/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/log.h"
#include "codec/utf8.h"

#define GAP 2    /* blanks between columns */
#define LEAST 12 /* what the last column keeps, however narrow the terminal */
#define ELLIPSIS "…"

struct cell {
    char *text;
    enum colour colour;
};

struct table {
    struct cell *cells;
    size_t count;
    size_t capacity;
    size_t columns;
};

enum colour text_status_colour(enum run_status status)
{
    switch (status) {
    case RUN_DELAYED:
    case RUN_BEHIND:
    case RUN_QUEUED:
    case RUN_SLEEPING:
    case RUN_WAITING:
        return COLOUR_YELLOW;
    case RUN_OWNED:
    case RUN_ENDING:
        return COLOUR_BLUE;
    case RUN_COMPLETED:
        return COLOUR_GREEN;
    case RUN_FAILED:
        return COLOUR_RED;
    case RUN_CANCELLED:
        return COLOUR_DIM;
    }
    return COLOUR_NONE;
}

static struct winsize terminal_size(void)
{
    struct winsize size = { 0 };

    if (isatty(STDOUT_FILENO) != 0 && (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0))
        size = (struct winsize){ .ws_col = 80, .ws_row = 24 };
    return size;
}

size_t text_width(void)
{
    return terminal_size().ws_col;
}

size_t text_height(void)
{
    return terminal_size().ws_row;
}

static bool has_colours(void)
{
    const char *terminal = getenv("TERM");
    const char *refused = getenv("NO_COLOR");

    return isatty(STDOUT_FILENO) != 0 && (refused == NULL || refused[0] == '\0') && (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

void text_print(enum colour colour, const char *text)
{
    static const char *const CODES[] = {
        [COLOUR_RED] = "31", [COLOUR_GREEN] = "32", [COLOUR_YELLOW] = "33", [COLOUR_BLUE] = "34", [COLOUR_DIM] = "2", [COLOUR_BOLD] = "1",
    };
    assert((size_t)colour < COUNT_OF(CODES));
    AUTO_FREE char *clean = text_clean((struct bytes){ text, strlen(text) }, 0);

    if (colour == COLOUR_NONE || !has_colours())
        (void)fputs(clean, stdout);
    else
        (void)printf("\033[%sm%s\033[0m", CODES[colour], clean);
}

/* C1 controls too: U+0080 to U+009f are c2 80 to c2 9f; and what turns the direction of writing. */
static bool is_control(const unsigned char *at, size_t length)
{
    if (length == 1)
        return at[0] < 0x20 || at[0] == 0x7f;
    if (length == 2)
        return at[0] == 0xc2 && at[1] < 0xa0;
    return length == 3 && at[0] == 0xe2 &&
           ((at[1] == 0x80 && at[2] >= 0xa8 && at[2] <= 0xae) || (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9));
}

char *text_clean(struct bytes text, size_t width)
{
    const unsigned char *at = text.data;
    char *clean = xmalloc(text.size + sizeof(ELLIPSIS) + 1);
    size_t size = 0, columns = 0, cut = 0;

    for (size_t left = text.size; left > 0;) {
        size_t length = utf8_character(at, left);
        bool is_bad = length == 0 || is_control(at, length);
        if (width > 0 && columns == width) {
            memcpy(clean + cut, ELLIPSIS, sizeof(ELLIPSIS));
            return clean;
        }
        if (length == 0)
            length = 1;
        if (width > 0 && columns + 1 == width)
            cut = size;
        if (is_bad)
            clean[size++] = at[0] == '\n' || at[0] == '\t' ? ' ' : '?';
        else
            memcpy(clean + size, at, length), size += length;
        columns++;
        at += length;
        left -= length;
    }
    assert(size <= text.size);
    clean[size] = '\0';
    return clean;
}

size_t text_columns(const char *text)
{
    size_t columns = 0;

    for (; *text != '\0'; text++)
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    return columns;
}

char *text_duration(int64_t duration_ms)
{
    char text[LOG_DURATION_SIZE];

    return xstrdup(log_duration(duration_ms, text));
}

/* Beyond a second nobody wants milliseconds. */
static int64_t rounded(int64_t duration_ms)
{
    if (duration_ms >= 3600000)
        return (duration_ms + 30000) / 60000 * 60000;
    if (duration_ms >= 1000)
        return (duration_ms + 500) / 1000 * 1000;
    return duration_ms;
}

char *text_when(int64_t at_ms, int64_t now_ms)
{
    int64_t distance_ms = at_ms > now_ms ? at_ms - now_ms : now_ms - at_ms;
    AUTO_FREE char *duration = text_duration(rounded(distance_ms));

    if (distance_ms == 0)
        return xstrdup("now");
    return at_ms > now_ms ? xasprintf("in %s", duration) : xasprintf("%s ago", duration);
}

char *text_date(int64_t at_ms)
{
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm local;
    char text[64] = "";

    if (localtime_r(&seconds, &local) == NULL || strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local) == 0)
        return xasprintf("%" PRId64, at_ms);
    return xstrdup(text);
}

/* ---- tables ------------------------------------------------------------------------------------- */

struct table *table_create(size_t columns)
{
    assert(columns > 0);
    struct table *table = xcalloc(1, sizeof(*table));

    table->columns = columns;
    return table;
}

void table_add(struct table *table, enum colour colour, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    AUTO_FREE char *text = xvasprintf(format, arguments);
    va_end(arguments);
    if (table->count == table->capacity) {
        table->capacity = table->capacity == 0 ? 64 : table->capacity * 2;
        table->cells = xrealloc(table->cells, table->capacity * sizeof(*table->cells));
    }
    table->cells[table->count++] = (struct cell){ text_clean((struct bytes){ text, strlen(text) }, 0), colour };
}

static void print_row(const struct table *table, size_t first, const size_t *widths, size_t last_width)
{
    for (size_t column = 0; column < table->columns && first + column < table->count; column++) {
        const struct cell *cell = &table->cells[first + column];
        bool is_last = column + 1 == table->columns;
        AUTO_FREE char *text = text_clean((struct bytes){ cell->text, strlen(cell->text) }, is_last ? last_width : 0);
        text_print(cell->colour, text);
        if (!is_last)
            (void)printf("%*s", (int)(widths[column] + GAP - text_columns(text)), "");
    }
    (void)putchar('\n');
}

void table_print(struct table *table, const char *indent)
{
    AUTO_FREE size_t *widths = xcalloc(table->columns, sizeof(*widths));
    size_t used = strlen(indent);
    size_t width = text_width();

    assert(table->count % table->columns == 0); /* rows are whole */
    for (size_t i = 0; i < table->count; i++) {
        size_t columns = text_columns(table->cells[i].text);
        if (columns > widths[i % table->columns])
            widths[i % table->columns] = columns;
    }
    for (size_t column = 0; column + 1 < table->columns; column++)
        used += widths[column] + GAP;
    size_t last_width = width == 0 ? 0 : width > used + LEAST ? width - used : LEAST;
    for (size_t first = 0; first < table->count; first += table->columns) {
        (void)fputs(indent, stdout);
        print_row(table, first, widths, last_width);
    }
    table_destroy(table);
}

void table_destroy(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i].text);
    free(table->cells);
    free(table);
}
