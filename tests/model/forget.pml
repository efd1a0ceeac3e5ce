/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a name that nobody waits for any longer is forgotten, for Spin: two runs that wait by it, one of them held by a daemon of the
 * version before; a reader, after which another comes; walks over all keys, each of which may be given up; a Redis that may come back
 * with what it had on disk. docs/inside/waits.md has the rules, under the same names. One script is one step. There is no time: a watch that
 * one walk has seen no wait of is idle long enough for the next. How a reader hears of a watch in time is waits.pml's subject: here it
 * asks, hears and looks back in one step.
 *
 * Searched for: a run that waits at rest though its event was acknowledged after it began to; a watch that is taken away while a run of a daemon of
 * this version waits by it, which could end its time unseen.
 *
 * WITHOUT_… takes one rule away; each is seen to be needed.
 */
#ifndef EVENTS
#define EVENTS 2                 /* that the producer may send; each ends all that wait */
#endif
#ifndef READERS
#define READERS 2
#endif
#ifndef WALKS
#define WALKS 4                  /* that are begun, but for those that look for what fades */
#endif
#ifndef FAULTS
#define FAULTS 1                 /* at most */
#endif
#define WAITS 2                  /* by each run */

#define MIN(a, b) (a < b -> a : b)
#define MAX(a, b) (a > b -> a : b)

/* ---- Redis, and what runs stand in it -------------------------------------------------------------------- */

typedef Store {
    bit is_watch;
    bit is_unseen;               /* the walk under way has seen no wait of it */
    bit is_idle;                 /* nor has one before */
    bit is_fading;
    byte faded;                  /* `matched` as it was then */
    byte matched;                /* below, all is known to be matched */
    byte generation;             /* of the set of watches; … */
    byte added;                  /* … as of which it was added, … */
    byte lowered;                /* … `matched` was lowered, … */
    byte forgotten;              /* … readers are told that it is no watch any more; 0: never */
    byte walk;                   /* the process of Redis in which the walk was begun; 0: none was, or it has ended */
    byte wait[2];                /* 1 + the event from which on any ends it; 0: it does not wait. Of this version's daemon, of the one's before */
    byte left[2];                /* how often it waits yet */
}
Store redis, disk;
byte process = 1;                /* that Redis is */
byte faults;

inline copy_store(source, target)
{
    target.is_watch = source.is_watch;
    target.is_unseen = source.is_unseen;
    target.is_idle = source.is_idle;
    target.is_fading = source.is_fading;
    target.faded = source.faded;
    target.matched = source.matched;
    target.generation = source.generation;
    target.added = source.added;
    target.lowered = source.lowered;
    target.forgotten = source.forgotten;
    target.walk = source.walk;
    target.wait[0] = source.wait[0];
    target.wait[1] = source.wait[1];
    target.left[0] = source.left[0];
    target.left[1] = source.left[1]
}

proctype Redis()
{
end:
    do
    :: d_step { faults > 0 -> copy_store(redis, disk) }
    :: d_step { faults > 0 -> copy_store(disk, redis); process++; faults-- }
    od
}

/* ---- the producer and the runs ---------------------------------------------------------------------------- */

byte log_end;

proctype Producer()
{
end:
    do
    :: d_step { log_end < EVENTS -> log_end++ }
    od
}

/* The watch is written with the wait. */
inline record(w)
{
    if
    :: !redis.is_watch -> redis.generation++; redis.added = redis.generation; redis.is_watch = true
    :: else
    fi;
#ifndef WITHOUT_WITHDRAWAL
    redis.is_idle = (w == 0 -> 0 : redis.is_idle);
#endif
    redis.wait[w] = log_end + 1;
    redis.left[w]--
}

proctype Run(byte w)
{
end:
    do
    :: d_step { redis.wait[w] == 0 && redis.left[w] > 0 -> record(w) }
    od
}

/* ---- a reader ------------------------------------------------------------------------------------------- */

bit knows;
byte known_process;
byte known_generation;
byte next;                       /* that it reads next: all below is committed */
byte confirmed;
byte readers;                    /* that may come yet */

inline match(e)
{
    redis.wait[0] = (knows && redis.wait[0] > 0 && e + 1 >= redis.wait[0] -> 0 : redis.wait[0]);
    redis.wait[1] = (knows && redis.wait[1] > 0 && e + 1 >= redis.wait[1] -> 0 : redis.wait[1])
}

inline look_back(since)
{
    i = since;
    do
    :: i < next -> match(i); i++
    :: else -> break
    od;
    i = 0;
    confirmed = next
}

