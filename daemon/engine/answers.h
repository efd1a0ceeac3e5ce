/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store, or the brokers, were asked for by workers that do not wait for the answers. Each is counted until it is answered, and
 * until it is done. What a worker has to end is handed to it in a list: one task of the pool's takes all that has come by then.
 */
#ifndef STEPD_ENGINE_ANSWERS_H
#define STEPD_ENGINE_ANSWERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/lock.h"
#include "pool/task.h"

struct dispatch;

/* One that is answered, and stands in the list. */
struct answer {
    struct answer *next;
};

struct answers {
    struct task task; /* first; in a list of the pool's, or with a worker */
    struct dispatch *dispatch;
    struct lock lock;
    struct answer *first; /* lock */
    struct answer **last; /* lock */
    bool is_called;       /* lock; the task is on its way */
    atomic_size_t asked;  /* that are not answered */
    atomic_size_t count;  /* that are not done */
};

/* `run` is given the task, and takes the list. */
void answers_init(struct answers *answers, struct dispatch *dispatch, struct task *(*run)(struct task *task, struct pool_thread *thread));
/* Its list is empty, and nothing is asked. */
void answers_done(struct answers *answers);

/* A worker, before it asks the store; and where the store does not take it. */
void answers_ask(struct answers *answers);
void answers_take_back(struct answers *answers);
/* A worker, where one that was answered, and is not done, needs one more answer: of the store, or of the brokers. */
void answers_ask_again(struct answers *answers);
/* A lane's thread, or the publisher's: a worker is to end it. */
void answers_add(struct answers *answers, struct answer *answer);
/* The same thread, the last thing that it does with an answer: `answers` may be gone from here on. */
void answers_heard(struct answers *answers);
/* Any thread: one is done. */
void answers_end(struct answers *answers);
/* All in the list; NULL: it is empty. */
struct answer *answers_take(struct answers *answers);

static inline size_t answers_asked(const struct answers *answers)
{
    return atomic_load_explicit(&answers->asked, memory_order_relaxed);
}

static inline size_t answers_count(const struct answers *answers)
{
    return atomic_load(&answers->count);
}

/* After the store has stopped: none of them is the store's any more. False: some are, even after 3 s. */
bool answers_await(const struct answers *answers);

#endif
