/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flow control over the virtual clock: what drops an event, what puts its run off, what cancels it. A place under a
 * concurrency limit is held by an attempt, and attempts are made one at a time: there is always one free. Who of several
 * that may go on is first, priority says.
 */
#include <stdlib.h>
#include <string.h>

#include "run/flow_ask.h"
#include "testing/test_internal.h"

struct limit_mark *limits_mark(struct stepd_test_run *run, const char *setting, struct bytes key)
{
    char *name = xasprintf("%s\n%s\n%.*s", setting, run->observed->function.id, (int)key.size, (const char *)key.data);

    for (struct limit_mark *mark = run->test->marks; mark != NULL; mark = mark->next) {
        if (strcmp(mark->name, name) != 0)
            continue;
        free(name);
        return mark;
    }
    struct limit_mark *mark = xcalloc(1, sizeof(*mark));
    *mark = (struct limit_mark){ .next = run->test->marks, .name = name };
    run->test->marks = mark;
    return mark;
}

static struct limit_mark *mark_of(struct stepd_test_run *run, const char *setting, const struct flow_ask *ask, const struct flow_key *key)
{
    return limits_mark(run, setting, flow_ask_key(ask, key));
}

void limits_done(struct stepd_test *test)
{
    while (test->marks != NULL) {
        struct limit_mark *mark = test->marks;
        test->marks = mark->next;
        free(mark->name);
        free(mark->faults);
        free(mark);
    }
}

static const struct flow_settings *settings_of(const struct stepd_test_run *run)
{
    return run->observed->function.flow;
}

static bool is_alive(const struct stepd_test_run *run)
{
    return !status_is_end(stepd_test_status(run));
}

