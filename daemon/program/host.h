/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that holds all programs: it starts, watches and replaces their processes, hands them the calls of runs,
 * and hands on what they report. No run holds a thread while its program works.
 */
#ifndef STEPD_PROGRAM_HOST_H
#define STEPD_PROGRAM_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/memory.h"
#include "config/config.h"

struct declarations;
struct held_call;
struct host;
struct program;

struct host_settings {
    const struct config *config;
    struct declarations *declarations; /* outlives the host */
    /* The host's thread: a program said hello, or is not expected to any more. */
    void (*heard)(void *context);
    void *context;
};

struct host *host_create(const struct host_settings *settings);
int host_start(struct host *host, struct error *ret_error) MUST_CHECK;
/* Any thread, once. Programs are told to drain, then ended; returns when all are gone. */
void host_stop(struct host *host);
/* NULL is fine. Nothing uses it any more. */
void host_destroy(struct host *host);
/* Any thread. `config` lives as long as the host. */
void host_reload(struct host *host, const struct config *config);

/* All below: any thread. What will be the call of a run of that program; one holder, the run's. */
struct held_call *host_hold(struct program *program);
/* The call of a run: waits until its program has room. Takes `line`, what stands in it behind the
 * call's number. */
void host_call(struct held_call *held, char *line, size_t size);
/* Takes `line`, likewise. */
void host_answer(struct held_call *held, char *line, size_t size);
/* It does not keep to the protocol: its process is ended. Takes `why`. */
void host_blame(struct held_call *held, char *why);

/* The program of that name; NULL: there is none. As long as the host. */
struct program *host_program(struct host *host, const char *name);
/* Whether it has said hello, taken or refused. */
bool host_has_spoken(struct host *host, const char *name);
/* Why it does not serve; empty: it does. */
void host_trouble(struct host *host, const char *name, char *room, size_t size);

struct program_counts {
    const char *name;
    size_t processes, calls, waiting; /* that serve; under way; that wait for room */
    size_t deaths;                    /* since start */
};
void host_each(struct host *host, void (*each)(void *context, const struct program_counts *counts), void *context);

#endif
