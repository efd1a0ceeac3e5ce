/* SPDX-License-Identifier: Apache-2.0 */
/* Lets runs go on: one attempt at a time, on a clock that jumps to when it is due. */
#include <assert.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "run/attempt.h"
#include "run/attempt_log.h"
#include "run/checkpoints.h"
#include "testing/test_internal.h"
#include "testing/watch.h"

/* ---- what module code is seen to do -------------------------------------------------------------- */

static struct stepd_test *test_of(struct stepd_ctx *ctx)
{
    return (struct stepd_test *)((char *)ctx - offsetof(struct stepd_test, ctx));
}

static struct attempt_note *note_last(const struct stepd_test_run *run)
{
    return run->note_count > 0 ? run->notes[run->note_count - 1] : NULL;
}

static struct attempt_note *note_begin(struct stepd_ctx *ctx, bool is_on_failure)
{
    struct stepd_test_run *run = test_of(ctx)->current;
    const struct attempt_note *before = note_last(run);
    struct attempt_note *note = xcalloc(1, sizeof(*note));

    assert(run != NULL); /* the one whose attempt is being made */
    note->view.attempt = stepd_attempt(ctx);
    note->view.is_on_failure = is_on_failure;
    note->view.at_ms = run->test->store.now_ms;
    note->view.delay_ms = note->view.at_ms - (before != NULL ? before->view.at_ms : run->started_ms);
    note->answer = STEPD_FAILED;
    run->notes = xrealloc(run->notes, (run->note_count + 1) * sizeof(struct attempt_note *));
    run->notes[run->note_count++] = note;
    return note;
}

static void note_error(struct attempt_note *note, const struct failure *failure)
{
    note->failure = *failure;
    note->error = (struct stepd_error){
        .name = note->failure.name,
        .message = note->failure.message,
        .attempt = note->failure.attempt,
        .step_id = note->failure.step_id[0] != '\0' ? note->failure.step_id : NULL,
    };
    note->view.error = &note->error;
}

enum stepd_status observe_run(struct stepd_ctx *ctx)
{
    struct attempt_note *note = note_begin(ctx, false);

    note->answer = test_of(ctx)->current->observed->run(ctx);
    return note->answer;
}

enum stepd_status observe_on_failure(struct stepd_ctx *ctx)
{
    struct attempt_note *function = note_last(test_of(ctx)->current);

    if (function != NULL && !function->view.is_on_failure) /* the attempt that the run failed of */
        note_error(function, &ctx->last);
    struct attempt_note *note = note_begin(ctx, true);
    note->answer = test_of(ctx)->current->observed->on_failure(ctx);
    return note->answer;
}

/* How the last entered code's attempt ended, where it failed. */
static void note_end(struct stepd_test_run *run, const struct attempt_report *report)
{
    struct attempt_note *note = note_last(run);
    const struct failure *failure = report->failure;

    assert(note != NULL);
    if (report->end == ATTEMPT_FAILED && note->view.is_on_failure)
        failure = note->answer != STEPD_OK ? &run->test->ctx.raised.failure : NULL;
    if (failure != NULL && (report->end == ATTEMPT_RETRY || report->end == ATTEMPT_PASSED_ON || report->end == ATTEMPT_FAILED))
        note_error(note, failure);
}

/* ---- handlers that die ---------------------------------------------------------------------------- */

static const int FATAL_SIGNALS[] = { SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL };
#define FATAL_SIGNAL_COUNT COUNT_OF(FATAL_SIGNALS)

/* The attempt that is being made on this thread. */
static _Thread_local sigjmp_buf rescue;
static _Thread_local struct slot *rescued_slot;

static void on_fatal_signal(int number)
{
    if (rescued_slot != NULL && slot_leave(rescued_slot))
        siglongjmp(rescue, number);
    (void)signal(number, SIG_DFL); /* no handler's: the program's own */
    (void)raise(number);
}

static void signals_catch(struct sigaction before[FATAL_SIGNAL_COUNT])
{
    struct sigaction action = { .sa_handler = on_fatal_signal, .sa_flags = SA_NODEFER };

    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < FATAL_SIGNAL_COUNT; i++)
        (void)sigaction(FATAL_SIGNALS[i], &action, &before[i]);
}

static void signals_restore(const struct sigaction before[FATAL_SIGNAL_COUNT])
{
    for (size_t i = 0; i < FATAL_SIGNAL_COUNT; i++)
        (void)sigaction(FATAL_SIGNALS[i], &before[i], NULL);
}

