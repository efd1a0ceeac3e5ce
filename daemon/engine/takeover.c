/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/takeover.h"

#include <assert.h>
#include <stdlib.h>

#include "engine/finish.h"
#include "engine/start.h"
#include "engine/worker.h"
#include "run/checkpoints.h"
#include "run/errand.h"

/* One of its two holders has done with it. */
static void drop(struct takeover *takeover)
{
    assert(atomic_load(&takeover->holders) > 0);
    if (atomic_fetch_sub(&takeover->holders, 1) != 1)
        return;
    errand_destroy(takeover->run.errand);
    if (takeover->job.claimed != NULL) {
        takeover->job.claimed->release(takeover->job.claimed);
    } else {
        checkpoints_destroy(takeover->run.steps);
        if (takeover->job.gathered != NULL)
            gathered_let_go(takeover->job.gathered);
        else
            atomic_fetch_sub(&takeover->job.message->batch->open, 1);
    }
    free(takeover);
}

static struct task *settle(struct task *task, struct pool_thread *thread)
{
    struct worker *worker = worker_of(thread);
    struct takeover *takeover = (struct takeover *)task;

    finish_takeover(worker, &takeover->job, &takeover->run, takeover->step.is_running ? &takeover->step : NULL, takeover->started_ns);
    struct task *next = start_next(worker->dispatch, &takeover->job);
    drop(takeover);
    if (next != NULL)
        pool_add(worker->dispatch->pool, next, TASK_FOLLOWS);
    return NULL;
}

/* What the thread was at, as it stood when the watch won it. */
static void fill_takeover(struct takeover *takeover, const struct worker *worker)
{
    assert(slot_is_abandoned(&worker->thread.slot));
    assert((worker->job.claimed != NULL) != (worker->job.message != NULL));
    takeover->job = worker->job;
    takeover->run = *worker->run;
    takeover->run.errand = worker->ctx.entered_with;
    takeover->step = worker->ctx.step;
    takeover->started_ns = worker->ctx.started_ns;
    if (takeover->job.gathered != NULL)
        gathered_hold(takeover->job.gathered);
    else if (takeover->job.message != NULL)
        atomic_fetch_add(&takeover->job.message->batch->open, 1);
}

struct task *takeover_begin(struct pool_thread *thread, int64_t now_ns)
{
    struct worker *worker = worker_of(thread);
    struct takeover *takeover = xcalloc(1, sizeof(*takeover));

    assert_held(pool_lock(thread->pool));
    assert(worker->takeover == NULL);
    takeover->task.run = settle;
    atomic_init(&takeover->holders, 2);
    worker->takeover = takeover;
    if (!slot_abandon(&thread->slot, now_ns)) {
        worker->takeover = NULL;
        free(takeover);
        return NULL;
    }
    fill_takeover(takeover, worker);
    return &takeover->task;
}

void takeover_let_go(struct pool_thread *thread)
{
    assert(slot_is_abandoned(&thread->slot));
    drop(worker_of(thread)->takeover);
}

void takeover_too_many(void *context, int stuck, const struct task *task)
{
    const struct dispatch_settings *settings = &((struct dispatch *)context)->settings;
    const struct takeover *takeover = (const struct takeover *)task;
    AUTO_FREE char *why = xasprintf("%d threads are stuck in handlers past their timeouts, the last one in function %s: "
                                    "worker.max_stuck is %d",
                                    stuck, takeover->run.function->id, settings->max_stuck);

    settings->fatal(why);
}
