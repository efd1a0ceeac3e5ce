/* SPDX-License-Identifier: Apache-2.0 */
/* What the host's own files share. All of it is the host's thread's but what says otherwise. */
#ifndef STEPD_PROGRAM_HOST_INTERNAL_H
#define STEPD_PROGRAM_HOST_INTERNAL_H

#include <stdatomic.h>

#include "base/lock.h"
#include "base/thread.h"
#include "program/host.h"
#include "program/process.h"

/* A place for one process of a program. */
struct program_place {
    struct process *process;   /* that serves, or will; NULL: none */
    struct process *successor; /* that takes its place once it has said hello */
    int64_t start_at_ms;       /* monotonic; when there is none */
    int64_t delay_ms;          /* before the next start, should it die */
};

struct program {
    const char *name;
    struct host *host;
    const struct config_program *settings;
    uint64_t files; /* what its command's files look like */
    struct program_place *places;
    int place_count;
    struct process *processes; /* all, those that drain too */
    struct held_call *waiting; /* in order */
    struct held_call **waiting_end;
    atomic_size_t waiting_count, call_count, serving_count, deaths;
    atomic_size_t unread;   /* bytes of what it said that no run has taken */
    atomic_bool has_spoken; /* it said hello, or its hello was refused */
    bool is_refused;        /* it is not started before a reload */
    bool is_held_up;        /* its functions are kept back: calls wait too long */
    struct lock lock;
    char trouble[300]; /* lock; why it does not serve; empty: it does */
};

enum order_kind { ORDER_CALL, ORDER_ANSWER, ORDER_LET_GO, ORDER_CANCEL, ORDER_BLAME, ORDER_RELOAD, ORDER_STOP };

/* From any thread to the host's. */
struct order {
    struct order *next;
    enum order_kind kind;
    struct held_call *held; /* one of its holders is the order's */
    char *line;             /* owned */
    size_t size;
    const struct config *config;
};

struct host {
    struct host_settings settings;
    struct thread thread;
    int epoll, wake_fd;
    struct program **programs;
    size_t program_count;
    bool is_stopping;
    int64_t stop_by_ms;
    int64_t looked_ms; /* at times, last */
    struct lock lock;
    struct order *orders;      /* lock; in order */
    struct order **orders_end; /* lock */
    bool is_woken;             /* lock */
};

/* host_places.c: starting, watching, replacing. */
struct program *program_create(struct host *host, const struct config_program *settings);
void program_destroy(struct program *program);
/* Starts what is to be started, ends what is to be ended. */
void program_look(struct program *program, int64_t now_ms);
void program_reload(struct program *program, const struct config_program *settings);
/* Its hello was taken: it serves from here on. */
void program_serves(struct process *process);
/* It gets no more calls, and has its time to end those that it has. */
void program_drain_process(struct process *process, int64_t now_ms);
/* It has ended: its calls have failed. */
void program_bury(struct process *process);
void program_say_trouble(struct program *program, const char *format, ...) PRINTF_LIKE(2, 3);

/* host_calls.c: the calls of a program's processes. */
void calls_take(struct held_call *held, int64_t now_ms);
void calls_begin(struct program *program, int64_t now_ms);
/* A process is gone: its calls have failed of that. */
void calls_fail(struct process *process, const char *text);
void calls_let_go(struct held_call *held, bool is_told);
/* Those past their time. */
void calls_look(struct program *program, int64_t now_ms);
/* A line of the program. */
void calls_hear(struct process *process, const char *text, size_t size);

#endif