static int64_t greater(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- what drops an event ---------------------------------------------------------------------------- */

static bool is_over_rate(struct stepd_test_run *run, const struct flow_ask *ask)
{
    const struct stepd_rate_limit *rate = &settings_of(run)->given.rate_limit;
    int64_t now_us = run->test->store.now_ms * 1000;

    if (!ask->has_rate_limit)
        return false;
    int64_t tolerance_us = flow_tolerance_us(flow_interval_us(rate->period_ms, rate->limit), rate->limit);
    return mark_of(run, "rate", ask, &ask->rate_limit)->until_us - now_us > tolerance_us;
}

/* The other run of the key that lives; NULL: there is none. */
static struct stepd_test_run *other_of(struct stepd_test_run *run, const struct flow_ask *ask)
{
    struct stepd_test_run *other = ask->has_singleton ? mark_of(run, "singleton", ask, &ask->singleton)->run : NULL;

    return other != NULL && other != run && is_alive(other) ? other : NULL;
}

static void remember(struct stepd_test_run *run, const struct flow_ask *ask)
{
    const struct stepd_rate_limit *rate = &settings_of(run)->given.rate_limit;

    if (ask->has_rate_limit) {
        struct limit_mark *mark = mark_of(run, "rate", ask, &ask->rate_limit);
        mark->until_us = greater(mark->until_us, run->test->store.now_ms * 1000) + flow_interval_us(rate->period_ms, rate->limit);
    }
    if (ask->has_singleton)
        mark_of(run, "singleton", ask, &ask->singleton)->run = run;
}

/* ---- what puts it off --------------------------------------------------------------------------------- */

/* The one that has the latest turn of those before the run's that are to come; NULL: none has. */
static struct stepd_test_run *one_before(const struct stepd_test_run *run)
{
    const struct stepd_test *test = run->test;
    struct stepd_test_run *last = NULL;

    for (size_t i = 0; i < test->run_count; i++) {
        struct stepd_test_run *other = test->runs[i];
        if (other == run || other->turns != run->turns || other->has_begun || other->not_before_ms <= test->store.now_ms)
            continue;
        if (other->not_before_ms <= run->not_before_ms && (last == NULL || other->not_before_ms >= last->not_before_ms) && is_alive(other))
            last = other;
    }
    return last;
}

/* Whom its priority brings it past in line has its turn. */
static void move_up(struct stepd_test_run *run)
{
    struct stepd_test_run *other;

    while (run->not_before_ms > run->test->store.now_ms && (other = one_before(run)) != NULL && run->score_ms < other->score_ms) {
        int64_t turn_ms = other->not_before_ms;
        other->not_before_ms = run->not_before_ms;
        run->not_before_ms = turn_ms;
    }
}

bool limits_goes_before(const struct stepd_test_run *run, const struct stepd_test_run *other)
{
    const struct flow_settings *flow = settings_of(run);

    if (flow == NULL || run->observed != other->observed)
        return false;
    if (run->has_begun != other->has_begun)
        return flow->given.concurrency_limits.count > 0 && run->has_begun;
    return !run->has_begun && run->score_ms < other->score_ms;
}

static void take_turn(struct stepd_test_run *run, const struct flow_ask *ask)
{
    const struct stepd_throttle *throttle = &settings_of(run)->given.throttle;
    int64_t now_us = run->test->store.now_ms * 1000;

    if (throttle->limit == 0)
        return;
    int64_t interval_us = flow_interval_us(throttle->period_ms, throttle->limit);
    struct limit_mark *mark = mark_of(run, "throttle", ask, &ask->throttle);
    int64_t turn_us = greater(now_us, mark->until_us - flow_tolerance_us(interval_us, throttle->limit + throttle->burst));
    mark->until_us = greater(mark->until_us, turn_us) + interval_us;
    run->not_before_ms = (turn_us + 999) / 1000;
    run->turns = mark;
    move_up(run);
}

static void note_breaker(struct stepd_test_run *run, const struct flow_ask *ask)
{
    if (!flow_has_breaker(settings_of(run)))
        return;
    run->breaker = mark_of(run, "breaker", ask, &ask->breaker);
    run->open_before_ms = run->breaker->open_ms + (run->breaker->is_open ? run->test->store.now_ms - run->breaker->since_ms : 0);
}

static void let_in(struct stepd_test_run *run, const struct flow_ask *ask)
{
    struct stepd_test_run *other = other_of(run, ask);
    bool cancels = settings_of(run)->given.singleton.mode == STEPD_SINGLETON_CANCEL;

    run->score_ms = run->test->store.now_ms - ask->priority_ms;
    run->is_skipped = !run->is_ticked && (is_over_rate(run, ask) || (other != NULL && !cancels));
    if (run->is_skipped)
        return;
    if (other != NULL && cancels)
        run_cancel(other);
    if (!run->is_ticked)
        remember(run, ask);
    note_breaker(run, ask);
    take_turn(run, ask);
}

void limits_let_in(struct stepd_test_run *run)
{
    struct flow_ask ask;

    run->is_debounced = run->is_gathering = false;
    run->not_before_ms = run->test->store.now_ms;
    if (run->bundle.count > 1)
        run->id = run_id_of_bundle(&run->observed->function, &run->bundle);
    flow_ask_init(&ask, &run->observed->function, &run->event, run->test->store.now_ms);
    let_in(run, &ask);
    flow_ask_done(&ask);
}

static void replace_event(struct stepd_test_run *run, const struct event *by)
{
    const struct stepd_event *view = &by->view;
    struct error error;

    event_done(&run->event);
    event_init(&run->event, view->topic, view->partition, view->offset, by->timestamp_ms, (struct bytes){ view->key, view->key_len },
               (struct bytes){ view->raw, view->raw_len }, by->headers, by->header_count);
    run->event.part = by->part;
    (void)!event_find_name(&run->event, &error);
}

static void debounce(struct stepd_test_run *run, const struct flow_ask *ask)
{
    const struct stepd_debounce *given = &settings_of(run)->given.debounce;
    struct limit_mark *mark = mark_of(run, "debounce", ask, &ask->debounce);
    int64_t now_ms = run->test->store.now_ms;
    struct stepd_test_run *first = mark->run;

    if (first == NULL || !first->is_debounced || first->not_before_ms <= now_ms || !is_alive(first)) {
        mark->run = first = run;
        run->is_debounced = true;
        run->first_ms = now_ms;
    } else {
        replace_event(first, &run->event);
        run->is_skipped = true;
    }
    first->not_before_ms = now_ms + given->period_ms;
    if (given->timeout_ms > 0 && first->first_ms + given->timeout_ms < first->not_before_ms)
        first->not_before_ms = first->first_ms + given->timeout_ms;
}

void limits_admit(struct stepd_test_run *run)
{
    struct flow_ask ask;

    if (settings_of(run) == NULL || run->is_duplicate)
        return;
    if (flow_has_batch(settings_of(run)) && !run->is_invoked && !run->is_ticked) {
        limits_gather(run);
        return;
    }
    flow_ask_init(&ask, &run->observed->function, &run->event, run->test->store.now_ms);
    if (ask.has_debounce && !run->is_invoked && !run->is_ticked)
        debounce(run, &ask);
    else
        let_in(run, &ask);
    flow_ask_done(&ask);
}

/* ---- time -------------------------------------------------------------------------------------------- */

/* When it is cancelled unless it has begun, or ended; INT64_MAX: never. What its breaker holds up does not count. */
static int64_t deadline_of(const struct stepd_test_run *run, int64_t due_ms)
{
    const struct flow_settings *flow = settings_of(run);
    int64_t after_ms = flow == NULL ? 0 : run->has_begun ? flow->given.finish_timeout_ms : flow->given.start_timeout_ms;
    int64_t since_ms = run->has_begun ? run->begun_ms : run->event.timestamp_ms;

    return after_ms > 0 ? since_ms + after_ms + limits_held_ms(run, due_ms) : INT64_MAX;
}

int64_t limits_due_ms(const struct stepd_test_run *run, int64_t due_ms)
{
    due_ms = greater(due_ms, run->not_before_ms);
    int64_t deadline_ms = deadline_of(run, due_ms);
    if (limits_is_held(run))
        due_ms = greater(due_ms, run->breaker->until_ms);
    return due_ms < deadline_ms ? due_ms : deadline_ms;
}

/* When its store's record lets it go on; its own limits apart. */
static int64_t own_due_ms(const struct stepd_test_run *run)
{
    const struct memory_record *record = memory_store_find(&run->test->store, run->id.text);

    return greater(record != NULL ? record->changed_ms : run->started_ms, run->not_before_ms);
}

bool limits_let_on(struct stepd_test_run *run)
{
    int64_t *now_ms = &run->test->store.now_ms;

    *now_ms = greater(*now_ms, stepd_test_due_ms(run));
    if ((run->is_debounced || run->is_gathering) && *now_ms >= run->not_before_ms) {
        limits_let_in(run);
        *now_ms = greater(*now_ms, stepd_test_due_ms(run));
    }
    if (run->is_skipped)
        return false;
    int64_t due_ms = own_due_ms(run);
    if (*now_ms >= deadline_of(run, due_ms)) {
        run_cancel(run);
        return false;
    }
    limits_leave_hold(run, due_ms);
    if (!run->has_begun)
        run->begun_ms = *now_ms;
    run->has_begun = true;
    return true;
}