/* ---- one attempt ---------------------------------------------------------------------------------- */

/* Module code that did not say how it ended; its context is left behind. */
static void settle(struct stepd_test *test, struct run *run, const char *name, const char *message, struct attempt_report *report)
{
    const struct step_call step = test->ctx.step; /* without what it points to: that may be gone */

    test_renew_context(test);
    attempt_fail(&test->ctx, run, step.is_running ? &step : NULL, name, message, report);
}

/* Returns the signal that the handler died of; 0: it did not. */
static int run_rescued(struct stepd_test *test, struct run *run, struct attempt_report *report)
{
    struct sigaction before[FATAL_SIGNAL_COUNT];

    assert(rescued_slot == NULL); /* one attempt at a time on a thread */
    signals_catch(before);
    rescued_slot = &test->slot;
    int number = sigsetjmp(rescue, 1);
    if (number == 0)
        attempt_make(&test->ctx, run, clock_monotonic_ns(), report);
    rescued_slot = NULL;
    signals_restore(before);
    return number;
}

static int run_plainly(struct stepd_test *test, struct run *run, struct attempt_report *report)
{
    attempt_make(&test->ctx, run, clock_monotonic_ns(), report);
    return 0;
}

static void run_watched(struct stepd_test *test, struct run *run, struct attempt_report *report)
{
    struct watch watch;
    char message[80];

    watch_start(&watch, &test->slot);
    int number = test->catches_crashes ? run_rescued(test, run, report) : run_plainly(test, run, report);
    watch_stop(&watch);
    if (number != 0) {
        (void)snprintf(message, sizeof(message), "the handler ended its process with signal %d", number);
        settle(test, run, "HandlerCrashed", message, report);
    } else if (report->end == ATTEMPT_ABANDONED) {
        const struct step_call *step = &test->ctx.step;
        int64_t timeout_ms = step->is_running ? step->timeout_ms : run->function->timeout_ms;
        (void)snprintf(message, sizeof(message), "not done after %lld ms", (long long)timeout_ms);
        settle(test, run, "HandlerTimeout", message, report);
    }
}

/* The run as a worker gets it: of the store, if that knows it; else as its message came. */
struct held {
    struct run run;
    struct failure last;
    void *tail;
};

/* As its message came. */
static void view(struct stepd_test_run *run, struct held *held)
{
    *held = (struct held){ .run = {
                               .function = &run->observed->function,
                               .event = &run->event,
                               .bundle = run->bundle.count > 1 ? &run->bundle : NULL,
                               .id = run->id,
                               .created_ms = run->started_ms,
                               .is_invoked = memory_store_call_of(&run->test->store, run->id.text) != NULL,
                           } };
}

static void hold(struct stepd_test_run *run, struct held *held)
{
    struct memory_store *store = &run->test->store;
    struct memory_record *record = memory_store_find(store, run->id.text);

    assert(run->test != NULL);
    view(run, held);
    if (record == NULL)
        return;
    if (record->changed_ms > store->now_ms)
        store->now_ms = record->changed_ms;
    memory_store_claim(store, record, &held->run);
    held->tail = xmemdup(held->run.tail.data != NULL ? held->run.tail.data : "", held->run.tail.size); /* the record's changes */
    held->run.tail.data = held->tail;
    if (attempt_log_last_failure(held->run.tail, &held->last))
        held->run.last = &held->last;
}

static void release(struct held *held)
{
    checkpoints_destroy(held->run.steps);
    free(held->tail);
}

/* How the attempt ended. */
static enum attempt_end make_attempt(struct stepd_test_run *run)
{
    struct stepd_test *test = run->test;
    size_t note_count = run->note_count;
    struct attempt_report report;
    struct held held;

    hold(run, &held);
    test->current = run;
    run_watched(test, &held.run, &report);
    assert(test->current == run && run->note_count >= note_count);
    if (run->note_count > note_count)
        note_end(run, &report);
    limits_hear(run, &report);
    release(&held);
    test_begin_invoked(test);
    if (test->store.is_out_of_reach)
        memory_store_succeed(&test->store);
    return report.end;
}

/* Whether it goes on as time passes. */
static bool can_go_on(const struct stepd_test_run *run)
{
    enum stepd_test_status status = stepd_test_status(run);

    if (status == STEPD_TEST_WAITING)
        return stepd_test_due_ms(run) < WAIT_FOREVER_MS;
    return !status_is_end(status) && status != STEPD_TEST_BEHIND;
}

