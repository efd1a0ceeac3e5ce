/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places of a concurrency limit and turns of a throttle, for Spin: workers that claim runs in line, execute, are retried, end, or die
 * anywhere; leases that run out though their worker lives; a Redis that may come back as another process with what it had on disk. What
 * one script does (turns.lua within claim.lua, advance.lua, reap.lua, heartbeat.lua) is one step. There is no time: what ends by time
 * ends at any, but that a lease outlasts what was sent over a link before it.
 *
 * Searched for: more attempts that execute than there are places, but by one whose lease has passed; a run that has two turns, or
 * executes without one, where Redis lost nothing; a rest in which a run is in line though a place is free, or has not ended.
 *
 * TURN_ALONE: the runs wait for their turn and for no place (throttle.lua). A turn may be given a moment before it is there: its worker holds
 * the run and waits with the attempt, which here, where there is no time, is a worker that has not gone on yet. What was kept of one for that goes with its turn: it
 * stands in no line again, and any worker that finds it due takes it.
 *
 * WITHOUT_… takes one rule away; each is seen to be needed.
 */
#ifndef RUNS
#define RUNS 2                   /* of one function and key, all in line */
#endif
#ifndef WORKERS
#define WORKERS 2                /* each makes one attempt at a time */
#endif
#define PLACES 1
#define RETRIES 1                /* of a run */
#ifndef FAULTS
#define FAULTS 2                 /* at most */
#endif
#define NOBODY 15
#define NAMES (WORKERS + FAULTS * WORKERS)

#define RUN_QUEUED 0
#define RUN_OWNED 1
#define RUN_DELAYED 2
#define RUN_ENDED 3

typedef Store {
    byte state[RUNS];
    byte owner[RUNS];            /* an incarnation */
    byte epoch[RUNS];
    bit begun[RUNS];             /* it has had its turn */
    bit place[RUNS];             /* it stands in places:<name> */
    byte tries[RUNS];
#ifdef TURN_ALONE
    bit is_free[RUNS];           /* nothing limits it: `flow:<id>` is gone, and with it whether it has had its turn */
#endif
    bit is_blocked;              /* the line found no place, and is tried once one is given back */
}
Store redis, disk;
bit is_reborn;                   /* no place is given for one lease; Redis keeps it over no restart, but sets it anew */

byte name[WORKERS];              /* its incarnation */
bit knows[WORKERS];              /* … is known to this Redis (its heartbeat) */
bit leased[NAMES];     /* by incarnation: its lease runs */
byte holds[WORKERS];             /* the run that it executes; NOBODY */
byte held_as[WORKERS];           /* … under that incarnation, */
byte held_epoch[WORKERS];        /* … and epoch */
bit has_passed[WORKERS];         /* … whose lease has passed: the attempt sees stepd_is_cancelled */
byte next_name;
unsigned faults : 3;

/* For the search alone. */
byte turns[RUNS];
bit has_lost;
hidden byte i, j;

inline copy_store(from, to)
{
    for (i : 0 .. RUNS - 1) {
        to.state[i] = from.state[i];
        to.owner[i] = from.owner[i];
        to.epoch[i] = from.epoch[i];
        to.begun[i] = from.begun[i];
        to.place[i] = from.place[i];
        to.tries[i] = from.tries[i];
#ifdef TURN_ALONE
        to.is_free[i] = from.is_free[i]
#endif
    }
    to.is_blocked = from.is_blocked;
    i = 0
}

inline assert_places()
{
    j = 0;
    for (i : 0 .. WORKERS - 1) {
        if
        :: holds[i] != NOBODY && !has_passed[i] -> j++
        :: else
        fi
    }
#ifndef TURN_ALONE
    assert(j <= PLACES);
#endif
    i = 0;
    j = 0
}

/* ---- scripts -------------------------------------------------------------------------------------------- */

inline count_places()
{
    j = 0;
    for (i : 0 .. RUNS - 1) { j = j + redis.place[i] }
    i = 0
}

