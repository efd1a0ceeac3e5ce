/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A running program, as one attempt sees it: it is fed its input, its output is kept up to a limit,
 * it asks in lines and is answered. Nothing that it does, or leaves undone, lasts longer than its time.
 * No call waits, but for program_wait() and program_destroy(). Used by one thread at a time; it dies with the one that started it.
 */
#ifndef HANDLERS_EXEC_PROGRAM_H
#define HANDLERS_EXEC_PROGRAM_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRAM_FDS 6 /* that are waited for */

struct program;

struct program_spec {
    char *const *argv, *const *environment; /* ended by NULL */
    const char *directory;                  /* "": ours */
    const void *input;                      /* standard input; outlives the program */
    size_t input_size;
    size_t output_most;                                /* bytes of standard output that are kept */
    size_t line_most;                                  /* bytes of a line that it asks */
    void (*complain)(void *context, const char *line); /* a line of standard error, cut */
    void *context;
};

enum program_news {
    PROGRAM_QUIET,     /* nothing is there */
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

/* What there is, once it has taken what it was told. The line, without its end, lives until the next call. */
enum program_news program_look(struct program *program, const char **ret_line, size_t *ret_size);
/* Whether program_look() has anything to say. The line before is gone. */
bool program_has_news(struct program *program);
/* Until something happens that program_look() may see. */
void program_wait(struct program *program);
/* What to wait for, with others: descriptors, and a time (monotonic; INT64_MAX: none). Then what poll() has found. */
void program_poll(const struct program *program, struct pollfd *ret_fds, int64_t *ret_until_ms);
void program_pump(struct program *program, const struct pollfd *fds);
/* From now on it may take that long; INT64_MAX: as long as it likes. The first time also says how much of it is kept
 * back to end the program in. */
void program_allow(struct program *program, int64_t left_ms);
/* It is to end: first it is asked to. */
void program_cancel(struct program *program);
/* Adds to what it is told. */
void program_tell(struct program *program, const char *text);
/* Takes back what was added since the latest look. */
void program_untell(struct program *program);
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
