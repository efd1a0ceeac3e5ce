/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stepd promises, as functions that say what they see. A scenario is a function of a module, the
 * events it is given, and what must come of them; it is played over stepd::testing (play.c) and in a
 * real daemon (tests/scenarios/test_conformance.py), and must come out the same. docs/semantics.md
 * names the scenario behind each of its sentences.
 */
#ifndef STEPD_TESTS_CONFORMANCE_SCENARIO_H
#define STEPD_TESTS_CONFORMANCE_SCENARIO_H

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stepd/stepd.h>

/* Of all scenarios, in the words of a config: what a daemon would wait for in earnest is short. */
#define SCENARIO_SETTINGS \
    "retry: {schedule: [20ms], jitter: 0, max_after: 1s}\n" \
    "limits: {steps: 1000, result: 64KiB, state: 256KiB, event: 64KiB}\n"

struct scenario_event {
    const char *name;  /* NULL: "conformance/" and the scenario's */
    const char *data;  /* JSON; NULL: none */
    const char *key;   /* NULL: none */
    const char *id;    /* NULL: none */
    const char *topic; /* NULL: the one that all scenarios share */
    const char *raw;   /* the message's value, in place of all else */
};

enum scenario_act { ACT_NOTHING, ACT_RETRY, ACT_CANCEL };

struct scenario {
    const char *name;                    /* the function's id */
    const struct scenario_event *events; /* ended by one that is empty; NULL: one, without data */
    const struct scenario_event *later;  /* sent once its runs are `later_when`; ended by one that is empty; NULL: none */
    const char *later_when;              /* "sleeping"; NULL: waiting */
    const char *const *trace;            /* what its code said, in order for each key; NULL-ended */
    const char *status;                  /* of each of its runs; NULL: it has none */
    const char *output;                  /* JSON; NULL: not looked at */
    const char *error;                   /* "NAME: message", or its name alone; NULL: none */
    const char *const *steps;            /* "ID STATUS EXECUTIONS RESULT", of its first run; NULL: not looked at */
    const char *const *letters;          /* "ERROR ATTEMPTS" of each dead letter; NULL: not looked at */
    const char *const *times;            /* ms from the event to each line of `trace`; NULL: not looked at */
    const char *dies_before;             /* the daemon is killed when this step is done and not yet recorded, */
    const char *dies_after;              /* … or right after it was recorded */
    enum scenario_act act;               /* what a person does once all its runs have ended, or wait for long */
};
#define LINES(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define EVENTS(...) ((const struct scenario_event[]){ __VA_ARGS__, { .name = NULL } })

/* What the module that is linked with play.c has; ended by one without a name. */
extern const struct scenario scenarios[];

/* ---- for the scenarios' code ---------------------------------------------------------------------- */

/* One line of the trace: "KEY|WHERE ATTEMPT/MAX NOTE", without what is not there. */
__attribute__((format(printf, 4, 5))) static inline void trace_as(struct stepd_ctx *ctx, const char *scenario, const char *where,
                                                                  const char *note, ...)
{
    const struct stepd_event *event = stepd_event(ctx);
    char text[1024], line[1536];
    struct timespec now;
    va_list arguments;

    va_start(arguments, note);
    (void)vsnprintf(text, sizeof(text), note, arguments);
    va_end(arguments);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    int64_t since_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - event->ts_ms;
    int length = snprintf(line, sizeof(line), "%s\t%.*s%s%s %d/%d%s%s\t%" PRId64 "\n", scenario, (int)event->key_len,
                          event->key != NULL ? (const char *)event->key : "", event->key != NULL ? "|" : "", where, stepd_attempt(ctx),
                          stepd_max_attempts(ctx), text[0] != '\0' ? " " : "", text, since_ms);
    int file = open(getenv("STEPD_CONFORMANCE_TRACE"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0 || write(file, line, (size_t)length) != length)
        abort();
    (void)close(file);
}
#define trace(ctx, ...) trace_as(ctx, stepd_function_id(ctx), __VA_ARGS__)

/* True the first time in a scenario that it is asked for `moment`, whichever daemon asks. */
static inline bool is_first_time(struct stepd_ctx *ctx, const char *moment)
{
    char path[1024];

    (void)snprintf(path, sizeof(path), "%s.%s.%s", getenv("STEPD_CONFORMANCE_TRACE"), stepd_function_id(ctx), moment);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file >= 0)
        (void)close(file);
    return file >= 0;
}

/* Where a daemon is killed, once. Over stepd::testing `dies_before`, `dies_after` see to it. */
static inline void die_here(struct stepd_ctx *ctx)
{
    if (getenv("STEPD_CONFORMANCE_IN_MEMORY") == NULL && is_first_time(ctx, "death"))
        (void)kill(getpid(), SIGKILL);
}

/* What a step does: says that it runs, fails in its first attempts, answers with a number. */
struct work {
    const char *where;
    int failures; /* in attempts below it, it fails */
    bool is_non_retriable;
    int answer;
};

static inline enum stepd_status do_work(struct stepd_ctx *ctx, const void *arg)
{
    const struct work *work = arg;

    trace(ctx, work->where, "%s", "");
    if (stepd_attempt(ctx) < work->failures && work->is_non_retriable)
        return stepd_non_retriable(ctx, "Hopeless", "%s is of no use", work->where);
    if (stepd_attempt(ctx) < work->failures)
        return stepd_error(ctx, "Boom", "%s, attempt %d", work->where, stepd_attempt(ctx));
    msgpack_pack_int(stepd_output(ctx), work->answer);
    return STEPD_OK;
}

static inline void output_text(struct stepd_ctx *ctx, const char *text)
{
    msgpack_pack_str_with_body(stepd_output(ctx), text, strlen(text));
}

/* A function of that name; its event has the name too. */
#define FUNCTION(name_, ...) STEPD_FUNCTION(.id = name_, .event = "conformance/" name_, __VA_ARGS__)
#define STEP(ctx_, id_, ...) stepd_step_run(ctx_, id_, do_work, &(const struct work){ __VA_ARGS__ }, NULL)

#endif
