/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program's standard error says of its failure, in one line: the last one, unless a trace of
 * Python, Node, Java, .NET, Ruby, PHP, Go or Rust tells which line is the error's. Zeroed: nothing was said.
 */
#ifndef HANDLERS_COMMON_LAST_WORDS_H
#define HANDLERS_COMMON_LAST_WORDS_H

#include <stdbool.h>

#define LAST_WORDS_SIZE 1024

enum trace_part {
    TRACE_NONE,
    TRACE_FRAMES_FIRST, /* Python's: the error comes behind them */
    TRACE_ERROR,        /* that error: its message may have more lines */
    TRACE_FRAMES,       /* behind the error */
    TRACE_DUMP          /* Go's: nothing comes behind it */
};

struct last_words {
    char words[LAST_WORDS_SIZE];
    char head[LAST_WORDS_SIZE]; /* the latest line that an error may begin with; "": none since a trace */
    bool has_strong_head;       /* it is hardly anything else */
    enum trace_part part;
};

/* A line of standard error, shorter than LAST_WORDS_SIZE, without its end. */
void last_words_hear(struct last_words *last, const char *line);

#endif
