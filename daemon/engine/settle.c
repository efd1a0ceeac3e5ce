/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/settle.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/answers.h"
#include "engine/worker.h"
#include "run/checkpoints.h"

#define ASKED_MOST 1024   /* at once, and bytes of them; past it a worker waits for the answer */
#define FAILING_MOST 4096 /* each waits three times, once for the brokers */
#define BYTES_MOST ((size_t)4 << 20)
#define TAIL_MOST ((size_t)64 << 10) /* a larger one is not copied */

struct burden {
    size_t most;
    atomic_size_t count;
    atomic_size_t bytes; /* about */
};

struct settlements {
    struct answers answers; /* first; its task ends what is answered */
    settled_fn end;
    struct burden asked;   /* those that the store has not answered, but for: */
    struct burden failing; /* runs that fail for good, until that is over: brokers that are away keep no others waiting */
};

/* What its answer is of. A run that fails for good has all three, one after another; others the last alone. */
enum settling_stage {
    STAGE_FAILING, /* the store: that it has failed, so that its function is not run again, */
    STAGE_OUT,     /* the brokers: its dead letter and stepd/function.failed, */
    STAGE_LAST,    /* the store: the run's last change, or the attempt's */
};

struct settling {
    struct pending_change pending;    /* first */
    struct task task;                 /* of its own, where a worker has to wait */
    struct pending_delivery delivery; /* STAGE_OUT */
    struct answer answer;
    enum settling_stage stage;
    struct burden *burden; /* that it is part of */
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

static bool has_room(const struct burden *burden)
{
    return atomic_load_explicit(&burden->count, memory_order_relaxed) < burden->most &&
           atomic_load_explicit(&burden->bytes, memory_order_relaxed) < BYTES_MOST;
}

static void burden_add(struct burden *burden, size_t size)
{
    atomic_fetch_add(&burden->count, 1);
    atomic_fetch_add(&burden->bytes, size);
}

static void burden_drop(struct burden *burden, size_t size)
{
    assert(atomic_load(&burden->count) > 0 && atomic_load(&burden->bytes) >= size);
    atomic_fetch_sub(&burden->count, 1);
    atomic_fetch_sub(&burden->bytes, size);
}

static struct burden *burden_of(struct settlements *settlements, const struct transition *change)
{
    return attempt_is_failing(change) ? &settlements->failing : &settlements->asked;
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
           has_room(&worker->dispatch->settlements->asked);
}

static bool is_failing(const struct settling *settling)
{
    return settling->burden == &settling->settlements->failing;
}

/* Its answer is there. */
static void hear(struct settling *settling)
{
    struct settlements *settlements = settling->settlements;

    if (!is_failing(settling))
        burden_drop(settling->burden, settling->size);
    answers_add(&settlements->answers, &settling->answer); /* a worker's from here on */
    answers_heard(&settlements->answers);
}

static void answered(struct pending_change *pending)
{
    hear((struct settling *)pending);
}

static void delivered(struct pending_delivery *pending)
{
    hear((struct settling *)((char *)pending - offsetof(struct settling, delivery)));
}

/* Of what the store is asked, and of a failure's dead letter. */
static size_t size_of(const struct run *run, const struct transition *change)
{
    return change->tail.size + (run->epoch == 0 || attempt_is_failing(change) ? run->event->view.raw_len : 0);
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
    settling->size = size_of(worker->run, change);
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
    settling->delivery = (struct pending_delivery){ .done = delivered };
    settling->burden = burden_of(settling->settlements, change);
    settling->stage = is_failing(settling) ? STAGE_FAILING : STAGE_LAST;
    return settling;
}

static bool is_asked(struct worker *worker, struct settling *settling)
{
    struct answers *answers = &settling->settlements->answers;

    answers_ask(answers);
    burden_add(settling->burden, settling->size);
    if (worker->ctx.store->ops->advance_later(worker->ctx.store, &settling->pending))
        return true;
    burden_drop(settling->burden, settling->size);
    answers_take_back(answers);
    return false;
}

bool settle_leave(struct worker *worker, struct attempt_report *report)
{
    if (report->end != ATTEMPT_SETTLING)
        return false;
    const struct transition change = worker->ctx.settling;
    bool may_leave = change.tail.size <= TAIL_MOST && has_room(burden_of(worker->dispatch->settlements, &change));
    struct settling *settling = may_leave ? settling_create(worker, report) : NULL;

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

static struct run *run_of(const struct settling *settling)
{
    return (struct run *)(uintptr_t)settling->pending.run;
}

/* What tells of a failure goes out, once the store has it: nothing of that is said before. */
static void send_failure(struct worker *worker, struct settling *settling)
{
    run_follow(run_of(settling), &settling->change, &settling->pending.reply);
    settling->stage = STAGE_OUT;
    answers_ask_again(&settling->settlements->answers);
    attempt_send_failure(&worker->ctx, run_of(settling), &settling->report, &settling->delivery);
}

/* All of it is out. False: the store can't be asked without waiting. */
static bool is_burying(struct worker *worker, struct settling *settling)
{
    struct answers *answers = &settling->settlements->answers;

    settling->change = attempt_burial(run_of(settling));
    settling->stage = STAGE_LAST;
    answers_ask_again(answers);
    if (worker->ctx.store->ops->advance_later(worker->ctx.store, &settling->pending))
        return true;
    answers_heard(answers);
    settling->stage = STAGE_OUT;
    return false;
}

/* Whether it waits for its next answer, without a thread. */
static bool goes_on(struct worker *worker, struct settling *settling)
{
    if (worker_is_draining(worker))
        return false;
    if (settling->stage == STAGE_FAILING && is_agreed(settling)) {
        send_failure(worker, settling);
        return true;
    }
    return settling->stage == STAGE_OUT && settling->delivery.status == 0 && is_burying(worker, settling);
}

/* What the store did not agree to is asked again, as any change may be, by one who waits and sees to what follows; so is what the brokers
 * did not take. */
static void see_to_end(struct worker *worker, struct settling *settling)
{
    struct stepd_ctx *ctx = &worker->ctx;
    struct attempt_report *report = &settling->report;

    if (settling->stage == STAGE_OUT) {
        attempt_bring_out(ctx, worker->run, settling->delivery.status, report);
    } else if (!is_agreed(settling)) {
        attempt_settle(ctx, worker->run, &settling->change, report);
    } else if (settling->stage == STAGE_FAILING) {
        run_follow(worker->run, &settling->change, &settling->pending.reply);
        attempt_bring_out(ctx, worker->run, -EAGAIN, report);
    } else {
        attempt_settled(worker->run, &settling->change, &settling->pending.reply, report);
    }
}

static void end_settling(struct worker *worker, struct settling *settling)
{
    struct settlements *settlements = settling->settlements;
    struct run *run = run_of(settling);

    worker->job = settling->job;
    if (worker->job.claimed == NULL)
        worker->own_run = *run;
    worker->run = worker->job.claimed != NULL ? run : &worker->own_run;
    see_to_end(worker, settling);
    settlements->end(worker, &settling->report);
    if (is_failing(settling))
        burden_drop(settling->burden, settling->size);
    answers_end(&settlements->answers);
    free(settling);
}

static struct task *end_alone(struct task *task, struct pool_thread *thread)
{
    end_settling(worker_of(thread), (struct settling *)((char *)task - offsetof(struct settling, task)));
    worker_look_at_clock(worker_of(thread));
    return NULL;
}

/* While the brokers take nothing a run that fails holds a worker: one of its own, not those behind it in the list. */
static bool waits_for_brokers(const struct settling *settling)
{
    return settling->stage == STAGE_OUT && settling->delivery.status == -EAGAIN;
}

static void settle(struct worker *worker, struct settling *settling)
{
    if (goes_on(worker, settling))
        return;
    if (!waits_for_brokers(settling)) {
        end_settling(worker, settling);
        return;
    }
    settling->task.run = end_alone;
    pool_add(worker->dispatch->pool, &settling->task, TASK_IS_BACK);
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
    settlements->asked.most = ASKED_MOST;
    settlements->failing.most = FAILING_MOST;
    answers_init(&settlements->answers, dispatch, settle_answered);
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
