/* SPDX-License-Identifier: Apache-2.0 */
#include "common/last_words.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))

static bool begins_with(const char *line, const char *beginning)
{
    return strncmp(line, beginning, strlen(beginning)) == 0;
}

static bool begins_with_any(const char *line, const char *const *beginnings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (begins_with(line, beginnings[i]))
            return true;
    }
    return false;
}

/* What runtimes add behind an error. */
static bool is_noise(const char *line)
{
    static const char *const BEGINNINGS[] = {
        "Node.js v", "(Use `node --trace-", "note: run with `RUST_BACKTRACE", "note: Some details are omitted", "exit status ", "}", "Bun v"
    };

    return begins_with_any(line, BEGINNINGS, COUNT_OF(BEGINNINGS));
}

/* A line of a trace that stands behind its error. */
static bool is_frame(const char *line)
{
    static const char *const INDENTED[] = { "at ", "from ", "... ", "File \"", "thrown in " };
    static const char *const FIRST[] = { "Stack trace:", "stack backtrace:", "Caused by:" };
    const char *text = line + strspn(line, " \t");

    if (text > line)
        return begins_with_any(text, INDENTED, COUNT_OF(INDENTED));
    return begins_with_any(line, FIRST, COUNT_OF(FIRST)) || (line[0] == '#' && line[1] >= '0' && line[1] <= '9');
}

static bool ends_with(const char *text, size_t size, const char *end)
{
    return size >= strlen(end) && memcmp(text + size - strlen(end), end, strlen(end)) == 0;
}

/* How long the name is that an error may begin with: "java.io.IOException", "TypeError". */
static size_t name_size(const char *line)
{
    size_t size = strspn(line, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.$");
    bool is_ended = line[size] == ':' || line[size] == '\0' || begins_with(line + size, " [");

    return is_ended ? size : 0;
}

static bool is_strong_head(const char *line)
{
    static const char *const BEGINNINGS[] = { "panic: ",   "fatal error: ",     "Exception in thread ", "Unhandled exception",
                                              "Uncaught ", "PHP Fatal error: ", "Fatal error: ",        "error: Uncaught " };
    size_t size = name_size(line);

    return begins_with_any(line, BEGINNINGS, COUNT_OF(BEGINNINGS)) || ends_with(line, size, "Error") || ends_with(line, size, "Exception");
}

/* Names of errors that say nothing of it begin with a capital. */
static bool is_weak_head(const char *line)
{
    return line[0] >= 'A' && line[0] <= 'Z' && name_size(line) > 0 && strchr(line, ':') != NULL;
}

static void keep(char *kept, const char *line)
{
    (void)snprintf(kept, LAST_WORDS_SIZE, "%s", line);
}

static void forget_head(struct last_words *last)
{
    last->head[0] = '\0';
    last->has_strong_head = false;
}

static void note_head(struct last_words *last, const char *line)
{
    bool is_strong = is_strong_head(line);

    if (!is_strong && (last->has_strong_head || !is_weak_head(line)))
        return;
    keep(last->head, line);
    last->has_strong_head = is_strong;
}

/* The error stands before: in the line that one begins with, or in the last. */
static void begin_frames(struct last_words *last, enum trace_part part)
{
    if (last->part != TRACE_FRAMES && last->part != TRACE_ERROR && last->head[0] != '\0')
        keep(last->words, last->head);
    last->part = part;
    forget_head(last);
}

static void hear_ordinary(struct last_words *last, const char *line)
{
    if (last->part == TRACE_FRAMES_FIRST) {
        keep(last->words, line);
        last->part = TRACE_ERROR;
        return;
    }
    if (last->part == TRACE_ERROR)
        return;
    last->part = TRACE_NONE;
    keep(last->words, line);
    note_head(last, line);
}

void last_words_hear(struct last_words *last, const char *line)
{
    bool is_indented = line[0] == ' ' || line[0] == '\t';
    bool is_blank = line[strspn(line, " \t")] == '\0';

    if (last->part == TRACE_DUMP || is_noise(line))
        return;
    if (is_blank)
        last->part = last->part == TRACE_FRAMES_FIRST ? TRACE_FRAMES_FIRST : TRACE_NONE;
    else if (begins_with(line, "Traceback (most recent call last):"))
        last->part = TRACE_FRAMES_FIRST;
    else if (begins_with(line, "goroutine ") && strchr(line, '[') != NULL)
        begin_frames(last, TRACE_DUMP);
    else if (last->part == TRACE_FRAMES_FIRST && is_indented)
        return;
    else if (is_frame(line) && last->part != TRACE_FRAMES_FIRST && last->words[0] != '\0')
        begin_frames(last, TRACE_FRAMES);
    else if (!(last->part == TRACE_FRAMES && is_indented))
        hear_ordinary(last, line);
}
