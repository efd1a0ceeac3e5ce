/* SPDX-License-Identifier: Apache-2.0 */
/* A run as people and programs see it: what the store holds of it, decoded. */
#ifndef STEPD_VIEW_RUN_VIEW_H
#define STEPD_VIEW_RUN_VIEW_H

#include <stdbool.h>

#include "event/event.h"
#include "run/checkpoints.h"
#include "store/runs.h"
#include "view/json_out.h"

/* Opened in place and not moved. Lives no longer than its loaded run. */
struct run_view {
    const struct loaded_run *run;
    const char *status; /* running delayed queued sleeping waiting completed failed cancelled */
    int64_t now_ms;
    int64_t due_ms; /* of the next attempt; 0: none */
    struct event event;
    bool has_event; /* false: its bytes are no event */
    int attempt;    /* the function's latest, also where its on_failure is at work */
    struct failure error;
    bool has_error;      /* the latest failure, unless it completed */
    struct bytes output; /* msgpack; size 0: none */
    struct checkpoints *steps;
    size_t damaged_steps;      /* left out of `steps` */
    const char *const *redact; /* NULL-ended: patterns of headers whose values are not shown; NULL: none are */
};

void run_view_open(struct run_view *view, const struct loaded_run *run, int64_t now_ms);
/* A run that is due and waits in a line is `queued`: asks the store, of such a run alone. 0, or as runs_standing(). */
int run_view_see_line(struct run_view *view, struct redis_store *store) MUST_CHECK;
void run_view_done(struct run_view *view);

/* `is_read` false: its bytes are no event. Lives until it returns. */
typedef void run_view_event_fn(void *context, const struct stepd_event *event, bool is_read);
/* The run's event, and of a batch the others, in their order. */
void run_view_each_event(const struct run_view *view, run_view_event_fn *each, void *context);

const char *run_status_word(enum run_status status);
/* completed, failed, cancelled. */
bool run_status_is_end(enum run_status status);
/* "completed", "failed"; "sleeping" while its time has not come; "running": begun, not finished; "waiting": for
 * what comes from elsewhere. */
const char *checkpoint_word(const struct run_view *view, const struct checkpoint *checkpoint);

/* Of a step that waited: whether its outcome is listed, at its own place further on. */
bool run_view_is_told_further_on(const struct run_view *view, size_t position);
/* What the step waits, or waited for; NULL: it never did. */
const struct checkpoint *run_view_wait_of(const struct run_view *view, size_t position);

void run_view_json(const struct run_view *view, struct json_out *out);

#endif
