/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process of a program: its pipes, what waits in them, and the calls that it holds. The host's thread alone.
 */
#ifndef STEPD_PROGRAM_PROCESS_H
#define STEPD_PROGRAM_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/memory.h"
#include "common/last_words.h"
#include "config/config.h"
#include "program/held_call.h"

#define PROCESS_LINE_MOST ((size_t)16 << 20)
#define PROCESS_CALL_LISTS 256
#define PROCESS_TOLD_MOST ((size_t)1 << 20) /* that it has not read: no more calls until it has */

enum process_state {
    PROCESS_STARTING, /* its hello has not come */
    PROCESS_SERVING,
    PROCESS_DRAINING, /* it gets no calls; it is to end */
    PROCESS_KILLED,   /* all that is left is its end */
};

/* Bytes that grow at the end and go at the beginning. */
struct stretch {
    char *bytes;
    size_t begin, end, room;
};

struct process {
    struct program *program;
    const char *name;     /* the program's, in what is logged; outlives it */
    struct process *next; /* of its program's */
    int place;            /* which of the program's processes it is */
    enum process_state state;
    pid_t pid;
    int pidfd;
    int ask_fd, answer_fd, output_fd, error_fd; /* -1: closed */
    struct stretch told;                        /* that it has not read */
    struct stretch said;                        /* no whole line yet */
    size_t searched;                            /* of `said`: there is no end of a line in it */
    struct stretch output, errors;              /* lines under construction of its standard output and error */
    struct last_words last_words;
    char *fault;        /* why it is ended; NULL: nothing is wrong with it */
    const char *closed; /* "it closed descriptor 4": what it should not; NULL: nothing. One that ends does so, too, so it has time to */
    int64_t closed_ms;  /* monotonic; since when */
    uint64_t calls_made;
    struct held_call *calls[PROCESS_CALL_LISTS]; /* by number: a program may hold hundreds, and tells of each several times */
    size_t call_count;
    int64_t started_ms; /* monotonic */
    int64_t end_by_ms;  /* then it gets SIGTERM, … */
    int64_t kill_at_ms; /* … and then SIGKILL; 0: not yet */
    bool is_dirty;      /* something of `told` is new */
    bool is_paused;     /* it is not read from */
    bool waits_to_write;
    bool is_reloaded; /* another is to take its place once that has said hello */
};

/* What epoll tells of a process: it, and which of its descriptors. */
enum process_pipe { PROCESS_ANSWER, PROCESS_OUTPUT, PROCESS_ERROR, PROCESS_END, PROCESS_ASK };
struct process *process_of_event(uint64_t data, enum process_pipe *ret_pipe);
/* Whether it is read from. */
void process_pause(struct process *process, int epoll, bool is_paused);

/* Whether one could be started now: its folder, its program. 0, or a negative errno. */
int process_find_directory(const struct config_program *settings) MUST_CHECK;
int process_find_command(const struct config_program *settings) MUST_CHECK;
/* Starts it. `epoll` tells of its descriptors. 0, or negative errno with the reason. */
int process_start(struct program *program, const struct config_program *settings, int place, int epoll, struct process **ret_process,
                  struct error *ret_error) MUST_CHECK;
/* It is gone, or is to be: kills its group, closes what is open, frees it. It holds no calls. */
void process_destroy(struct process *process);

/* Appends a line, its end too. */
void process_tell(struct process *process, const char *text, size_t size);
/* Writes what its pipe takes. */
void process_flush(struct process *process, int epoll);
/* Reads what is there, at most `most` bytes. False: it has closed its end. */
bool process_read(struct process *process, size_t most);
/* The next whole line, until the next read; NULL: there is none. */
const char *process_line(struct process *process, size_t *ret_size);
/* It has closed descriptor 3 or 4; one that is to end may. */
void process_note_closed(struct process *process, const char *what);
/* Something is wrong with it: it is ended. The first reason counts. */
void process_blame(struct process *process, const char *format, ...) PRINTF_LIKE(2, 3);
/* Its standard output or error: to the log. False: closed. */
bool process_log(struct process *process, int fd);
void process_log_rest(struct process *process);
/* What its attempts failed of: exit status or signal, what was wrong, and its last words. Caller frees. */
char *process_obituary(const struct process *process, int wait_status);
void process_signal(const struct process *process, int signal);

#endif
