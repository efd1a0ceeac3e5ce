/* SPDX-License-Identifier: Apache-2.0 */
#include "run/branch_task.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "run/journal.h"
#include "run/step_internal.h"

static_assert(offsetof(struct branch_task, base) == 0, "run() is given the crew's part of it");

/* ---- the event ------------------------------------------------------------------------------------ */

static size_t memory_size(const struct event *event)
{
    size_t size = strlen(event->view.topic) + 1 + event->view.key_len + event->view.raw_len;

    for (size_t i = 0; i < event->header_count; i++)
        size += sizeof(struct event_header) + strlen(event->headers[i].name) + 1 + event->headers[i].value.size;
    return size;
}

static void *put(char **at, const void *data, size_t size)
{
    void *copy = *at;

    if (data == NULL)
        return NULL;
    memcpy(copy, data, size);
    *at += size;
    return copy;
}

static void copy_event(struct branch_group *group, const struct event *event)
{
    const struct stepd_event *view = &event->view;
    char *at = group->memory = xmalloc(memory_size(event) + 1);
    struct event_header *headers = (struct event_header *)(void *)at;

    at += event->header_count * sizeof(*headers);
    for (size_t i = 0; i < event->header_count; i++) {
        const struct event_header *header = &event->headers[i];
        headers[i].name = put(&at, header->name, strlen(header->name) + 1);
        headers[i].value = (struct bytes){ put(&at, header->value.data, header->value.size), header->value.size };
    }
    const char *topic = put(&at, view->topic, strlen(view->topic) + 1);
    struct bytes key = { put(&at, view->key, view->key_len), view->key_len };
    struct bytes value = { put(&at, view->raw, view->raw_len), view->raw_len };
    event_init(&group->event, topic, view->partition, view->offset, event->timestamp_ms, key, value, headers, event->header_count);
    group->event.part = event->part;
    (void)event_view(&group->event);
    (void)event_row(&group->event);
}

struct branch_group *branch_group_create(const struct run *run)
{
    struct branch_group *group = xcalloc(1, sizeof(*group));

    lock_init(&group->lock);
    condition_init(&group->news);
    group->holders = 1;
    copy_event(group, run->event);
    return group;
}

void branch_group_leave(struct branch_group *group)
{
    lock_take(&group->lock);
    assert(group->holders > 0);
    bool is_last = --group->holders == 0;
    lock_give(&group->lock);
    if (!is_last)
        return;
    event_done(&group->event);
    free(group->memory);
    condition_done(&group->news);
    lock_done(&group->lock);
    free(group);
}

/* ---- its thread ----------------------------------------------------------------------------------- */

static void task_destroy(struct branch_task *task)
{
    struct branch_group *group = task->group;

    msgpack_sbuffer_destroy(&task->output);
    free(task);
    branch_group_leave(group);
}

static void begin(struct branch_task *task, struct stepd_ctx *ctx)
{
    int64_t now_ns = clock_monotonic_ns();

    assert(ctx->slot != NULL);
    context_begin(ctx, &task->run, now_ns);
    ctx->step = task->step;
    ctx->step_raised.kind = RAISED_NOTHING;
    LOCK_GUARD(&task->group->lock);
    journal_begin(ctx->journal, &task->run);
    task->slot = ctx->slot;
    task->journal = ctx->journal;
    task->deadline_ns = task->step.timeout_ms > 0 ? now_ns + task->step.timeout_ms * 1000000 : 0;
    if (task->state == BRANCH_TASK_QUEUED)
        task->state = BRANCH_TASK_RUNNING;
    else
        branch_task_cancel(task); /* it was dropped as it came */
}

/* False: nobody waits for it any more. */
static bool end(struct branch_task *task, struct stepd_ctx *ctx, enum stepd_status status)
{
    LOCK_GUARD(&task->group->lock);
    journal_end(ctx->journal);
    assert(task->state == BRANCH_TASK_RUNNING || task->state == BRANCH_TASK_LEFT);
    task->slot = NULL;
    task->journal = NULL;
    if (task->state == BRANCH_TASK_LEFT)
        return false;
    task->status = status;
    task->raised = ctx->step_raised;
    if (ctx->step_output.size > 0)
        msgpack_sbuffer_write(&task->output, ctx->step_output.data, ctx->step_output.size);
    task->state = BRANCH_TASK_ENDED;
    condition_wake_all(&task->group->news);
    return true;
}

static bool run(struct crew_task *base, struct stepd_ctx *ctx)
{
    struct branch_task *task = (struct branch_task *)(void *)base;
    enum stepd_status status = STEPD_FAILED;

    begin(task, ctx);
    (void)step_run_body(ctx, task->fn, task->arg, &status);
    context_end(ctx);
    bool is_wanted = end(task, ctx, status);
    if (!is_wanted)
        task_destroy(task);
    return is_wanted;
}

/* ---- the run's holder ----------------------------------------------------------------------------- */

struct branch_task *branch_task_create(struct stepd_ctx *ctx, struct branch_group *group, const struct stepd_branch *branch)
{
    struct branch_task *task = xcalloc(1, sizeof(*task));

    task->base.run = run;
    task->group = group;
    task->fn = branch->fn;
    task->arg = branch->arg;
    task->step = ctx->step;
    task->run = *ctx->run;
    task->run.event = &group->event;
    task->run.tail = (struct bytes){ 0 };
    task->run.steps = NULL;
    task->run.errand = NULL;
    if (ctx->run->last != NULL) {
        task->last = *ctx->run->last;
        task->run.last = &task->last;
    }
    msgpack_sbuffer_init(&task->output);
    LOCK_GUARD(&group->lock);
    assert(group->holders > 0); /* its maker */
    group->holders++;
    return task;
}

void branch_task_cancel(struct branch_task *task)
{
    assert_held(&task->group->lock);
    if (task->slot != NULL)
        atomic_store_explicit(&task->slot->is_cancelled, true, memory_order_relaxed);
}

void branch_task_drop(struct branch_task *task, struct crew *crew)
{
    struct branch_group *group = task->group;
    const char *function = task->run.function->id;

    if (crew->ops->withdraw(crew, &task->base)) {
        task_destroy(task);
        return;
    }
    lock_take(&group->lock);
    bool has_ended = task->state == BRANCH_TASK_ENDED;
    if (!has_ended) {
        task->state = BRANCH_TASK_LEFT; /* its thread frees it */
        branch_task_cancel(task);
    }
    lock_give(&group->lock);
    if (has_ended)
        task_destroy(task);
    else
        crew->ops->leave(crew, function);
}
