/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flow control over the virtual clock: what drops an event, what puts its run off, what cancels it. A place under a
 * concurrency limit is held by an attempt, and attempts are made one at a time: there is always one free.
 */
#include <stdlib.h>
#include <string.h>

#include "run/flow_ask.h"
#include "testing/test_internal.h"

/* What is remembered of a key of one setting. */
struct limit_mark {
    struct limit_mark *next;
    char *name;
    int64_t until_us;           /* when its turns are used up until */
    struct stepd_test_run *run; /* that waits for later events, or lives */
};

static struct limit_mark *mark_of(struct stepd_test_run *run, const char *setting, const struct flow_ask *ask, const struct flow_key *key)
{
    struct bytes text = flow_ask_key(ask, key);
    char *name = xasprintf("%s\n%s\n%.*s", setting, run->observed->function.id, (int)text.size, (const char *)text.data);

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

void limits_done(struct stepd_test *test)
{
    while (test->marks != NULL) {
        struct limit_mark *mark = test->marks;
        test->marks = mark->next;
        free(mark->name);
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
    return mark_of(run, "rate", ask, &ask->rate_limit)->until_us - now_us > rate->period_ms * 1000 - rate->period_ms * 1000 / rate->limit;
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
        mark->until_us = greater(mark->until_us, run->test->store.now_ms * 1000) + rate->period_ms * 1000 / rate->limit;
    }
    if (ask->has_singleton)
        mark_of(run, "singleton", ask, &ask->singleton)->run = run;
}

/* ---- what puts it off --------------------------------------------------------------------------------- */

static void take_turn(struct stepd_test_run *run, const struct flow_ask *ask)
{
    const struct stepd_throttle *throttle = &settings_of(run)->given.throttle;
    int64_t now_us = run->test->store.now_ms * 1000;

    if (throttle->limit == 0)
        return;
    int64_t interval_us = throttle->period_ms * 1000 / throttle->limit;
    struct limit_mark *mark = mark_of(run, "throttle", ask, &ask->throttle);
    int64_t turn_us = greater(now_us, mark->until_us - interval_us * (throttle->limit + throttle->burst - 1));
    mark->until_us = greater(mark->until_us, turn_us) + interval_us;
    run->not_before_ms = (turn_us + 999) / 1000;
}

/* What stands behind debounce. */
static void let_in(struct stepd_test_run *run, const struct flow_ask *ask)
{
    struct stepd_test_run *other = other_of(run, ask);
    bool cancels = settings_of(run)->given.singleton.mode == STEPD_SINGLETON_CANCEL;

    run->is_skipped = is_over_rate(run, ask) || (other != NULL && !cancels);
    if (run->is_skipped)
        return;
    if (other != NULL)
        run_cancel(other);
    remember(run, ask);
    take_turn(run, ask);
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
    flow_ask_init(&ask, &run->observed->function, &run->event, run->test->store.now_ms);
    if (ask.has_debounce)
        debounce(run, &ask);
    else
        let_in(run, &ask);
    flow_ask_done(&ask);
}

/* ---- time -------------------------------------------------------------------------------------------- */

/* When it is cancelled unless it has begun, or ended; INT64_MAX: never. */
static int64_t deadline_of(const struct stepd_test_run *run)
{
    const struct flow_settings *flow = settings_of(run);
    int64_t after_ms = flow == NULL ? 0 : run->has_begun ? flow->given.finish_timeout_ms : flow->given.start_timeout_ms;
    int64_t since_ms = run->has_begun ? run->begun_ms : run->event.timestamp_ms;

    return after_ms > 0 ? since_ms + after_ms : INT64_MAX;
}

int64_t limits_due_ms(const struct stepd_test_run *run, int64_t due_ms)
{
    int64_t deadline_ms = deadline_of(run);

    due_ms = greater(due_ms, run->not_before_ms);
    return due_ms < deadline_ms ? due_ms : deadline_ms;
}

bool limits_let_on(struct stepd_test_run *run)
{
    int64_t *now_ms = &run->test->store.now_ms;
    struct flow_ask ask;

    *now_ms = greater(*now_ms, stepd_test_due_ms(run));
    if (run->is_debounced && *now_ms >= run->not_before_ms) {
        run->is_debounced = false;
        flow_ask_init(&ask, &run->observed->function, &run->event, *now_ms);
        let_in(run, &ask);
        flow_ask_done(&ask);
        *now_ms = greater(*now_ms, stepd_test_due_ms(run));
    }
    if (run->is_skipped)
        return false;
    if (*now_ms >= deadline_of(run)) {
        run_cancel(run);
        return false;
    }
    if (!run->has_begun)
        run->begun_ms = *now_ms;
    run->has_begun = true;
    return true;
}
