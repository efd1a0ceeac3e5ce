/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/settle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/answers.h"
#include "engine/worker.h"
#include "run/checkpoints.h"

#define ASKED_MOST 1024 /* at once, and bytes of them; past it a worker waits for the answer */
#define BYTES_MOST ((size_t)4 << 20)
#define TAIL_MOST ((size_t)64 << 10) /* a larger one is not copied */

struct settlements {
    struct answers answers; /* first; its task ends what is answered */
    settled_fn end;
    atomic_size_t bytes; /* of those that the store has not answered, about */
};

struct settling {
    struct pending_change pending; /* first */
    struct answer answer;
    struct settlements *settlements;
    struct job job;
    struct run own_run; /* of a message; pending.run is it, or the claimed one's */
    struct transition change;
    struct attempt_report report;
    struct failure failure; /* that the report points to */
    size_t size;            /* of what it asks, about */
    char tail[];            /* that the change points to */
};

static_assert(offsetof(struct settlements, answers) == 0, "settle_answered() is given the task");
static_assert(offsetof(struct settling, pending) == 0, "answered() is given the change");

/* ---- a worker leaves ------------------------------------------------------------------------------ */

static bool has_room(const struct settlements *settlements)
{
    return answers_asked(&settlements->answers) < ASKED_MOST &&
           atomic_load_explicit(&settlements->bytes, memory_order_relaxed) < BYTES_MOST;
}

/* A place may be given back by its end, or a turn is still to come: whoever ends it waits for the answer. */
static bool is_limited(const struct run *run)
{
    return function_is_lined(run->function) && (run->epoch == 0 || run->is_limited);
}

bool settle_may(const struct worker *worker)
{
    const struct job *job = &worker->job;
    const struct run *run = worker->run;

    return worker->ctx.store->ops->advance_later != NULL && job->strand == NULL && job->gathered == NULL && !run_is_ordered(run) &&
           run->span == 0 && !is_limited(run) && !function_has_breaker(run->function) && !worker_is_draining(worker) &&
           has_room(worker->dispatch->settlements);
}

static void answered(struct pending_change *pending)
{
    struct settling *settling = (struct settling *)pending;
    struct settlements *settlements = settling->settlements;
    size_t size = settling->size;

    answers_add(&settlements->answers, &settling->answer);
    assert(atomic_load(&settlements->bytes) >= size);
    atomic_fetch_sub(&settlements->bytes, size);
    answers_heard(&settlements->answers);
}

static struct settling *settling_create(struct worker *worker, const struct attempt_report *report)
{
    const struct transition *change = &worker->ctx.settling;
    struct settling *settling = xmalloc(sizeof(*settling) + change->tail.size);

    assert(change->tail.size <= TAIL_MOST);
    assert(worker->job.strand == NULL && worker->job.gathered == NULL);
    settling->settlements = worker->dispatch->settlements;
    settling->job = worker->job;
    settling->own_run = *worker->run;
    settling->change = *change;
    settling->size = change->tail.size + (worker->run->epoch == 0 ? worker->run->event->view.raw_len : 0);
    settling->report = *report;
    if (report->failure != NULL) {
        settling->failure = *report->failure;
        settling->report.failure = &settling->failure;
    }
    if (change->tail.size > 0)
        memcpy(settling->tail, change->tail.data, change->tail.size);
    if (change->tail.data != NULL)
        settling->change.tail.data = settling->tail;
    settling->pending = (struct pending_change){
        .run = worker->job.claimed != NULL ? worker->run : &settling->own_run,
        .change = &settling->change,
        .done = answered,
    };
    return settling;
}

static bool is_asked(struct worker *worker, struct settling *settling)
{
    struct settlements *settlements = settling->settlements;

    answers_ask(&settlements->answers);
    atomic_fetch_add(&settlements->bytes, settling->size);
    if (worker->ctx.store->ops->advance_later(worker->ctx.store, &settling->pending))
        return true;
    atomic_fetch_sub(&settlements->bytes, settling->size);
    answers_take_back(&settlements->answers);
    return false;
}

bool settle_leave(struct worker *worker, struct attempt_report *report)
{
    if (report->end != ATTEMPT_SETTLING)
        return false;
    const struct transition change = worker->ctx.settling;
    struct settling *settling = change.tail.size <= TAIL_MOST ? settling_create(worker, report) : NULL;

    if (settling != NULL && is_asked(worker, settling))
        return true;
    free(settling);
    attempt_settle(&worker->ctx, worker->run, &change, report);
    return false;
}

/* ---- a worker ends what is answered ---------------------------------------------------------------- */

static bool is_agreed(const struct settling *settling)
{
    return settling->pending.status == 0 && settling->pending.reply.answer == STORE_OK;
}

/* What the store did not agree to is asked again, as any change may be, by one who waits and sees to what follows. */
static void settle(struct worker *worker, struct settling *settling)
{
    struct run *run = (struct run *)(uintptr_t)settling->pending.run;

    worker->job = settling->job;
    if (worker->job.claimed == NULL)
        worker->own_run = *run;
    worker->run = worker->job.claimed != NULL ? run : &worker->own_run;
    if (is_agreed(settling))
        attempt_settled(worker->run, &settling->change, &settling->pending.reply, &settling->report);
    else
        attempt_settle(&worker->ctx, worker->run, &settling->change, &settling->report);
    settling->settlements->end(worker, &settling->report);
    answers_end(&settling->settlements->answers);
    free(settling);
}

static struct settling *settling_of(struct answer *answer)
{
    return (struct settling *)((char *)answer - offsetof(struct settling, answer));
}

static struct task *settle_answered(struct task *task, struct pool_thread *thread)
{
    struct settlements *settlements = (struct settlements *)task;

    for (struct answer *answer = answers_take(&settlements->answers), *next; answer != NULL; answer = next) {
        next = answer->next;
        settle(worker_of(thread), settling_of(answer));
    }
    worker_look_at_clock(worker_of(thread));
    return NULL;
}

/* ---- the life of it -------------------------------------------------------------------------------- */

struct settlements *settlements_create(struct dispatch *dispatch, settled_fn end)
{
    struct settlements *settlements = xcalloc(1, sizeof(*settlements));

    settlements->end = end;
    answers_init(&settlements->answers, dispatch, settle_answered);
    atomic_init(&settlements->bytes, 0);
    return settlements;
}

size_t settlements_count(struct settlements *settlements)
{
    return answers_count(&settlements->answers);
}

bool settlements_await(struct settlements *settlements)
{
    return answers_await(&settlements->answers);
}

void settlements_destroy(struct settlements *settlements)
{
    for (struct answer *answer = answers_take(&settlements->answers), *next; answer != NULL; answer = next) {
        struct settling *settling = settling_of(answer);
        next = answer->next;
        if (settling->job.claimed != NULL)
            settling->job.claimed->release(settling->job.claimed);
        else
            checkpoints_destroy(settling->own_run.steps);
        free(settling);
    }
    answers_done(&settlements->answers);
    free(settlements);
}
