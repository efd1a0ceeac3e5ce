/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/finish.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "engine/breaker.h"
#include "engine/outcome.h"
#include "engine/room.h"
#include "flow/key_set.h"
#include "run/checkpoints.h"
#include "run/trace.h"

static const char refused_text[] = "the store refuses to keep what became of the attempt; the log says why";

void finish_condemned(struct worker *worker, const struct run *run)
{
    struct store *store = worker->ctx.store;

    if (run->epoch == 0)
        return; /* its message is not done, and comes again */
    int status = store->ops->condemn(store, run);
    if (status != -ESHUTDOWN)
        log_error("run %s of %s goes no further: %s", run->id.text, run->function->id,
                  status == 0 ? "it ends among the dead, with no dead letter" : "the store refuses even that");
}

/* What the store refuses has failed, once: it takes that, or it takes nothing of this run. One that has
 * failed for good already has no attempts left. */
static void settle_refusal(struct worker *worker, struct run *run, struct attempt_report *report)
{
    assert(report->end == ATTEMPT_REFUSED);
    if (run->phase != RUN_FAILING)
        attempt_fail(&worker->ctx, run, NULL, "StoreRefused", refused_text, report);
    if (report->end == ATTEMPT_REFUSED)
        finish_condemned(worker, run);
}

static void end_attempt(struct worker *worker, struct run *run, struct attempt_report *report)
{
    assert(report->end != ATTEMPT_SETTLING && report->end != ATTEMPT_ABANDONED);
    if (report->end == ATTEMPT_REFUSED)
        settle_refusal(worker, run, report);
    if (function_has_breaker(run->function))
        breaker_hear(worker, run, report);
    worker->thread.now_ns = report->ended_ns;
    tally_end(worker_tally(worker, run->function), report);
    outcome_log(run, report, worker->dispatch->attempts.keeps_all);
    room_note_parked(worker->dispatch, run, report);
    if (run->span != 0 && report->end != ATTEMPT_AWAY)
        worker->dispatch->settings.tracer->ops->end(worker->dispatch->settings.tracer, run, report);
}

/* Known before the strand goes on. */
enum message_state finish_in_store(const struct job *job, const struct run *run)
{
    assert(job->message != NULL);
    if (run_is_ordered(run))
        key_set_add(job->message->assignment->parked_keys, run->function->id,
                    (struct bytes){ run->event->view.key, run->event->view.key_len });
    return MESSAGE_TAKEN;
}

/* What its message is now. */
static enum message_state state_after(const struct job *job, const struct run *run, const struct attempt_report *report)
{
    assert(report->end != ATTEMPT_AWAY && report->end != ATTEMPT_SETTLING);
    if (report->end == ATTEMPT_STOPPED || report->end == ATTEMPT_REFUSED)
        return run->epoch > 0 ? MESSAGE_TAKEN : MESSAGE_DROPPED;
    /* Whatever the store may yet lose of a run that ended, nothing of it is left to do. */
    if (report->end == ATTEMPT_COMPLETED || report->end == ATTEMPT_FAILED)
        return MESSAGE_DONE;
    if (report->end == ATTEMPT_CANCELLED && run->epoch == 0)
        return MESSAGE_DONE; /* in its first attempt, of which the store knows nothing */
    return finish_in_store(job, run);
}

/* worker->job is over. */
static void give_back(struct worker *worker, const struct attempt_report *report)
{
    struct job *job = &worker->job;

    assert((worker->job.claimed != NULL) != (worker->job.message != NULL));
    if (job->claimed != NULL) {
        job->claimed->release(job->claimed);
        return;
    }
    enum message_state state = state_after(job, worker->run, report);
    checkpoints_destroy(worker->run->steps);
    job_end_messages(job, state);
}

bool finish_attempt(struct worker *worker, struct attempt_report *report)
{
    if (report->end == ATTEMPT_ABANDONED)
        return false;
    if (report->end != ATTEMPT_AWAY)
        tally_duration(worker_tally(worker, worker->run->function), report->started_ns, report->ended_ns);
    end_attempt(worker, worker->run, report);
    if (report->end == ATTEMPT_AWAY) {
        away_leave(&worker->dispatch->away, &worker->job, worker->run);
        return false;
    }
    give_back(worker, report);
    return true;
}

void finish_crash(struct worker *worker, struct attempt_report *report)
{
    const struct dispatch_settings *settings = &worker->dispatch->settings;

    end_attempt(worker, worker->run, report);
    if (worker->job.message != NULL && report->is_stored)
        settings->crash_counted(settings->context, worker->run);
    give_back(worker, report);
}

void finish_takeover(struct worker *worker, const struct job *job, struct run *run, const struct step_call *step, int64_t started_ns)
{
    struct function_tally *tally = worker_tally(worker, run->function);
    struct attempt_report report;
    char text[160];

    assert(step == NULL || step->is_running);
    int64_t timeout_ms = step != NULL ? step->timeout_ms : run->function->timeout_ms;
    (void)snprintf(text, sizeof(text), "not done after %lld ms; its thread is left behind", (long long)timeout_ms);
    tally_add(&tally->timed_out);
    if (step != NULL)
        histogram_add(&tally->steps, (double)timeout_ms * 1000); /* as far as anyone knows */
    attempt_fail(&worker->ctx, run, step, "HandlerTimeout", text, &report);
    tally_duration(tally, started_ns, report.ended_ns);
    report.started_ns = started_ns;
    if (step != NULL && run->span != 0)
        worker->ctx.settings->tracer->ops->step(worker->ctx.settings->tracer, run, step, report.ended_ns - timeout_ms * 1000000,
                                                report.failure);
    end_attempt(worker, run, &report);
    if (job->message != NULL)
        job_end_messages(job, state_after(job, run, &report));
}
