/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testing.h: a module's functions, run in memory on a virtual clock. What decides is the daemon's own
 * code; Kafka and Redis are not needed, and no retry and no sleep is waited for.
 *
 *     struct stepd_test *test = stepd_test_create(&stepd_module);
 *     stepd_test_configure(test, "options: {mail: {outbox: '%s'}}", folder);
 *     struct stepd_test_run *run =
 *         stepd_test_start(test, "send-mail", STEPD_TEST_EVENT(.data = "{to: ada@example.com}"));
 *     assert(stepd_test_finish(run) == STEPD_TEST_COMPLETED);
 *     assert(stepd_test_attempt_count(run) == 1);
 *     stepd_test_destroy(test);
 *
 * Link the module's sources (or its .so) and this library to the test program: CMake's target
 * stepd::testing, pkg-config's `stepd-testing`.
 *
 * Threads: a test is used by one thread, which is the one that module code runs on; several tests may
 * be alive at a time. Calls block for as long as module code does.
 * Ownership: what is returned is borrowed. A test, its runs and all texts live until
 * stepd_test_destroy(); what is read of a run (attempts, steps, errors, values) until the next call
 * that lets it go on.
 * Texts: data, users and what values are compared with are JSON, or YAML's short form of it, which
 * needs no escapes in C: "{user_id: u1, tags: [a, 'b c'], n: 3}".
 * Misuse (a function that there is not, settings that are wrong, text that is neither) ends the
 * program with a line on standard error that says why.
 */
#ifndef STEPD_TESTING_H
#define STEPD_TESTING_H

#include <stdio.h>
#include <stepd/stepd.h>

