/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Something that a pool's thread is to do once. It is part of what it is done to, whose owner it passes on: of a list
 * or the ring, then of the thread that runs it.
 */
#ifndef STEPD_POOL_TASK_H
#define STEPD_POOL_TASK_H

#include <assert.h>
#include <stddef.h>

struct pool_thread; /* pool/pool.h */

struct task {
    struct task *next; /* of the list that it is in */
    /* What the same thread runs next; NULL: whatever waits. Also NULL once the thread's work was taken over. */
    struct task *(*run)(struct task *task, struct pool_thread *thread);
};

struct task_list {
    struct task *first;
    struct task *last;
};

static inline void tasks_add(struct task_list *list, struct task *task)
{
    assert(task->run != NULL);
    assert(list->first == NULL || list->last->next == NULL);
    task->next = NULL;
    if (list->first == NULL)
        list->first = task;
    else
        list->last->next = task;
    list->last = task;
}

/* NULL: empty. */
static inline struct task *tasks_take(struct task_list *list)
{
    struct task *task = list->first;

    if (task != NULL)
        list->first = task->next;
    return task;
}

#endif
