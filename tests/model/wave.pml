/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two waits of one run for the same, for Spin: which events that the first was given count for the second, once Redis has lost that the run
 * waited. The run's code asks for both in one go, or for the second once it was told how the first ended; it is begun anew whenever its worker
 * dies, with what Redis has of it. Who finds a wait by its event is waits.pml's, how a worker hears of an end beside.pml's: here each event that
 * counts for a wait that stands ends it at some time. docs/inside/waits.md has the rules.
 *
 * Searched for: an event that was acknowledged after a wait was recorded, and has not ended it at rest; of waits that follow each other, two
 * that were ended by one event.
 *
 * WITHOUT_… takes one rule away; each is seen to be needed.
 */
#ifndef EVENTS
#define EVENTS 2                 /* that the producer may send, all waited for; of one partition */
#endif
#ifndef FAULTS
#define FAULTS 3                 /* at most: workers that die, and rollbacks */
#endif
#define NEVER (EVENTS + 1)
#define MIN(a, b) (a < b -> a : b)

typedef Store {
    bit stands[2];               /* the wait was recorded */
    bit has_more;                /* … the first: what was asked for with it is not recorded by that */
    byte boundary[2];              /* events below never end it */
    byte given[2];                /* 1 + the event that has; 0: none */
    unsigned excluded : 2;       /* likewise: does not end the second */
}
Store redis, disk;

bit is_wave;                     /* the code asks for both in one go */
unsigned log_end : 2;
unsigned most : 2;               /* events are sent */
bit is_repeated;                 /* Redis has fallen back: what the run had waited for counts from the beginning */
byte must[2];                      /* events from here on were acknowledged after the wait was first recorded */
bit is_told;                     /* the code, in this attempt: how the first ended */
bit has_begun;
unsigned faults : 3;

inline copy_store(source, target)
{
    target.stands[0] = source.stands[0];
    target.stands[1] = source.stands[1];
    target.has_more = source.has_more;
    target.boundary[0] = source.boundary[0];
    target.boundary[1] = source.boundary[1];
    target.given[0] = source.given[0];
    target.given[1] = source.given[1];
    target.excluded = source.excluded
}

#ifdef WITHOUT_MORE
#define MARK false
#else
#define MARK is_wave
#endif
/* Whether the second follows the first, and was not asked for together with it. */
#ifdef WITHOUT_GIVEN
#define FOLLOWS false
#else
#define FOLLOWS !redis.has_more
#endif

inline record(w)
{
    redis.stands[w] = true;
    redis.boundary[w] = (is_repeated -> 0 : log_end);
    must[w] = MIN(must[w], log_end);
    if
    :: w == 0 -> redis.has_more = MARK
    :: w == 1 && is_repeated && FOLLOWS -> redis.excluded = redis.given[0]
    :: else
    fi
}

proctype Worker()
{
end:
    do
    /* An attempt begins, with what Redis has. It does so whenever something has come. */
    :: d_step { !has_begun || (redis.given[0] > 0 && !is_told) -> has_begun = true; is_told = (redis.given[0] > 0) }
    :: d_step { has_begun && !redis.stands[0] -> record(0) }
    :: d_step { has_begun && redis.stands[0] && !redis.stands[1] && (is_wave || is_told) -> record(1) }
    :: d_step { has_begun && faults > 0 -> faults--; has_begun = false; is_told = false }
    od
}

inline match(w, e)
{
    redis.given[w] = e + 1;
    assert(is_wave || redis.given[0] != redis.given[1])
}

#define MAY_END(w, e) (e < log_end && redis.stands[w] && redis.given[w] == 0 && e >= redis.boundary[w] && !(w == 1 && redis.excluded == e + 1))

proctype World()
{
end:
    do
    :: d_step { log_end < most -> log_end++ }
    :: d_step { MAY_END(0, 0) -> match(0, 0) }
    :: d_step { MAY_END(0, 1) -> match(0, 1) }
    :: d_step { MAY_END(1, 0) -> match(1, 0) }
    :: d_step { MAY_END(1, 1) -> match(1, 1) }
    :: d_step { faults > 0 -> copy_store(redis, disk) }
    :: d_step { faults > 0 -> faults--; copy_store(disk, redis); is_repeated = true; has_begun = false; is_told = false }
    od
}

init
{
    byte n;

    atomic {
        select(n : 0 .. FAULTS);
        faults = n;
        select(n : 1 .. EVENTS);
        most = n;
        must[0] = NEVER;
        must[1] = NEVER;
        if
        :: is_wave = true
        :: is_wave = false
        fi;
        run Worker();
        run World();
        n = 0
    }
    atomic {
        timeout ->
        assert(redis.given[0] > 0 || must[0] >= log_end);
        assert(redis.given[1] > 0 || must[1] >= log_end)
    }
}
