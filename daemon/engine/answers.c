/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/answers.h"

#include <assert.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/worker.h"

#define ANSWERS_MS 3000 /* of a store that has stopped */
#define LOOK_US 1000

void answers_init(struct answers *answers, struct dispatch *dispatch, struct task *(*run)(struct task *task, struct pool_thread *thread))
{
    *answers = (struct answers){ .task.run = run, .dispatch = dispatch };
    lock_init(&answers->lock);
    answers->last = &answers->first;
}

void answers_done(struct answers *answers)
{
    assert(atomic_load(&answers->asked) == 0 && answers->first == NULL);
    lock_done(&answers->lock);
}

void answers_ask(struct answers *answers)
{
    atomic_fetch_add(&answers->count, 1);
    atomic_fetch_add(&answers->asked, 1);
}

void answers_ask_again(struct answers *answers)
{
    assert(atomic_load(&answers->count) > 0);
    atomic_fetch_add(&answers->asked, 1);
}

void answers_take_back(struct answers *answers)
{
    answers_heard(answers);
    answers_end(answers);
}

void answers_add(struct answers *answers, struct answer *answer)
{
    answer->next = NULL;
    lock_take(&answers->lock);
    *answers->last = answer;
    answers->last = &answer->next;
    bool must_call = !answers->is_called;
    answers->is_called = true;
    lock_give(&answers->lock);
    if (must_call)
        pool_add(answers->dispatch->pool, &answers->task, TASK_IS_BACK);
}

void answers_heard(struct answers *answers)
{
    assert(atomic_load(&answers->asked) > 0);
    atomic_fetch_sub(&answers->asked, 1);
}

void answers_end(struct answers *answers)
{
    assert(atomic_load(&answers->count) > 0);
    atomic_fetch_sub(&answers->count, 1);
}

struct answer *answers_take(struct answers *answers)
{
    LOCK_GUARD(&answers->lock);
    struct answer *first = answers->first;
    answers->first = NULL;
    answers->last = &answers->first;
    answers->is_called = false;
    return first;
}

bool answers_await(const struct answers *answers)
{
    int64_t until_ms = clock_monotonic_ms() + ANSWERS_MS;

    while (atomic_load(&answers->asked) > 0) {
        if (clock_monotonic_ms() >= until_ms)
            return false;
        (void)usleep(LOOK_US);
    }
    return true;
}
