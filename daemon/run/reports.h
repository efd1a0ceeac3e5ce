/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program's side of run/ops: what it is told of its steps, and what it reports of them; each is made durable before it is
 * answered. Several may be under way beside each other; such a step has a counter of its own, kept in the run's tail
 * (run/branches.h). One `reports` for each call of a program, as long as that lasts; used by the run's holder, off and
 * on the clock as stepd.h's calls are. For programs that stay, and for the handler `exec`, which comes with the daemon:
 * no part of stepd.h.
 */
#ifndef STEPD_RUN_REPORTS_H
#define STEPD_RUN_REPORTS_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include <stepd/stepd.h>

#include "run/branches.h"
#include "run/errand.h"
#include "run/invoke.h"
#include "run/run.h"

struct reports;

enum report_answer {
    REPORT_DONE,   /* it is on record: stepd_report_result() */
    REPORT_FAILED, /* for good: stepd_last_error() */
    REPORT_LATER,  /* it goes no further in this call */
    REPORT_RUN,    /* nothing is known of it: its code is to run now */
    REPORT_PARKED, /* as LATER, and nothing else is open: the run is parked, and the function returns stepd_reports_status() */
    REPORT_OVER,   /* it has no answer: the function returns stepd_reports_status() */
};

/* With what an earlier call has left open. */
STEPD_EXPORT struct reports *stepd_reports_create(struct stepd_ctx *ctx);
/* Before: what has come for the run since it was here last. False: there is a verdict, and the function returns. */
STEPD_EXPORT bool stepd_reports_take(struct stepd_ctx *ctx);
STEPD_EXPORT void stepd_reports_destroy(struct reports *reports);
/* Of REPORT_PARKED and REPORT_OVER. */
STEPD_EXPORT enum stepd_status stepd_reports_status(const struct reports *reports);

/* The name that this use of a step's id has, for programs that make none: `ret_name` has room for STEP_ID_SIZE. */
STEPD_EXPORT void stepd_reports_name(struct reports *reports, const char *id, char *ret_name);

/* A step is asked for. REPORT_RUN: now, with so many errors before. `is_beside`: others are under way, or asked with it. */
STEPD_EXPORT enum report_answer stepd_report_asked(struct stepd_ctx *ctx, struct reports *reports, const char *name, bool is_beside,
                                                   int *ret_attempt);
/* What a step's code is told of, and tells. */
struct step_report {
    const char *name;
    bool is_beside;
    int attempt;          /* errors before, as it was told; of one that is beside others and has failed before, reports knows better */
    int64_t begun_ms;     /* the store's time; 0: unknown */
    stepd_step_fn settle; /* tells what became of it, as a step's function does */
    const void *arg;
};
STEPD_EXPORT enum report_answer stepd_report_step(struct stepd_ctx *ctx, struct reports *reports, const struct step_report *report);
STEPD_EXPORT enum report_answer stepd_report_sleep(struct stepd_ctx *ctx, struct reports *reports, const char *name, bool is_beside,
                                                   int64_t until_ms);
/* `data` NULL: nil. */
STEPD_EXPORT enum report_answer stepd_report_send(struct stepd_ctx *ctx, struct reports *reports, const char *name, const char *event,
                                                  const msgpack_object *data);
/* `has_more`: another wait for the same was asked for together with it, and is reported after it. */
STEPD_EXPORT enum report_answer stepd_report_wait(struct stepd_ctx *ctx, struct reports *reports, const char *name, bool is_beside,
                                                  bool has_more, const struct stepd_wait *wait);
STEPD_EXPORT enum report_answer stepd_report_invoke(struct stepd_ctx *ctx, struct reports *reports, const char *name, bool is_beside,
                                                    const char *function_id, const msgpack_object *data, int64_t timeout_ms);
/* The function fails of what that step failed of. False: it has not. */
STEPD_EXPORT bool stepd_report_raise(struct stepd_ctx *ctx, const char *name);
/* Its place among those that are on record, in the order in which they were finished; −1: it is not. */
STEPD_EXPORT int stepd_report_position(struct stepd_ctx *ctx, const char *name);
/* Of a step that is on record; as long as the attempt. */
STEPD_EXPORT const msgpack_object *stepd_report_result(struct stepd_ctx *ctx, const char *name);

/* The program has ended in the midst of it: what is open stays so, while the function fails of what it raises. */
STEPD_EXPORT void stepd_reports_keep(struct stepd_ctx *ctx, const struct reports *reports);
/* All that is open waits: so does the run, in the store, until the first is due. False: nothing is open. */
STEPD_EXPORT bool stepd_reports_suspend(struct stepd_ctx *ctx, struct reports *reports);
/* The run waits for more to be reported, without a thread. The function returns what this answers. */
STEPD_EXPORT enum stepd_status stepd_reports_leave(struct stepd_ctx *ctx, struct reports *reports, struct errand *errand);

/* What the run has waited for till now is no part of the attempt: others were before it. */
STEPD_EXPORT void stepd_begins_now(struct stepd_ctx *ctx);
/* stepd_reports_leave(), while nothing is open. */
STEPD_EXPORT enum stepd_status stepd_leave(struct stepd_ctx *ctx, struct errand *errand);
/* What the run has come back from; NULL: nothing. */
STEPD_EXPORT struct errand *stepd_errand(struct stepd_ctx *ctx);
/* Somebody wants the run back who may be wrong: false: the attempt is over, and the function returns. */
STEPD_EXPORT bool stepd_may_go_on(struct stepd_ctx *ctx);
/* The store's time. */
STEPD_EXPORT int64_t stepd_store_ms(struct stepd_ctx *ctx);

/* stepd_report_invoke(), of all that may be asked of one. */
enum report_answer reports_invoke(struct stepd_ctx *ctx, struct reports *reports, const char *name, bool is_beside, struct invoke_ask ask,
                                  const msgpack_object *data);
/* While the program is at other steps: `tell` hears of each step that waited and has ended since, in this order. False: there is a verdict. */
bool reports_hear(struct stepd_ctx *ctx, struct reports *reports, void (*tell)(void *context, const char *name, enum report_answer answer),
                  void *context) MUST_CHECK;
/* Those that are open. As long as `reports`. */
const struct branches *reports_branches(const struct reports *reports);
/* stepd_report_result(), as it is kept; size 0: nil. */
struct bytes reports_value(const struct stepd_ctx *ctx, const char *name);

#endif
