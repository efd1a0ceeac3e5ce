/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/away.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/memory.h"
#include "run/checkpoints.h"
#include "run/errand.h"

void away_list_init(struct away_list *list, int places, void (*come_back)(void *context, struct away *away), void *context)
{
    assert(places >= 0);
    lock_init(&list->lock);
    list->first = NULL;
    list->places = places;
    atomic_init(&list->count, 0);
    atomic_init(&list->in_line, 0);
    list->come_back = come_back;
    list->context = context;
}

void away_list_done(struct away_list *list)
{
    while (list->first != NULL) {
        struct away *away = list->first;
        errand_destroy(away->run->errand);
        if (away->job.claimed != NULL)
            away->job.claimed->release(away->job.claimed);
        else
            checkpoints_destroy(away->own_run.steps);
        away_return(away);
        free(away);
    }
    lock_done(&list->lock);
}

/* A message's run that has a place of its own counts among those, until it is back. */
static void take_place(struct away_list *list, struct away *away)
{
    assert_held(&list->lock);
    away->has_place = away->job.message != NULL && away->run->errand->has_place && list->places > 0;
    if (!away->has_place)
        return;
    list->places--;
    message_run_leaves(away->job.message);
}

static void give_place(struct away_list *list, struct away *away)
{
    assert_held(&list->lock);
    if (!away->has_place)
        return;
    list->places++;
    message_run_returns(away->job.message);
}

static void add(struct away_list *list, struct away *away)
{
    LOCK_GUARD(&list->lock);
    take_place(list, away);
    away->next = list->first;
    away->link = &list->first;
    if (away->next != NULL)
        away->next->link = &away->next;
    list->first = away;
    away->is_in_line = away->job.message == NULL && away->run->errand->waits_for_turn;
    atomic_fetch_add(&list->in_line, away->is_in_line);
    atomic_fetch_add(&list->count, 1);
}

static void come_back(void *home)
{
    struct away *away = home;

    away->list->come_back(away->list->context, away);
}

void away_leave(struct away_list *list, const struct job *job, struct run *run)
{
    struct away *away = xcalloc(1, sizeof(*away));

    assert(run->errand != NULL);
    assert((job->claimed != NULL) != (job->message != NULL));
    away->list = list;
    away->job = *job;
    away->run = run;
    if (job->claimed == NULL) {
        away->own_run = *run;
        away->run = &away->own_run;
    }
    struct errand *errand = away->run->errand;
    add(list, away);
    errand->ops->leave(errand, come_back, away); /* it may be gone from here on */
}

void away_return(struct away *away)
{
    struct away_list *list = away->list;

    LOCK_GUARD(&list->lock);
    give_place(list, away);
    assert(*away->link == away);
    assert(atomic_load(&list->count) > 0);
    *away->link = away->next;
    if (away->next != NULL)
        away->next->link = away->link;
    atomic_fetch_sub(&list->in_line, away->is_in_line);
    atomic_fetch_sub(&list->count, 1);
}

static bool is_held(const struct run *run, const char *run_id)
{
    return run->epoch > 0 && (run_id == NULL || strcmp(run->id.text, run_id) == 0);
}

static void cancel(struct away *away)
{
    away->run->errand->ops->cancel(away->run->errand);
}

void away_cancel(struct away_list *list, const char *run_id)
{
    LOCK_GUARD(&list->lock);
    for (struct away *away = list->first; away != NULL; away = away->next) {
        if (is_held(away->run, run_id))
            cancel(away);
    }
}

void away_cancel_first(struct away_list *list, const char *run_id)
{
    LOCK_GUARD(&list->lock);
    for (struct away *away = list->first; away != NULL; away = away->next) {
        if (away->run->epoch == 0 && strcmp(away->run->id.text, run_id) == 0)
            cancel(away);
    }
}

void away_cancel_all(struct away_list *list)
{
    LOCK_GUARD(&list->lock);
    for (struct away *away = list->first; away != NULL; away = away->next)
        cancel(away);
}

void away_hear(struct away_list *list, const char *run_id)
{
    LOCK_GUARD(&list->lock);
    for (struct away *away = list->first; away != NULL; away = away->next) {
        const struct errand_ops *ops = away->run->errand->ops;
        if (is_held(away->run, run_id) && ops->hear != NULL)
            ops->hear(away->run->errand);
    }
}
