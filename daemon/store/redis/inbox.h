/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What other threads have for a lane: requests that wait, where it is to lead, that it is to stop. They wake
 * it where it sleeps. Locks itself.
 */
#ifndef STEPD_STORE_REDIS_INBOX_H
#define STEPD_STORE_REDIS_INBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/lock.h"
#include "store/redis/pipeline.h"
#include "store/redis/request.h"
#include "store/redis/url.h"

struct inbox {
    int wake_fd; /* readable: whoever sleeps is to wake up */
    struct lock lock;
    struct request_list waiting;   /* lock */
    size_t count;                  /* lock; of them */
    struct request_list unhurried; /* lock; likewise: they go to the others once they are many, or have waited for a moment */
    size_t unhurried_count;        /* lock */
    int64_t unhurried_until_ms;    /* lock; monotonic */
    struct redis_place place;      /* lock; where the lane leads; name "": nowhere */
    unsigned turn;                 /* lock; how often it was told so */
    bool is_asleep;                /* lock; whoever adds to `waiting` must wake it */
    bool is_stopping;              /* lock */
    bool is_lendable;              /* lock; the lane sleeps, and nothing is under way on its link */
    bool is_lent;                  /* lock */
    bool is_wanted;                /* lock; the lane's thread waits for what is lent */
    int64_t lends_from_ms;         /* lock; monotonic */
    struct condition returned;     /* lock; is_lent */
};

void inbox_init(struct inbox *inbox);
void inbox_done(struct inbox *inbox);

/* Any thread. */
void inbox_lead_to(struct inbox *inbox, const struct redis_place *place);
struct redis_place inbox_place(struct inbox *inbox);
/* False: it stops, and the request is the caller's. */
bool inbox_push(struct inbox *inbox, struct request *request);
/* All that waits ends with -ESHUTDOWN. */
void inbox_stop(struct inbox *inbox);

/*
 * At low load a thread that waits for an answer asks over the lane's link itself: two threads less have to wake up. All that is the
 * lane's thread's is the caller's then. False: something is under way there, waits, or was lent just now and the lane had to take over.
 */
bool inbox_borrow(struct inbox *inbox);
/* Soon after `wake_fd` is readable: others want the lane. `is_over`: nothing is left for it to see to. */
void inbox_give_back(struct inbox *inbox, bool is_over);

/* The lane's thread, from here on. */
bool inbox_is_stopping(struct inbox *inbox);
/* Whether it leads elsewhere than in that turn, or stops. */
bool inbox_is_diverted(struct inbox *inbox, unsigned turn);
/* The turn, and where it leads in it. */
unsigned inbox_follow(struct inbox *inbox, struct redis_place *ret_place);
/* As many as are worth sending now. How many. */
size_t inbox_take(struct inbox *inbox, const struct pipeline *pipeline, struct request_list *ret_taken);
/* All; whatever comes after makes `wake_fd` readable, until inbox_wake_up(). */
void inbox_take_all(struct inbox *inbox, struct request_list *ret_taken);
/* Likewise what comes after and makes it worth sending what waits. How long the caller may sleep, ms: `patience_ms` at most (-1: for
 * ever); 0: it is worth sending already. */
int inbox_fall_asleep(struct inbox *inbox, const struct pipeline *pipeline, int patience_ms);
/* What was lent is the lane's thread's again. `wake_events`: what poll() told of `wake_fd`. */
void inbox_wake_up(struct inbox *inbox, short wake_events);
/* Until it is woken, or so long; -1: for ever. Then inbox_wake_up(). */
void inbox_wait(struct inbox *inbox, int timeout_ms);

#endif