inline give_back(r)
{
#ifndef WITHOUT_GIVING_BACK
    redis.place[r] = 0;
#endif
#ifndef WITHOUT_WAKE
    redis.is_blocked = 0
#else
    skip
#endif
}

/* A run that has begun goes before one that has not. */
#define IS_FIRST(r) (redis.state[r] == RUN_QUEUED && (r == 0 || redis.state[0] != RUN_QUEUED || (redis.begun[r] && !redis.begun[0])) && \
                     (r == 1 || redis.state[1] != RUN_QUEUED || redis.begun[r] || !redis.begun[1]))

#ifdef WITHOUT_REBORN
#define IS_CLOSED false
#else
#define IS_CLOSED is_reborn
#endif

inline hold(w, r)
{
    redis.state[r] = RUN_OWNED;
    redis.owner[r] = name[w];
    redis.epoch[r]++;
    holds[w] = r;
    held_as[w] = name[w];
    held_epoch[w] = redis.epoch[r];
    has_passed[w] = 0;
    assert(turns[r] > 0 || has_lost)
}

#ifdef TURN_ALONE
#define IS_FULL false
#else
#define IS_FULL (j >= PLACES)
#endif

inline claim(w, r)
{
    count_places();
    if
    :: IS_FULL -> redis.is_blocked = 1
    :: else ->
#ifdef WITHOUT_BEGUN
        turns[r]++;
#else
        if
        :: !redis.begun[r] -> turns[r]++
        :: else
        fi;
#endif
        assert(turns[r] <= 1 || has_lost);
        redis.begun[r] = 1;
#ifdef TURN_ALONE
        redis.begun[r] = 0;
        redis.is_free[r] = 1;
#else
#ifndef WITHOUT_PLACE
        redis.place[r] = 1;
#endif
#endif
        hold(w, r)
    fi;
    j = 0;
    assert_places()
}

#ifdef WITHOUT_FENCE
#define IS_OURS(w) (redis.state[holds[w]] == RUN_OWNED)
#else
#define IS_OURS(w) (redis.state[holds[w]] == RUN_OWNED && redis.owner[holds[w]] == held_as[w] && redis.epoch[holds[w]] == held_epoch[w])
#endif

/* advance.lua: it ends, or is retried later. */
inline settle(w, state_then)
{
    if
    :: IS_OURS(w) ->
        redis.state[holds[w]] = state_then;
        if
        :: state_then == RUN_DELAYED -> redis.tries[holds[w]]++
        :: else
        fi;
        give_back(holds[w])
    :: else
    fi;
    holds[w] = NOBODY;
    has_passed[w] = 0
}

#ifdef TURN_ALONE
#define CAN_BE_TAKEN(r) (redis.state[r] == RUN_DELAYED && redis.is_free[r])
#ifdef WITHOUT_LEAVING
#define JOINS_ITS_LINE(r) (redis.state[r] == RUN_DELAYED)
#else
#define JOINS_ITS_LINE(r) (redis.state[r] == RUN_DELAYED && !redis.is_free[r])
#endif
#else
#define JOINS_ITS_LINE(r) (redis.state[r] == RUN_DELAYED)
#endif

/* ---- workers --------------------------------------------------------------------------------------------- */

proctype Worker(byte w)
{
    byte r;

end:
    do
    :: atomic { !knows[w] -> knows[w] = 1; leased[name[w]] = 1 } /* its first heartbeat, which hears of another process */
    :: atomic { /* claim.lua */
        knows[w] && holds[w] == NOBODY && !IS_CLOSED && !redis.is_blocked && (redis.state[0] == RUN_QUEUED || redis.state[1] == RUN_QUEUED) ->
        if
        :: IS_FIRST(0) -> r = 0
        :: IS_FIRST(1) -> r = 1
        fi;
        claim(w, r);
        r = 0
    }
#ifdef TURN_ALONE
    :: atomic { knows[w] && holds[w] == NOBODY && CAN_BE_TAKEN(0) -> hold(w, 0) } /* claim.lua, out of `delayed` */
    :: atomic { knows[w] && holds[w] == NOBODY && CAN_BE_TAKEN(1) -> hold(w, 1) }
#endif
    :: atomic { knows[w] && holds[w] != NOBODY -> settle(w, RUN_ENDED) }
    :: atomic { knows[w] && holds[w] != NOBODY && redis.tries[holds[w]] < RETRIES -> settle(w, RUN_DELAYED) }
    od
}

