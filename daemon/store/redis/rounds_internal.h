/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of rounds: what its files share. rounds.c has one errand run after another, rounds_life.c says
 * that this worker lives, rounds_claims.c claims what is due, rounds_untold.c what was cancelled,
 * rounds_debounce.c lets on what waited for later events, rounds_deadlines.c cancels what is late, rounds_upkeep.c sees to what others left and
 * what is no longer kept, rounds_ticks.c starts what goes by a schedule, rounds_post.c carries
 * letters from shard to shard.
 */
#ifndef STEPD_STORE_REDIS_ROUNDS_INTERNAL_H
#define STEPD_STORE_REDIS_ROUNDS_INTERNAL_H

#include <msgpack.h>

#include "base/lock.h"

#include "store/redis/coming.h"
#include "store/redis/rounds.h"
#include "store/redis/sweep.h"
#include "store/redis/trims.h"

#define NEVER INT64_MAX
#define DELIVER_AT_ONCE 8
#define LINES_MOST 1000 /* functions whose lines are known at a time */
#define PLACES_MOST 8   /* functions out of whose lines one claim takes */

/* Places of a function that are kept for a claim. */
struct place {
    const struct function *function;
    size_t count;
};

/* A function with runs in line. */
struct line {
    const struct function *function;
    int64_t due_ms; /* the store's time, when it is to be tried; of flow control alone, else 0 */
};

/* How many runs of a function wait in line. */
struct queued {
    const struct function *function;
    uint64_t count;
};

/* A run whose record can't be read. */
struct condemned {
    struct condemned *next;
    struct run_id id;
};

/* One thing that is asked. rounds.c says whose turn it is. */
struct errand {
    const char *script;
    /* Monotonic ms; NEVER: as things are. */
    int64_t (*when)(struct rounds *rounds, int64_t now_ms);
    void (*ask)(struct rounds *rounds, struct script_call *call);
    void (*hear)(struct rounds *rounds, const redisReply *reply);
    /* Redis refused it for good; NULL: it is asked again later. */
    void (*give_up)(struct rounds *rounds);
};

struct rounds {
    struct rounds_common *common;
    int shard;
    _Atomic(int64_t) answered_ms;
    _Atomic(uint64_t) delayed, owned, dead; /* as of the last heartbeat; any thread reads */
    bool is_over;

    size_t next_turn;            /* of the errands but the heartbeat: whose turn it is */
    bool was_beat;               /* the last errand was the heartbeat */
    const struct errand *errand; /* under way; NULL: none is. From here on to `place`: the errand's */
    struct script_call call;
    struct request request;
    int64_t asked_ms;
    size_t promised;                  /* CLAIM, UNTOLD: of common->promised, … */
    struct place places[PLACES_MOST]; /* … and reserved for runs out of their functions' lines */
    size_t place_count;
    msgpack_sbuffer rules[PLACES_MOST]; /* … and what was asked with each: arguments */
    struct incarnation meant;           /* BEAT: the name it was written for */
    char breakers_at[24];               /* BEAT: by what the open breakers are known of which we heard */
    char *place;                        /* TRIM: an argument */

    struct lock queued_lock;
    struct queued *queued; /* queued_lock; as of the last heartbeat */
    size_t queued_count;   /* queued_lock */

    bool is_known;               /* the server has heard this worker … */
    struct incarnation known_as; /* … under this name */
    bool has_left;
    bool has_said_last;    /* leaving: its counters */
    int64_t not_before_ms; /* anything; monotonic, as the next four */
    int64_t next_beat_ms, next_reap_ms, next_forget_ms, next_claim_ms;
    int64_t next_overdue_ms;       /* monotonic */
    int64_t claimed_ms;            /* monotonic: runs were, the last time */
    int64_t due_ms;                /* when to claim, the store's time */
    struct line lines[LINES_MOST]; /* functions with runs in line here, as of the last heartbeat */
    size_t line_count;
    size_t next_line; /* the first to be given places: each in its turn */
    uint64_t serial;  /* numbers this worker's claims here */
    size_t early;     /* CLAIM: how many turns of each function may be given before they are there */
    struct coming coming;
    struct condemned *condemned;
    int64_t deadline_ms;    /* when the first run's time to begin or end is over, the store's time; NEVER: none is known */
    int64_t next_expire_ms; /* monotonic: but the functions that have such runs are to be looked at then; NEVER: there are none */
    char **timed;           /* functions that have such runs */
    size_t timed_count;
    msgpack_sbuffer states; /* EXPIRE: an argument */
    int64_t ripe_ms;        /* when the first debounced run is due, the store's time; NEVER: none is known */
    bool has_untold;        /* runs were cancelled, and nobody was given them to tell of it */
    struct trim *trims;
    struct sweep sweep;
    struct ticks *ticks;
    struct post *post;
};

static inline struct redis_store *rounds_store(const struct rounds *rounds)
{
    return rounds->common->store;
}

/* The function has runs in line: they are tried at due_ms, or before. */
void rounds_see_line(struct rounds *rounds, const struct function *function, int64_t due_ms);
bool rounds_knows_line(const struct rounds *rounds, const struct function *function);
/* Runs whose turn is there by then, monotonic, begin. */
void rounds_hand_over(struct rounds *rounds, int64_t now_us);
/* What is left of the places that were reserved for the claim. */
void rounds_give_places_back(struct rounds *rounds);
int64_t rounds_lease_ms(const struct rounds *rounds);
/* A line in the log about a run whose record in Redis is of no use. */
void rounds_say_lost(const char *id, const char *why);
/* Redis was away for so long that others' leases may have run out, too: they get time to say so. */
void rounds_spare_others(struct rounds *rounds, int64_t now_ms);
void rounds_drop_condemned(struct rounds *rounds);
/* Its record can't be read: it is to go no further, which is said. */
void rounds_condemn(struct rounds *rounds, const char *id, const char *why);
/* Workers that nothing under way is meant for. */
size_t rounds_free_workers(const struct rounds *rounds);
/* What is asked for now may fill so many of them. */
void rounds_promise(struct rounds *rounds, size_t count);
/* A debounced run is due then, the store's time; -1: none is. */
void rounds_expect_ripe(struct rounds *rounds, int64_t due_ms);
/* The first run's time to begin or end is over then, the store's time; -1: none has any. */
void rounds_see_deadline(struct rounds *rounds, int64_t first_ms);
void rounds_deadlines_done(struct rounds *rounds);

/* rounds_ticks.c */
struct ticks *ticks_create(void);
void ticks_destroy(struct ticks *ticks);

/* rounds_post.c */
struct post *post_create(void);
void post_destroy(struct post *post);

extern const struct errand ERRAND_OUTBOX, ERRAND_DELIVER, ERRAND_ANNOUNCE;
extern const struct errand ERRAND_BEAT, ERRAND_LEAVE;
extern const struct errand ERRAND_CONDEMN, ERRAND_CLAIM, ERRAND_OVERDUE, ERRAND_UNTOLD, ERRAND_RIPEN, ERRAND_EXPIRE;
extern const struct errand ERRAND_REAP, ERRAND_TRIM, ERRAND_FORGET, ERRAND_REJOIN, ERRAND_SWEEP, ERRAND_TICK;

#endif
