/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module under test, from the inside: its functions with the settings applied, a store, an outbox and
 * one context. Runs are made by runs.c and invoked.c, let on by drive.c, read by views.c.
 */
#ifndef STEPD_TESTING_TEST_INTERNAL_H
#define STEPD_TESTING_TEST_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stepd/testing.h>

#include "base/memory.h"
#include "config/config.h"
#include "event/event.h"
#include "modules/functions.h"
#include "run/attempt.h"
#include "run/context.h"
#include "run/flow_ask.h"
#include "run/matching.h"
#include "run/routes.h"
#include "store/memory/memory_store.h"
#include "testing/outbox.h"

/* A function as it runs here: its code is entered by way of ours, which notes the attempt. */
struct observed {
    struct function function; /* what core sees */
    stepd_run_fn run;
    stepd_run_fn on_failure;
};

struct attempt_note {
    struct stepd_test_attempt view;
    enum stepd_status answer;
    struct failure failure; /* what view.error points into */
    struct stepd_error error;
};

/* What is remembered of a key of one setting of a function. */
struct limit_mark {
    struct limit_mark *next;
    char *name;
    int64_t until_us;           /* when its turns are used up until */
    struct stepd_test_run *run; /* that waits for later events, or lives */

    /* A breaker's: */
    bool is_open;
    int64_t until_ms; /* while it is open: when one may try again */
    int64_t since_ms; /* … when it opened */
    int64_t open_ms;  /* for how long it was before, in all */
    int64_t *faults;  /* when its latest attempts failed; its own */
    size_t fault_count;
};

/* The recorded steps as they were at a time. */
struct steps_view {
    bool is_read;
    int64_t at_ms;
    struct stepd_test_step *items;
    size_t count;
};

struct stepd_test_run {
    struct stepd_test *test;
    const struct observed *observed;
    struct event event;
    struct run_id id;
    bool is_duplicate;
    int64_t started_ms;
    bool is_skipped;       /* limits.c: it starts nothing, or its event is an earlier run's, */
    bool is_cancelled;     /* … it was cancelled before its first attempt, */
    bool is_debounced;     /* … it waits for later events until not_before_ms; */
    bool is_gathering;     /* … for more events of its batch, likewise; */
    bool is_invoked;       /* … another run called it; */
    bool is_ticked;        /* … the clock started it, so that nothing drops it; */
    bool is_alone;         /* … its breaker lets it try; */
    bool has_begun;        /* … at begun_ms */
    int64_t first_ms;      /* of its events */
    int64_t not_before_ms; /* its first attempt */
    int64_t begun_ms;
    int64_t score_ms;           /* its place in line: arrival, less its priority */
    struct limit_mark *turns;   /* of its throttle; NULL: none */
    struct limit_mark *breaker; /* NULL: none */
    int64_t open_before_ms;     /* how long that had been open before */
    int64_t held_ms;            /* by it, since it has begun */
    struct bundle bundle;       /* of a batch, its events: this run's, and those of runs that are skipped; count 0: it is none */
    struct attempt_note **notes;
    size_t note_count;
    msgpack_zone *views;     /* what was read of it; emptied when it goes on */
    struct steps_view steps; /* in `views` */
};

/* What runs of a function come to that others invoke, as the test says. */
struct invoked_answer {
    struct invoked_answer *next;
    struct function function; /* its id alone */
    msgpack_sbuffer result;
    const char *error_name; /* NULL: none */
    const char *message;
};

struct stepd_test {
    struct invoked_answer *answers; /* the latest first */
    const struct stepd_module *declared;
    char **texts; /* settings, as given */
    size_t text_count;
    bool is_initialised;
    bool has_local;
    bool catches_crashes;

    struct module module;
    struct config *config;
    struct functions functions;
    struct observed *observed; /* one for each function */
    struct routes *routes;
    void *local; /* of thread_init */

    struct limit_mark *marks; /* limits.c */
    struct memory_store store;
    struct matching matching; /* of events with what runs wait for */
    struct outbox outbox;
    struct slot slot;
    struct attempt_settings settings;
    struct stepd_ctx ctx;
    struct stepd_test_run *current; /* the one whose attempt is being made */

    struct stepd_test_run **runs;
    size_t run_count;
    int64_t next_offset;
    msgpack_zone *zone; /* what events were given as */
};

/* A test that is wrong: one line on standard error, and the end of the program. */
void test_die(const char *format, ...) PRINTF_LIKE(1, 2) __attribute__((noreturn));
/* Ready to run functions, or the program ends. */
void test_prepare(struct stepd_test *test);
/* A context as it is at an attempt's start; the one before, if any, is done with. */
void test_renew_context(struct stepd_test *test);

/* A copy that lives as long as the test. */
struct bytes test_keep_text(struct stepd_test *test, const char *text);

/* The function of that id, of the module or answered by the test; attempt_settings has it. */
const struct function *test_find_function(void *test, const char *id);
/* Runs that were invoked by the last attempt come to be, or are answered. */
void test_begin_invoked(struct stepd_test *test);
void answers_destroy(struct stepd_test *test);
/* Whether an earlier run of its key has not ended. */
bool run_is_behind(const struct stepd_test_run *run);
/* A run of one of the module's own functions, which another run called. */
void run_invoke(struct stepd_test *test, struct memory_call *call);
bool status_is_end(enum stepd_test_status status);
void run_destroy(struct stepd_test_run *run);
/* What was read of it lives no longer. */
void run_forget_views(struct stepd_test_run *run);

/* As a person cancels it, or a later run of its key. */
void run_cancel(struct stepd_test_run *run);

/* limits.c, and of it limit_batch.c and limit_breaker.c. What is remembered of a key; made with the first question. */
struct limit_mark *limits_mark(struct stepd_test_run *run, const char *setting, struct bytes key);
/* Its events are known: what stands behind `debounce` and `batch`. */
void limits_let_in(struct stepd_test_run *run);
/* Its event is one of a batch, whose run it begins or joins. */
void limits_gather(struct stepd_test_run *run);
/* Whether its breaker is open, so that it waits for that. */
bool limits_is_held(const struct stepd_test_run *run);
/* By how much its breaker, where it is due then, puts off when its time is over. */
int64_t limits_held_ms(const struct stepd_test_run *run, int64_t due_ms);
/* It goes on now, where it was due then. */
void limits_leave_hold(struct stepd_test_run *run, int64_t due_ms);
/* How an attempt ended. */
void limits_hear(struct stepd_test_run *run, const struct attempt_report *report);
/* Of two runs that may go on now, whether this one is first in their line. */
bool limits_goes_before(const struct stepd_test_run *run, const struct stepd_test_run *other);
/* A run is made of an event: it may start nothing, or have to wait. */
void limits_admit(struct stepd_test_run *run);
/* When it is to go on, where it would be due then without limits. */
int64_t limits_due_ms(const struct stepd_test_run *run, int64_t due_ms);
/* Its next attempt is to be made, now that its time is there; false: it is skipped, or cancelled. */
bool limits_let_on(struct stepd_test_run *run);
void limits_done(struct stepd_test *test);

/* What function and on_failure are entered by. */
enum stepd_status observe_run(struct stepd_ctx *ctx);
enum stepd_status observe_on_failure(struct stepd_ctx *ctx);

#endif
