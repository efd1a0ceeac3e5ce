/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How one run at a time waits for a signal, for Spin: two shards with a run in each, the lock in the signal's shard, workers that may die
 * anywhere and whose runs are then begun anew. docs/inside/waits.md has the rules, under the same names. One script is one step. A lock that
 * runs out does so once its holder is dead: that a living one stands still for so long is not searched.
 *
 * Searched for: two runs that wait; at rest a lock that is held, or that nobody waits.
 *
 * WITHOUT_… takes one rule away; each is seen to be needed.
 */
#ifndef FAULTS
#define FAULTS 2
#endif
#define NOBODY 7
#define RUNS 3

bit waits[RUNS];                 /* it stands in the index of its shard */
bit lives[RUNS];                 /* its worker does */
byte lock = NOBODY;
unsigned faults : 2 = FAULTS;

#define ALONE (waits[0] + waits[1] + waits[2] <= 1)

proctype Run(byte me; bit replaces)
{
    byte other;
    bit is_free;

begin:
    lives[me] = 1;
#ifndef WITHOUT_LOCK
    atomic { lock == NOBODY || lock == me -> lock = me }
#endif
    is_free = 1;
    other = 0;
    do                           /* each shard's index, one after the other */
    :: atomic { other < RUNS && other != me ->
        if
        :: waits[other] && replaces -> waits[other] = 0
        :: waits[other] && !replaces -> is_free = 0
        :: else
        fi;
        other++ }
    :: atomic { other < RUNS && other == me -> other++ }
    :: other == RUNS -> break
    :: atomic { faults > 0 -> faults--; lives[me] = 0; goto begin_anew }
    od;
    if
    :: is_free -> atomic { waits[me] = 1; assert(ALONE) }
    :: else /* it fails */
    fi;
    if
    :: skip
    :: atomic { faults > 0 -> faults--; lives[me] = 0; goto done } /* what it came to is on record */
    fi;
    atomic {
        if
        :: lock == me -> lock = NOBODY
        :: else
        fi
    }
    goto done;

begin_anew:
    skip;
    goto begin;
done:
    skip
}

/* What is held by the dead runs out. */
active proctype Redis()
{
end:
    do
#ifndef WITHOUT_LEASE
    :: atomic { lock != NOBODY && !lives[lock] -> lock = NOBODY }
#endif
    :: atomic { timeout ->
        assert(waits[0] || waits[1] || waits[2]);
        assert(lock == NOBODY);
        break }
    od
}

init
{
    atomic {
        run Run(0, 0);
        run Run(1, 0);
        run Run(2, 1)
    }
}