enum stepd_test_status stepd_test_attempt(struct stepd_test_run *run)
{
    if (!can_go_on(run))
        return stepd_test_status(run);
    run_forget_views(run);
    if (!limits_let_on(run))
        return stepd_test_status(run);
    if (make_attempt(run) == ATTEMPT_PASSED_ON)
        (void)make_attempt(run); /* no code is entered by it but on_failure */
    return stepd_test_status(run);
}

/* ---- many ----------------------------------------------------------------------------------------- */

/* Of those that are due already, the first in line. */
static bool is_before(const struct stepd_test_run *run, const struct stepd_test_run *other)
{
    int64_t now_ms = run->test->store.now_ms;
    int64_t due_ms = stepd_test_due_ms(run), other_ms = stepd_test_due_ms(other);

    if (due_ms <= now_ms && other_ms <= now_ms && limits_goes_before(run, other))
        return true;
    if (due_ms <= now_ms && other_ms <= now_ms && limits_goes_before(other, run))
        return false;
    return due_ms < other_ms;
}

/* The one whose attempt is due first. NULL: none can go on. */
static struct stepd_test_run *next_due(const struct stepd_test *test)
{
    struct stepd_test_run *next = NULL;

    for (size_t i = 0; i < test->run_count; i++) {
        struct stepd_test_run *run = test->runs[i];
        if (!can_go_on(run))
            continue;
        if (next == NULL || is_before(run, next))
            next = run;
    }
    return next;
}

void stepd_test_finish_all(struct stepd_test *test)
{
    for (struct stepd_test_run *run; (run = next_due(test)) != NULL;)
        (void)stepd_test_attempt(run);
}

static struct stepd_test_run *run_of(const struct stepd_test *test, const char *id)
{
    for (size_t i = 0; i < test->run_count; i++) {
        if (strcmp(test->runs[i]->id.text, id) == 0)
            return test->runs[i];
    }
    return NULL;
}

/* Once what it has invoked has ended. */
static bool may_go_on(struct stepd_test_run *run)
{
    for (const struct memory_call *call = run->test->store.calls; call != NULL; call = call->next) {
        struct stepd_test_run *invoked = run_of(run->test, call->callee.text);
        if (strcmp(call->caller.text, run->id.text) == 0 && !call->is_over && invoked != NULL)
            (void)stepd_test_finish(invoked);
    }
    return can_go_on(run);
}

enum stepd_test_status stepd_test_finish(struct stepd_test_run *run)
{
    struct stepd_test *test = run->test;

    for (size_t i = 0; run_is_behind(run) && i < test->run_count; i++) {
        if (test->runs[i]->observed == run->observed && test->runs[i] != run)
            (void)stepd_test_finish(test->runs[i]);
    }
    while (may_go_on(run))
        (void)stepd_test_attempt(run);
    return stepd_test_status(run);
}

/* ---- what others do to a run ----------------------------------------------------------------------- */

static void tell_cancelled(struct stepd_test_run *run)
{
    struct held held;

    view(run, &held);
    (void)attempt_tell_cancelled(&run->test->ctx, &held.run);
}

static bool is_recorded(const struct stepd_test_run *run)
{
    return memory_store_find(&run->test->store, run->id.text) != NULL;
}

void run_cancel(struct stepd_test_run *run)
{
    if (is_recorded(run)) {
        (void)stepd_test_cancel(run);
        return;
    }
    run->is_cancelled = true;
    tell_cancelled(run);
}

bool stepd_test_cancel(struct stepd_test_run *run)
{
    if (stepd_test_status(run) == STEPD_TEST_QUEUED && !is_recorded(run)) {
        run_cancel(run);
        return true;
    }
    if (!memory_store_cancel(&run->test->store, run->id.text))
        return false;
    if (stepd_test_status(run) == STEPD_TEST_CANCELLED)
        tell_cancelled(run);
    return true;
}

bool stepd_test_retry(struct stepd_test_run *run)
{
    run_forget_views(run);
    return memory_store_retry(&run->test->store, run->id.text);
}

void stepd_test_crash(struct stepd_test_run *run, enum stepd_test_moment moment, const char *step_id)
{
    struct memory_death *death = &run->test->store.death;

    if (step_id != NULL && strlen(step_id) >= sizeof(death->step_id))
        test_die("'%s' is longer than a step's id", step_id);
    *death = (struct memory_death){ .is_planned = true, .is_after = moment == STEPD_TEST_AFTER, .run = run->id };
    (void)snprintf(death->step_id, sizeof(death->step_id), "%s", step_id != NULL ? step_id : "");
}