#define HEARS_ADDED knows = (redis.is_watch && redis.added > known_generation || knows)
#define HEARS_FORGOTTEN knows = (knows && redis.forgotten <= known_generation)

/* It asks, hears, and looks back where something is new. */
inline ask()
{
    if
    :: known_process == process && known_generation == redis.generation ->
        redis.matched = MAX(redis.matched, confirmed);
        confirmed = next
    :: else ->
        confirmed = (known_process != process || redis.lowered > known_generation -> MIN(confirmed, redis.matched) : confirmed);
        known_generation = (known_process != process -> 0 : known_generation);
#ifdef WITHOUT_NEWS_LAST
        HEARS_ADDED;
        HEARS_FORGOTTEN;
#else
        HEARS_FORGOTTEN;
        HEARS_ADDED;
#endif
        known_process = process;
        known_generation = redis.generation;
        look_back(confirmed)
    fi
}

/* Another takes its place, which knows what is a watch then. */
inline replace()
{
    knows = redis.is_watch;
    known_process = process;
    known_generation = redis.generation;
    confirmed = MIN(redis.matched, next);
    look_back(confirmed)
}

#define HAS_NEWS (known_process != process || known_generation != redis.generation || confirmed < next || redis.matched < confirmed)

proctype Reader()
{
    byte i;
end:
    do
    :: d_step { next < log_end && known_process == process -> match(next); next++ }
    :: d_step { HAS_NEWS -> ask() }
    :: d_step { readers > 0 -> replace(); readers-- }
    od
}

/* ---- a walk over all keys --------------------------------------------------------------------------------- */

#define WALK_NONE 0
#define WALK_BEGUN 1
#define WALK_PAST 2              /* past the key that has the waits */

byte walking;
byte walks;                      /* that may begin yet */

inline bring_back()
{
    redis.is_fading = false;
    redis.generation++;
    redis.added = redis.generation;
    redis.is_watch = true;
#ifndef WITHOUT_LOWERING
    redis.lowered = redis.generation;
    redis.matched = MIN(redis.matched, redis.faded);
#endif
}

inline see()
{
    if
    :: redis.wait[0] > 0 || redis.wait[1] > 0 ->
        redis.is_idle = (redis.is_unseen -> 0 : redis.is_idle);
        redis.is_unseen = false;
        if
        :: redis.is_fading -> bring_back()
        :: else
        fi
    :: else
    fi
}

inline forget_fading()
{
    if
    :: redis.is_fading && !redis.is_watch -> redis.generation++; redis.forgotten = redis.generation
    :: else
    fi;
    redis.is_fading = false
}

inline fade()
{
    assert(redis.wait[0] == 0);
    redis.is_watch = false;
    redis.is_idle = false;
#ifdef WITHOUT_FADING
    redis.generation++;
    redis.forgotten = redis.generation
#else
    redis.is_fading = true;
    redis.faded = redis.matched
#endif
}

inline fade_idle()
{
    if
    :: redis.is_unseen && redis.is_idle -> fade()
    :: redis.is_unseen && !redis.is_idle -> redis.is_idle = true
    :: else
    fi;
    redis.is_unseen = false
}

#ifdef WITHOUT_PROCESS
#define IS_WHOLE (redis.walk > 0)
#else
#define IS_WHOLE (redis.walk == process)
#endif

proctype Sweeper()
{
end:
    do
    :: d_step { walking == WALK_NONE && (walks > 0 || redis.is_fading) ->
        walks = (walks > 0 -> walks - 1 : 0);
        redis.walk = process;
        redis.is_unseen = redis.is_watch;
        walking = WALK_BEGUN }
    :: d_step { walking == WALK_BEGUN -> see(); walking = WALK_PAST }
    :: d_step { walking == WALK_PAST ->
        if
        :: IS_WHOLE -> forget_fading(); fade_idle(); redis.walk = 0
        :: else
        fi;
        walking = WALK_NONE }
    :: d_step { walking != WALK_NONE && walks > 0 -> walking = WALK_NONE }
    od
}

init
{
    atomic {
        redis.left[0] = WAITS;
        redis.left[1] = WAITS;
        copy_store(redis, disk);
        faults = FAULTS;
        readers = READERS - 1;
        walks = WALKS;
        known_process = process;
        run Redis();
        run Producer();
        run Run(0);
        run Run(1);
        run Reader();
        run Sweeper()
    }
    atomic {
        timeout -> /* nothing can happen any more */
        assert(redis.wait[0] == 0 || redis.wait[0] > log_end);
        assert(redis.wait[1] == 0 || redis.wait[1] > log_end)
    }
}
