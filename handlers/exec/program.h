/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A running program, as one attempt sees it: it is fed its input, its output is kept up to a limit,
 * it asks in lines and is answered. Nothing that it does, or leaves undone, keeps a call waiting for
 * longer than its time. Used by one thread.
 */
#ifndef HANDLERS_EXEC_PROGRAM_H
#define HANDLERS_EXEC_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct program;

struct program_spec {
    char *const *argv, *const *environment; /* ended by NULL */
    const char *directory;                  /* "": ours */
    const void *input;                      /* standard input; outlives the program */
    size_t input_size;
    size_t output_most;                                /* bytes of standard output that are kept */
    size_t line_most;                                  /* bytes of a line that it asks */
    bool (*is_cancelled)(void *context);               /* these are asked every 100 ms, or sooner */
    int64_t (*time_left_ms)(void *context);            /* INT64_MAX: no limit */
    void (*complain)(void *context, const char *line); /* a line of standard error, cut */
    void *context;
};

enum program_news {
    PROGRAM_SAID,      /* a line */
    PROGRAM_ENDED,     /* of its own, with all that it said before */
    PROGRAM_TIMED_OUT, /* it was ended, as in the following */
    PROGRAM_CANCELLED,
    PROGRAM_OVERDUE,  /* past program_expect_end() */
    PROGRAM_TOO_LONG, /* a line without an end, or far too many: no more of them are read */
};

/* 0, or a negative errno: it can't be run. */
int program_start(const struct program_spec *spec, struct program **ret_program);
/* Ends it, and all of its group, where it still runs. NULL: nothing. */
void program_destroy(struct program *program);

/* Waits until it has taken what it was told, and says or does something. The line, without its end,
 * lives until the next call. */
enum program_news program_listen(struct program *program, const char **ret_line, size_t *ret_size);
/* Adds to what it is told. */
void program_tell(struct program *program, const char *text);
/* From now on it has that long to end. */
void program_expect_end(struct program *program, int64_t patience_ms);

/* True: what it says comes from the grave. */
bool program_has_ended(const struct program *program);
/* Valid once it ended: its status, or -1 when a signal ended it, then also the signal's number. */
int program_exit_status(const struct program *program);
int program_end_signal(const struct program *program);
/* What it wrote so far to its standard output; false: it was more than that. */
bool program_output(const struct program *program, const char **ret_output, size_t *ret_size);
/* What its standard error says of its failure, in one line; "": nothing. */
const char *program_last_words(const struct program *program);
/* The value of its last line `Retry-After: VALUE` there, NULL: none. */
const char *program_retry_after(const struct program *program);

#endif
