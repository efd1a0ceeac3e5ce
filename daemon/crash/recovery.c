/* SPDX-License-Identifier: Apache-2.0 */
#include "crash/recovery.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "base/thread.h"
#include "run/checkpoints.h"
#include "store/crash_counts.h"
#include "store/runs.h"

struct recovery {
    struct recovery_settings settings;
    struct thread thread;
    struct lock lock;
    struct condition changed;
    bool is_done;       /* lock */
    bool is_broken_off; /* lock */
};

/* ---- runs that the store does not know ------------------------------------------------------------ */

static int count_unknown(struct recovery *recovery, const struct journal_entry *entry)
{
    assert(entry->state == JOURNAL_CRASHED || entry->state == JOURNAL_RUNNING);
    return crash_counts_add(recovery->settings.store, entry->topic, entry->partition, entry->run_id,
                            entry->state == JOURNAL_CRASHED ? CRASHES_ENOUGH : 1);
}

/* ---- runs that the store knows --------------------------------------------------------------------- */

static bool is_still_its(const struct record *record, const struct journal_entry *entry)
{
    return record->status == RUN_OWNED && record->epoch == entry->epoch && memcmp(&record->owner, &entry->owner, sizeof(entry->owner)) == 0;
}

static bool load_steps(struct run *run, const struct loaded_run *loaded)
{
    struct error error;

    run->steps = loaded->checkpoint_count > 0 ? checkpoints_create() : NULL;
    for (size_t i = 0; i < loaded->checkpoint_count; i++) {
        if (checkpoints_load(run->steps, i, loaded->checkpoints[i], &error) != 0)
            return false;
    }
    return true;
}

static void say(const struct journal_entry *entry)
{
    if (entry->signal != 0)
        log_error("function %s crashed the daemon with signal %d (SIG%s), in run %s%s%s: the attempt counts as failed", entry->function,
                  entry->signal, sigabbrev_np(entry->signal) != NULL ? sigabbrev_np(entry->signal) : "?", entry->run_id,
                  entry->has_step ? ", step " : "", entry->has_step ? entry->step.id : "");
    else
        log_error("function %s ended the daemon by exit(), in run %s: that attempt counts as failed", entry->function, entry->run_id);
}

static void fail_attempt(struct recovery *recovery, const struct journal_entry *entry, const struct function *function,
                         const struct loaded_run *loaded)
{
    const struct record *record = &loaded->record;
    struct step_call step = entry->step;
    struct attempt_report report;
    struct event event = { 0 };
    struct stepd_ctx ctx;
    struct slot slot;
    char text[80];

    record_init_event(record, &event);
    struct run run = {
        .function = function,
        .event = &event,
        .attempt = record->attempt,
        .phase = record->phase,
        .epoch = record->epoch,
        .owner = record->owner,
        .created_ms = record->created_ms,
        .tail = record->tail,
    };
    memcpy(run.id.text, entry->run_id, sizeof(run.id.text));
    slot_init(&slot);
    context_init(&ctx);
    ctx.slot = &slot;
    ctx.store = store_port(recovery->settings.store);
    ctx.publisher = recovery->settings.publisher;
    ctx.settings = recovery->settings.attempts;
    step.is_running = true;
    (void)snprintf(text, sizeof(text), entry->signal != 0 ? "the handler ended its process with signal %d" : "the handler called exit()",
                   entry->signal);
    if (load_steps(&run, loaded))
        attempt_fail(&ctx, &run, entry->has_step ? &step : NULL, "HandlerCrashed", text, &report);
    checkpoints_destroy(run.steps);
    context_done(&ctx);
    event_done(&event);
}

/* A run that was only in flight is reaped with its worker's lease, and so is one whose outcome is the
 * store's to call unknown. */
static int count_known(struct recovery *recovery, const struct journal_entry *entry)
{
    const struct function *function = recovery->settings.find_function(recovery->settings.context, entry->function);
    struct loaded_run loaded;
    struct error error;

    if (entry->state != JOURNAL_CRASHED || function == NULL || (entry->has_step && entry->step.is_at_most_once))
        return 0;
    int status = runs_load(recovery->settings.store, entry->run_id, &loaded, &error);
    if (status == -ENOENT || status == -EBADMSG)
        return 0;
    if (status != 0)
        return status;
    if (is_still_its(&loaded.record, entry))
        fail_attempt(recovery, entry, function, &loaded);
    loaded_run_done(&loaded);
    return 0;
}

/* ---- the thread ------------------------------------------------------------------------------------ */

static void *recovery_main(void *argument)
{
    struct recovery *recovery = argument;
    size_t count = 0;
    const struct journal_entry *found = recovery->settings.journal != NULL ? journal_found(recovery->settings.journal, &count) : NULL;
    int status = 0;

    for (size_t i = 0; status == 0 && i < count; i++) {
        if (found[i].state == JOURNAL_CRASHED)
            say(&found[i]);
        status = found[i].epoch > 0 ? count_known(recovery, &found[i]) : count_unknown(recovery, &found[i]);
    }
    if (status == 0 && recovery->settings.journal != NULL)
        journal_forget_found(recovery->settings.journal);
    LOCK_GUARD(&recovery->lock);
    recovery->is_done = true;
    recovery->is_broken_off = status != 0;
    condition_wake_all(&recovery->changed);
    return NULL;
}

int recovery_start(const struct recovery_settings *settings, struct recovery **ret_recovery, struct error *ret_error)
{
    struct recovery *recovery = xcalloc(1, sizeof(*recovery));

    recovery->settings = *settings;
    lock_init(&recovery->lock);
    condition_init(&recovery->changed);
    int status = thread_start(&recovery->thread, "recovery", 0, recovery_main, recovery, ret_error);
    if (status != 0) {
        free(recovery);
        return status;
    }
    *ret_recovery = recovery;
    return 0;
}

bool recovery_wait(struct recovery *recovery)
{
    LOCK_GUARD(&recovery->lock);
    pulse_rest_here(); /* it waits for Redis */
    while (!recovery->is_done)
        condition_wait(&recovery->changed, &recovery->lock);
    pulse_beat_here();
    return !recovery->is_broken_off;
}

bool recovery_is_done(struct recovery *recovery)
{
    LOCK_GUARD(&recovery->lock);
    return recovery->is_done;
}

void recovery_destroy(struct recovery *recovery)
{
    if (recovery == NULL)
        return;
    thread_join(&recovery->thread);
    condition_done(&recovery->changed);
    lock_done(&recovery->lock);
    free(recovery);
}