#ifdef __cplusplus
extern "C" {
#endif

struct stepd_test;     /* a module under test: its settings, the clock, all its runs */
struct stepd_test_run; /* one function on one event; belongs to its test */

/* The module that is linked to the program. */
STEPD_EXPORT extern const struct stepd_module stepd_module;

/* ---- a test -------------------------------------------------------------------------------------- */

/* The clock of a test begins here: 2026-01-01 00:00:00 UTC. */
#define STEPD_TEST_BEGIN_MS INT64_C(1767225600000)

STEPD_EXPORT struct stepd_test *stepd_test_create(const struct stepd_module *module);
/* Tells the module that it is over (thread_exit, exit). NULL is fine. */
STEPD_EXPORT void stepd_test_destroy(struct stepd_test *test);

/* Adds settings, before the first run: YAML in the words of the daemon's config (`options`, `functions`,
 * `retry`, `dedupe`, `limits`, `dead_letter`, `topics`, `log`); `format` as of printf(). What is given
 * later wins. Without any, all is as it is without a config, but `log: {level: warn}`. */
STEPD_EXPORT void stepd_test_configure(struct stepd_test *test, const char *format, ...) STEPD_PRINTF(2, 3);
/* Checks the settings and calls the module's init and thread_init. 0; -EINVAL, and on standard error
 * all that is wrong with the settings; or what init or thread_init answered. The first run does it
 * too, and must not meet a refusal. */
STEPD_EXPORT int stepd_test_init(struct stepd_test *test);

STEPD_EXPORT int64_t stepd_test_now_ms(const struct stepd_test *test);
/* Nothing runs by it. `delay_ms` 0 or more. */
STEPD_EXPORT void stepd_test_advance(struct stepd_test *test, int64_t delay_ms);

/* From now on a handler that dies of a signal (SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL) does not
 * end the program; it counts as what it is in the daemon: a crash, an attempt that failed with
 * HandlerCrashed. What it held (memory, locks) is lost. */
STEPD_EXPORT void stepd_test_catch_crashes(struct stepd_test *test);

/* ---- events -------------------------------------------------------------------------------------- */

/* An event as it is given, or as one was sent. What is left out is as in a message that lacks it. */
struct stepd_test_event {
    const char *name;  /* NULL: the function's .event, or the topic's name */
    const char *data;  /* a text as above; NULL: nil */
    const char *user;  /* likewise */
    const char *id;    /* NULL: "<topic>-<partition>-<offset>" */
    int64_t ts_ms;     /* 0: now */
    const char *topic; /* NULL: the function's .topic, or the first that is configured ("events") */
    const char *key;   /* the message's key; NULL: none */
    const void *raw;   /* the message's value, in place of one made of name, data, user, id, ts */
    size_t raw_len;
    const char *const *headers; /* the message's: name, value, name, value, …, NULL; NULL: none */
};
#define STEPD_TEST_EVENT(...) (&(const struct stepd_test_event){ __VA_ARGS__ })

/* What a run is at. */
enum stepd_test_status {
    STEPD_TEST_READY,    /* its next attempt can be made now */
    STEPD_TEST_DELAYED,  /* waits for a retry */
    STEPD_TEST_SLEEPING, /* in stepd_sleep() */
    STEPD_TEST_BEHIND,   /* ordered: an earlier run of its key has not ended */
    STEPD_TEST_COMPLETED,
    STEPD_TEST_FAILED, /* for good; on_failure is over too */
    STEPD_TEST_CANCELLED,
    STEPD_TEST_DUPLICATE, /* started nothing: the function has seen the event's id within .dedupe_ms */
    STEPD_TEST_WAITING,   /* for what comes from elsewhere, or until its time is over */
    STEPD_TEST_QUEUED,    /* for its turn under .throttle, for later events of its .debounce or .batch, or its .breaker is open */
    STEPD_TEST_SKIPPED, /* started nothing: .rate_limit or .singleton refused it, or its event is of an earlier run that is debounced, or a batch */
};

/* A run of that function on an event, whatever the function's trigger says. Nothing runs yet. `event`
 * NULL: all of it left out. Copies. */
STEPD_EXPORT struct stepd_test_run *stepd_test_start(struct stepd_test *test, const char *function_id,
                                                     const struct stepd_test_event *event);
/* The event as a message: a run of each function that its name or its topic starts, and whose .when holds. Returns how many;
 * they are the last ones of stepd_test_run_at(). */
STEPD_EXPORT size_t stepd_test_send(struct stepd_test *test, const struct stepd_test_event *event);
/* The event as a message that starts nothing: it ends the waits of runs that it matches, as one that is sent does, too. Returns
 * how many; their runs are READY then. */
STEPD_EXPORT size_t stepd_test_event(struct stepd_test *test, const struct stepd_test_event *event);
/* The next tick of the function's .cron: moves the clock there, and makes its run, whose event is "stepd/cron" with {cron, scheduled_ms}.
 * Nothing runs yet, and no other function's ticks come by it. NULL: no tick will come any more. */
STEPD_EXPORT struct stepd_test_run *stepd_test_tick(struct stepd_test *test, const char *function_id);
STEPD_EXPORT size_t stepd_test_run_count(const struct stepd_test *test);
STEPD_EXPORT struct stepd_test_run *stepd_test_run_at(const struct stepd_test *test, size_t index); /* NULL past the end */

/* What runs of that function come to that others invoke (stepd_invoke), from now on: it need not be in the module, and none is
 * made. Without, an invoked function of the module runs, and stepd_test_finish() of its caller finishes it, too. */
STEPD_EXPORT void stepd_test_answer(struct stepd_test *test, const char *function_id, const char *result);
STEPD_EXPORT void stepd_test_answer_error(struct stepd_test *test, const char *function_id, const char *name, const char *message);

/* ---- letting time pass --------------------------------------------------------------------------- */

/* Makes the next attempt, and moves the clock to when it is due if that is later. Does nothing when
 * the run has ended, is BEHIND, or waits for an event without a timeout. Returns what the run is at then. */
STEPD_EXPORT enum stepd_test_status stepd_test_attempt(struct stepd_test_run *run);
/* Attempts until it has ended, or waits for what time does not bring; runs that it is behind, first. */
STEPD_EXPORT enum stepd_test_status stepd_test_finish(struct stepd_test_run *run);
/* All runs, in the order in which their attempts are due. */
STEPD_EXPORT void stepd_test_finish_all(struct stepd_test *test);

/* As `stepctl cancel` and `stepctl retry` do. False: the run is in no state for it. */
STEPD_EXPORT bool stepd_test_cancel(struct stepd_test_run *run);
STEPD_EXPORT bool stepd_test_retry(struct stepd_test_run *run);

/* When the daemon dies. */
enum stepd_test_moment {
    STEPD_TEST_BEFORE, /* what was to be recorded is done, and nobody knows */
    STEPD_TEST_AFTER,  /* recorded, and nothing more */
};
/* Lets the daemon that holds the run die when the outcome of step `step_id` is being recorded, once;
 * `step_id` NULL: at whatever is recorded next. What was not recorded is forgotten, and the run goes on
 * elsewhere: that is no attempt. Code behind the step call still runs, if the function goes on though it
 * was told to return. */
STEPD_EXPORT void stepd_test_crash(struct stepd_test_run *run, enum stepd_test_moment moment, const char *step_id);

/* ---- what happened ------------------------------------------------------------------------------- */

STEPD_EXPORT enum stepd_test_status stepd_test_status(const struct stepd_test_run *run);
STEPD_EXPORT const char *stepd_test_status_name(enum stepd_test_status status); /* "completed" */
STEPD_EXPORT const char *stepd_test_run_id(const struct stepd_test_run *run);
STEPD_EXPORT const char *stepd_test_function_id(const struct stepd_test_run *run);
/* When the next attempt is due; 0: the run has ended, or is BEHIND. */
STEPD_EXPORT int64_t stepd_test_due_ms(const struct stepd_test_run *run);
/* How often daemons died while they held it. */
STEPD_EXPORT int stepd_test_takeovers(const struct stepd_test_run *run);

/* One time that the function, or its on_failure, was entered. */
struct stepd_test_attempt {
    int attempt; /* what stepd_attempt() said on entry */
    bool is_on_failure;
    int64_t at_ms;                   /* the clock then */
    int64_t delay_ms;                /* since the attempt before, or since the run was started */
    const struct stepd_error *error; /* of a failed attempt; NULL: it succeeded, slept, or was cut short */
};
STEPD_EXPORT size_t stepd_test_attempt_count(const struct stepd_test_run *run);
STEPD_EXPORT const struct stepd_test_attempt *stepd_test_attempt_at(const struct stepd_test_run *run, size_t index); /* NULL past the end */

/* A step that was recorded: finished, or failed for good. Sleeps and sent events are steps too. */
struct stepd_test_step {
    const char *id;
    enum stepd_step_status status;
    int executions;                  /* how often it was recorded to have run */
    const msgpack_object *value;     /* its result; NULL when it failed */
    const char *json;                /* the same as a text; NULL when it failed */
    const struct stepd_error *error; /* NULL when it completed */
    bool is_on_failure;              /* a step of on_failure */
};
STEPD_EXPORT size_t stepd_test_step_count(const struct stepd_test_run *run);
STEPD_EXPORT const struct stepd_test_step *stepd_test_step_at(const struct stepd_test_run *run, size_t index); /* NULL past the end */
/* The function's, not on_failure's. NULL: none of that id was recorded. */
STEPD_EXPORT const struct stepd_test_step *stepd_test_step_find(const struct stepd_test_run *run, const char *id);

/* The result of a completed run; nil, "null" without one. */
STEPD_EXPORT const msgpack_object *stepd_test_output(const struct stepd_test_run *run);
STEPD_EXPORT const char *stepd_test_output_json(const struct stepd_test_run *run);
/* Of a failed run, what it failed of; else the latest attempt's. NULL: none. */
STEPD_EXPORT const struct stepd_error *stepd_test_error(const struct stepd_test_run *run);

/* What module code sent, by stepd_send_event() and as stepd/function.failed, in order; may be given to
 * stepd_test_start() and stepd_test_send() again. */
STEPD_EXPORT size_t stepd_test_sent_count(const struct stepd_test *test);
STEPD_EXPORT const struct stepd_test_event *stepd_test_sent_at(const struct stepd_test *test, size_t index); /* NULL past the end */
/* Dead letters, in order: topic, key, raw, headers; and the rest of what could be read. */
STEPD_EXPORT size_t stepd_test_letter_count(const struct stepd_test *test);
STEPD_EXPORT const struct stepd_test_event *stepd_test_letter_at(const struct stepd_test *test, size_t index); /* NULL past the end */
/* The latest one of a run; NULL: there is none. */
STEPD_EXPORT const struct stepd_test_event *stepd_test_dead_letter(const struct stepd_test_run *run);
/* The value of a header, NULL: has none. */
STEPD_EXPORT const char *stepd_test_header(const struct stepd_test_event *event, const char *name);

/* Whether a value is what the text says; the order of a map's keys does not matter. NULL is nothing. */
STEPD_EXPORT bool stepd_test_equals(const msgpack_object *value, const char *text);
/* For people: what happened to the run, a line for each attempt and step. */
STEPD_EXPORT void stepd_test_print(const struct stepd_test_run *run, FILE *out);

#ifdef __cplusplus
}
#endif
#endif
