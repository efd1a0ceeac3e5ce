/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run that waits for a worker, or has one: a function on a message, or a run that the store gave
 * us. Has one owner at a time: a queue, a strand, a gate, a worker, or those that are away.
 */
#ifndef STEPD_RUN_JOB_H
#define STEPD_RUN_JOB_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "pool/task.h"
#include "run/claimed.h"
#include "run/function.h"
#include "run/gathered.h"
#include "run/message.h"

struct job {
    struct task task;                /* first */
    struct job *next;                /* of a strand's, gate's or other list */
    const struct function *function; /* NULL: it is nobody's, a batch's event or a claimed run, or is_match */
    struct message *message;         /* NULL: claimed */
    struct event *event;             /* of the message: itself, or one of a batch; NULL: claimed */
    struct claimed *claimed;         /* NULL: of a message */
    struct gathered *gathered;       /* of several messages, `message` is the first; NULL: of one */
    struct strand *strand;           /* that it holds or waits for; NULL: none */
    bool is_match;                   /* the event ends waits; function is NULL then */
    bool is_gated;                   /* it counts for its function's concurrency */
    bool is_over;                    /* over it: it is to wait in the store */
    bool is_expected;                /* the gate counts it among those that are going to be queued */
    bool is_in_batch;                /* it stands in the place that its message's batch has for it: never freed by itself */
    struct away *away;               /* it has come back from an errand; NULL: it begins */
};

static_assert(offsetof(struct job, task) == 0, "job_run() is given the task");

/* A message's: its run has ended, as far as the message goes. What it is of may be gone from here on. */
static inline void job_end_messages(const struct job *job, enum message_state state)
{
    if (job->gathered != NULL)
        gathered_end(job->gathered, state);
    else
        message_end_run(job->message, state);
}

struct job_list {
    struct job *first;
    struct job *last;
};

static inline void jobs_add(struct job_list *list, struct job *job)
{
    job->next = NULL;
    if (list->first == NULL)
        list->first = job;
    else
        list->last->next = job;
    list->last = job;
}

/* NULL: empty. */
static inline struct job *jobs_take(struct job_list *list)
{
    struct job *job = list->first;

    if (job != NULL)
        list->first = job->next;
    return job;
}

/* Takes all of `other`. */
static inline void jobs_append(struct job_list *list, struct job_list *other)
{
    if (other->first == NULL)
        return;
    if (list->first == NULL)
        list->first = other->first;
    else
        list->last->next = other->first;
    list->last = other->last;
    other->first = NULL;
}

#endif