/* ---- time, and faults ------------------------------------------------------------------------------------- */

/* Attempts that began under that incarnation see it. */
inline pass(incarnation)
{
    for (i : 0 .. WORKERS - 1) {
        if
        :: holds[i] != NOBODY && held_as[i] == incarnation -> has_passed[i] = 1
        :: else
        fi
    }
    i = 0
}

#ifdef WITHOUT_LEASE
#define MAY_BE_REAPED(r) (redis.state[r] == RUN_OWNED)
#else
#define MAY_BE_REAPED(r) (redis.state[r] == RUN_OWNED && !leased[redis.owner[r]])
#endif

/* reap.lua */
inline take_away(r)
{
    redis.state[r] = RUN_DELAYED;
    redis.epoch[r]++;
    give_back(r)
}

/* A run that is due joins its line, which is tried. */
inline join_line(r)
{
    redis.state[r] = RUN_QUEUED;
    redis.is_blocked = 0
}

inline end_lease(incarnation)
{
    leased[incarnation] = 0;
    pass(incarnation)
}

#define IS_GONE(n) (leased[n] && name[0] != n && name[1] != n)

proctype Time()
{
end:
    do
    :: atomic { JOINS_ITS_LINE(0) -> join_line(0) }
    :: atomic { JOINS_ITS_LINE(1) -> join_line(1) }
    :: atomic { MAY_BE_REAPED(0) -> take_away(0) }
    :: atomic { MAY_BE_REAPED(1) -> take_away(1) }
    :: atomic { IS_GONE(0) -> end_lease(0) }
    :: atomic { IS_GONE(1) -> end_lease(1) }
    :: atomic { IS_GONE(2) -> end_lease(2) }
    :: atomic { IS_GONE(3) -> end_lease(3) }
#if FAULTS > 1
    :: atomic { IS_GONE(4) -> end_lease(4) }
    :: atomic { IS_GONE(5) -> end_lease(5) }
#endif
    :: atomic { /* one lease after Redis came back: those of before have passed */
        is_reborn ->
        is_reborn = 0;
        for (j : 0 .. NAMES - 1) {
            if
            :: j != name[0] && j != name[1] -> end_lease(j)
            :: else
            fi
        }
        j = 0
    }
    od
}

inline rename(w)
{
    name[w] = next_name;
    next_name++;
    knows[w] = 0
}

proctype Faults()
{
end:
    do
    :: atomic { faults < FAULTS -> copy_store(redis, disk) }
    :: atomic { faults < FAULTS -> faults = FAULTS } /* no more of them */
    :: atomic { faults < FAULTS -> faults++; holds[0] = NOBODY; has_passed[0] = 0; rename(0) } /* dies, and is started again */
    :: atomic { faults < FAULTS -> faults++; holds[1] = NOBODY; has_passed[1] = 0; rename(1) }
    :: atomic { faults < FAULTS && knows[0] -> faults++; end_lease(name[0]); rename(0) } /* stands still for longer than its lease */
    :: atomic { faults < FAULTS && knows[1] -> faults++; end_lease(name[1]); rename(1) }
    :: atomic { /* another Redis: a worker's first call is its heartbeat under a new name */
        faults < FAULTS ->
        faults++;
        copy_store(disk, redis);
        has_lost = 1;
        is_reborn = 1;
        rename(0);
        rename(1)
    }
    od
}

proctype Rest()
{
end:
    timeout -> assert(redis.state[0] == RUN_ENDED && redis.state[1] == RUN_ENDED)
}

init
{
    atomic {
        name[0] = 0;
        name[1] = 1;
        next_name = 2;
        holds[0] = NOBODY;
        holds[1] = NOBODY;
        run Worker(0);
        run Worker(1);
        run Time();
        run Faults();
        run Rest()
    }
}
