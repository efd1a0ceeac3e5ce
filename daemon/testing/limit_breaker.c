/* SPDX-License-Identifier: Apache-2.0 */
/* Breakers over the virtual clock: attempts are made one at a time, so that the first after the pause is the one that tries. */
#include <stdlib.h>

#include "testing/test_internal.h"

static const struct stepd_breaker *settings_of(const struct stepd_test_run *run)
{
    return &run->observed->function.flow->given.breaker;
}

static int64_t greater(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* What fails behind it is none of its business. */
static bool is_in_function(const struct stepd_test_run *run)
{
    const struct memory_record *record = memory_store_find(&run->test->store, run->id.text);

    return record == NULL || record->phase == RUN_IN_FUNCTION;
}

bool limits_is_held(const struct stepd_test_run *run)
{
    const struct limit_mark *breaker = run->breaker;

    return breaker != NULL && breaker->is_open && breaker->until_ms > run->test->store.now_ms && is_in_function(run);
}

/* Until it lets one try, where it is open. */
int64_t limits_held_ms(const struct stepd_test_run *run, int64_t due_ms)
{
    const struct limit_mark *breaker = run->breaker;

    if (breaker == NULL)
        return 0;
    int64_t until_ms = greater(run->test->store.now_ms, breaker->until_ms);
    if (!run->has_begun)
        return breaker->open_ms + (breaker->is_open ? until_ms - breaker->since_ms : 0) - run->open_before_ms;
    return run->held_ms + (breaker->is_open ? greater(0, breaker->until_ms - greater(due_ms, breaker->since_ms)) : 0);
}

void limits_leave_hold(struct stepd_test_run *run, int64_t due_ms)
{
    int64_t now_ms = run->test->store.now_ms;

    if (run->breaker == NULL || !run->breaker->is_open || !is_in_function(run))
        return;
    run->is_alone = true;
    if (run->has_begun)
        run->held_ms += greater(0, now_ms - greater(due_ms, run->breaker->since_ms));
}

/* What it held goes on: that much later. */
static void let_others_go(const struct stepd_test_run *run)
{
    struct stepd_test *test = run->test;

    for (size_t i = 0; i < test->run_count; i++) {
        struct stepd_test_run *other = test->runs[i];
        const struct memory_record *record = memory_store_find(&test->store, other->id.text);
        if (other == run || other->breaker != run->breaker || !other->has_begun || record == NULL)
            continue;
        other->held_ms += greater(0, test->store.now_ms - greater(record->changed_ms, run->breaker->since_ms));
    }
}

static void close_breaker(const struct stepd_test_run *run)
{
    struct limit_mark *breaker = run->breaker;

    let_others_go(run);
    breaker->is_open = false;
    breaker->open_ms += run->test->store.now_ms - breaker->since_ms;
    breaker->fault_count = 0;
}

/* Whether it is one too many. */
static bool note_fault(struct limit_mark *breaker, const struct stepd_breaker *settings, int64_t now_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < breaker->fault_count; i++) {
        if (breaker->faults[i] >= now_ms - settings->window_ms)
            breaker->faults[kept++] = breaker->faults[i];
    }
    breaker->faults = xrealloc(breaker->faults, (kept + 1) * sizeof(*breaker->faults));
    breaker->faults[kept++] = now_ms;
    breaker->fault_count = kept;
    return kept >= (size_t)settings->failures;
}

/* Else nothing came of it that says how its function fares. */
static bool is_result(enum attempt_end end)
{
    return end == ATTEMPT_COMPLETED || end == ATTEMPT_RETRY || end == ATTEMPT_SLEEPING || end == ATTEMPT_WAITING ||
           end == ATTEMPT_PASSED_ON || end == ATTEMPT_FAILED;
}

void limits_hear(struct stepd_test_run *run, const struct attempt_report *report)
{
    struct limit_mark *breaker = run->breaker;
    bool is_alone = run->is_alone;

    run->is_alone = false;
    if (breaker == NULL || !is_result(report->end) || !(report->is_setback || is_alone) || (breaker->is_open && !is_alone))
        return;
    if (!report->is_setback) {
        close_breaker(run);
        return;
    }
    if (!breaker->is_open && !note_fault(breaker, settings_of(run), run->test->store.now_ms))
        return;
    if (!breaker->is_open)
        breaker->since_ms = run->test->store.now_ms;
    breaker->is_open = true;
    breaker->fault_count = 0;
    breaker->until_ms = run->test->store.now_ms + settings_of(run)->pause_ms;
}
