/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debounced events of one key, for Spin: workers that admit them in any order, a reader that may die, a Redis that may come
 * back with what it had on disk. What one script does (admit.lua, ripen.lua, a run's end) is one step. There is no time: what
 * ends by time ends at any.
 *
 * Searched for: an event that is committed while neither it nor a later one has run or is about to; an event that runs though a later
 * one had taken its place, and Redis lost nothing; a rest in which the latest event has not run.
 *
 * WITHOUT_… takes one rule away; each is seen to be needed.
 */
#ifndef EVENTS
#define EVENTS 3                 /* of one key and partition; an event is its offset */
#endif
#ifndef FAULTS
#define FAULTS 2                 /* at most */
#endif
#define NONE 7

#define RUN_NONE 0
#define RUN_WAITS 1              /* for a later event */
#define RUN_LINED 2

typedef Store {
    byte state[EVENTS];          /* by the event that it began with */
    byte event[EVENTS];          /* the one that it has now */
    byte waiting;                /* debounce:<key>: the run that waits; NONE */
    byte taken;                  /* a bit an event */
}
Store redis, disk;

#define MESSAGE_UNREAD 0
#define MESSAGE_TAKEN 1
#define MESSAGE_LAGGED 2         /* … for longer than redis.durability_lag */
byte message[EVENTS];
byte committed;                  /* a bit an event */
bit must_rewind;
unsigned faults : 3;

/* For the search alone. */
byte ran, replaced;              /* a bit an event */
bit has_lost;                    /* Redis has */
hidden byte i;

#define BIT(n) (1 << (n))

inline copy_store(from, to)
{
    to.waiting = from.waiting;
    to.taken = from.taken;
    for (i : 0 .. EVENTS - 1) {
        to.state[i] = from.state[i];
        to.event[i] = from.event[i]
    }
    i = 0
}

/* e, or a later one, has run or will. */
#define IS_KEPT_BY(f, e) (f >= e && ((ran & BIT(f)) || (redis.state[0] && redis.event[0] == f) || (redis.state[1] && redis.event[1] == f) || \
                                     (redis.state[EVENTS - 1] && redis.event[EVENTS - 1] == f)))

inline assert_none_is_lost()
{
    for (i : 0 .. EVENTS - 1) {
        assert(!(committed & BIT(i)) || IS_KEPT_BY(0, i) || IS_KEPT_BY(1, i) || IS_KEPT_BY(EVENTS - 1, i))
    }
    i = 0
}

/* ---- scripts -------------------------------------------------------------------------------------------- */

#ifdef WITHOUT_OFFSETS
#define IS_LATER(e) true
#else
#define IS_LATER(e) (e > redis.event[redis.waiting])
#endif

/* admit.lua */
inline admit(e)
{
    if
    :: redis.taken & BIT(e)      /* it has come again: nothing is asked */
    :: !(redis.taken & BIT(e)) && redis.waiting == NONE ->
        redis.state[e] = RUN_WAITS;
        redis.event[e] = e;
        redis.waiting = e;
        redis.taken = redis.taken | BIT(e)
    :: !(redis.taken & BIT(e)) && redis.waiting != NONE ->
        if
        :: IS_LATER(e) ->
            replaced = replaced | BIT(redis.event[redis.waiting]);
            redis.event[redis.waiting] = e
        :: else -> replaced = replaced | BIT(e)
        fi;
#ifndef WITHOUT_TAKEN
        redis.taken = redis.taken | BIT(e)
#endif
    fi
}

/* ---- what may happen ------------------------------------------------------------------------------------ */

inline pass_lag()
{
    copy_store(redis, disk);
    for (i : 0 .. EVENTS - 1) {
        message[i] = (message[i] == MESSAGE_TAKEN -> MESSAGE_LAGGED : message[i])
    }
    i = 0
}

/* What is not committed is read again. */
inline read_again()
{
    for (i : 0 .. EVENTS - 1) {
        message[i] = ((committed & BIT(i)) -> message[i] : MESSAGE_UNREAD)
    }
    must_rewind = false;
    i = 0
}

#ifdef WITHOUT_LAG
#define MAY_COMMIT(e) (message[e] != MESSAGE_UNREAD && !must_rewind)
#else
#define MAY_COMMIT(e) (message[e] == MESSAGE_LAGGED && !must_rewind)
#endif

/* As the latest of those that are first, or in the metadata. */
inline commit(e)
{
    committed = committed | BIT(e);
    assert_none_is_lost();
    redis.taken = redis.taken & ~BIT(e) /* trim_taken.lua */
}

inline finish(r)
{
    assert(!(replaced & BIT(redis.event[r])) || has_lost);
    ran = ran | BIT(redis.event[r]);
    redis.state[r] = RUN_NONE;
    redis.event[r] = 0
}

#define IS_AT_REST (committed == BIT(EVENTS) - 1 && redis.state[0] == 0 && redis.state[1] == 0 && redis.state[EVENTS - 1] == 0)

active proctype all()
{
    byte e;

    atomic {
        redis.waiting = NONE;
        disk.waiting = NONE;
        faults = FAULTS
    }
    do
    :: IS_AT_REST ->
        assert(ran & BIT(EVENTS - 1));
        break
    :: else ->
        select(e : 0 .. EVENTS - 1);
        atomic {
            if
            :: message[e] == MESSAGE_UNREAD && !must_rewind ->
                admit(e);
                message[e] = MESSAGE_TAKEN
            :: message[e] == MESSAGE_UNREAD && !must_rewind && faults > 0 -> /* the answer is lost, and who asked dies */
                faults--;
                admit(e);
                read_again()
            :: redis.waiting != NONE -> /* ripen.lua */
                redis.state[redis.waiting] = RUN_LINED;
                redis.waiting = NONE
            :: redis.state[e] == RUN_LINED -> finish(e)
            :: message[e] == MESSAGE_TAKEN -> pass_lag()
            :: MAY_COMMIT(e) && !(committed & BIT(e)) -> commit(e)
            :: must_rewind -> read_again()
            :: faults > 0 -> /* the reader dies, or the partition moves */
                faults--;
                read_again()
            :: faults > 0 -> /* Redis comes back without its last second */
                faults--;
                has_lost = true;
                copy_store(disk, redis);
#ifndef WITHOUT_REWIND
                must_rewind = true;
#endif
                assert_none_is_lost()
            :: else
            fi
        }
    od
}
