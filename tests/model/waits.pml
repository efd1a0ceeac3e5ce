/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a run that waits for an event is found by it, for Spin: a run that calls, readers that may die, a partition that
 * moves, a Redis that may come back with what it had on disk. docs/inside/waits.md has the rules, under the same names. One script
 * is one step. There is no time: what ends by time ends at any.
 *
 * Searched for: an event that was acknowledged after its wait was recorded, and has not ended it at rest; a wait that was
 * ended by an event from before its call; two that were ended by one.
 *
 * WITHOUT_… takes one rule away; each is seen to be needed.
 */
#ifndef DAEMONS
#define DAEMONS 2
#endif
#ifndef EVENTS
#define EVENTS 2                 /* that the producer may send, all with the name waited for; of one partition */
#endif
#ifndef FAULTS
#define FAULTS 2                 /* at most */
#endif
#ifndef WAITS
#define WAITS 1                  /* of the run, one after the other for the same: at most 2 */
#endif
#define NOBODY 7

/* ---- Redis ---------------------------------------------------------------------------------------------- */

#define WAIT_NONE 0
#define WAIT_WAITING 1
#define WAIT_ENDED 2

typedef Store {
    unsigned watches : 3;        /* the generation of the set of watches: how often one was added, or told again */
    unsigned lowered : 3;        /* … as of which `matched` was lowered last, for a wait that was told again */
    unsigned wait : 2;
    bit is_second;               /* … it is the run's second one, */
    unsigned given : 2;          /* … and this is 1 + the event that ended the first */
    unsigned boundary : 2;       /* of the wait: events below never end it */
    unsigned matched : 2;        /* below, all is known to be matched */
}
Store redis, disk;
unsigned came_back : 2;          /* `matched`, as Redis came back with it, the lowest there was */
unsigned rewound : 2;            /* … as Redis knows it: once the first has noted that it has come back */
bit is_noted;
#ifdef WITHOUT_EACH_REWIND
bit has_come_back;               /* what it forgets from then on does not count */
#endif

/* ---- Kafka ---------------------------------------------------------------------------------------------- */

unsigned log_end : 2;
unsigned committed : 2;
unsigned assigned : 3;

/* ---- daemons -------------------------------------------------------------------------------------------- */

typedef Daemon {
    bit is_connected;            /* to Redis as it is now */
    bit has_partition;
    unsigned watches : 3;        /* the generation that it knows */
    unsigned next : 2;           /* that it reads next */
    unsigned in_hand : 2;        /* 1 + the message that a worker has; 0: none */
    bit is_taken;                /* it was matched, and is done once that is on disk (redis.durability_lag) */
    unsigned confirmed : 2;      /* below, all was matched against all that could have been waited for */
    unsigned asking : 2;         /* ASKING_…: what is new, … */
    unsigned asked_at : 2;       /* … having read up to here; */
    unsigned heard : 3;          /* … the generation that Redis said, and whether `matched` was lowered, to what */
    unsigned told : 2;
    bit is_looking_back;         /* … and there was something: from look on, up to look_end */
    unsigned look : 2;
    unsigned look_end : 2;
    unsigned confirms : 2;       /* what is confirmed once it is done */
}
Daemon daemon[DAEMONS];

/* ---- the run that waits --------------------------------------------------------------------------------- */

#define CALL_NOT_YET 0
#define CALL_BEGUN 1             /* it asks where the partition ends */
#define CALL_BOUNDED 2
#define CALL_WATCHED 3           /* its watch is in Redis */
#define CALL_RECORDED 4

unsigned call : 3;
unsigned call_boundary : 2;
bit is_repeated;                 /* the run may have waited before, in what Redis has lost */
bit calls_again;                 /* it calls for the second time */

/* ---- what is searched for ------------------------------------------------------------------------------- */

byte first_may[2];               /* events below were acknowledged before the call; EVENTS + 1: it was not made yet */
byte first_must[2];              /* events from here on were acknowledged after it was recorded */
unsigned faults : 2;

#define NEVER (EVENTS + 1)
#define MIN(a, b) (a < b -> a : b)
#define ASKING_NOT 0
#define ASKING_SENT 1
#define ASKING_ANSWERED 2
#define KNOWS(d) (daemon[d].watches > 0)

hidden byte i;

#ifdef WITHOUT_GIVEN
#define IS_NEW(e) true
#else
#define IS_NEW(e) (e + 1 != redis.given)
#endif
/* A message is matched, live or looking back. */
inline match(d, e)
{
    if
    :: KNOWS(d) && redis.wait == WAIT_WAITING && e >= redis.boundary && IS_NEW(e) ->
        assert(e >= first_may[redis.is_second] && e + 1 != redis.given);
        redis.wait = WAIT_ENDED;
        redis.given = (redis.is_second -> redis.given : e + 1)
    :: else
    fi
}

inline copy_store(source, target)
{
    target.watches = source.watches;
    target.lowered = source.lowered;
    target.wait = source.wait;
    target.is_second = source.is_second;
    target.given = source.given;
    target.boundary = source.boundary;
    target.matched = source.matched
}

#define LET_GO(d) \
    daemon[d].in_hand = (daemon[d].is_taken && daemon[d].is_connected -> 0 : daemon[d].in_hand); \
    daemon[d].is_taken = (daemon[d].is_taken && !daemon[d].is_connected)

/* What Redis has acknowledged is on disk. */
inline pass_lag()
{
    copy_store(redis, disk);
    for (i : 0 .. DAEMONS - 1) {
        LET_GO(i)
    }
    i = 0
}

/* Whoever finds that Redis has come back writes it down, before all else that it asks. */
inline note_rewind()
{
    rewound = (is_noted -> rewound : MIN(rewound, redis.matched));
    is_noted = true
}

/* ---- the producer and the run --------------------------------------------------------------------------- */

proctype Producer()
{
end:
    do
    :: d_step { log_end < EVENTS -> log_end++ }
    od
}

proctype Waiter()
{
end:
    do
    :: d_step { call == CALL_NOT_YET -> call = CALL_BEGUN; first_may[calls_again] = MIN(first_may[calls_again], log_end) }
#if WAITS == 2
    :: d_step { call == CALL_RECORDED && !calls_again && redis.wait == WAIT_ENDED -> call = CALL_NOT_YET; calls_again = true }
#endif
    :: d_step {
        call == CALL_BEGUN ->
#ifndef WITHOUT_NOTE_AT_LINK
        note_rewind(); /* its daemon has linked anew */
#endif
#ifdef WITHOUT_BOUNDARY
        call_boundary = 0;
#else
#ifdef WITHOUT_REWOUND
        call_boundary = log_end;
#else
        call_boundary = (is_repeated -> MIN(rewound, log_end) : log_end);
#endif
#endif
        call = CALL_BOUNDED
    }
#ifdef WITHOUT_WATCH_FIRST
#define WATCH_AT CALL_RECORDED
#define RECORD_AT CALL_BOUNDED
#else
#define WATCH_AT CALL_BOUNDED
#define RECORD_AT CALL_WATCHED
#endif
    :: d_step {
        call == WATCH_AT && redis.watches < 7 ->
        redis.watches++;
        call = (WATCH_AT == CALL_BOUNDED -> CALL_WATCHED : CALL_WATCHED + 2)
    }
    :: d_step {
        call == RECORD_AT ->
        redis.wait = WAIT_WAITING;
        redis.boundary = call_boundary;
        redis.is_second = calls_again;
        first_must[calls_again] = MIN(first_must[calls_again], log_end);
        if
        :: is_repeated -> /* readers look for it from its boundary on, now that it can be found */
            redis.watches++;
            redis.lowered = redis.watches;
            redis.matched = MIN(redis.matched, call_boundary)
        :: else
        fi;
        call = CALL_RECORDED
    }
    od
}

/* ---- a reader ------------------------------------------------------------------------------------------- */

#define DONE(d) (daemon[d].in_hand > 0 -> daemon[d].in_hand - 1 : daemon[d].next)
#define MAY_ASK(d) (daemon[d].is_connected && daemon[d].has_partition && daemon[d].asking == ASKING_NOT && !daemon[d].is_looking_back)
#define HAS_NEWS(d) (daemon[d].confirmed < daemon[d].next || redis.watches != daemon[d].watches || redis.matched < daemon[d].confirmed)

inline forget_question(d)
{
    daemon[d].asking = ASKING_NOT;
    daemon[d].asked_at = 0;
    daemon[d].heard = 0;
    daemon[d].told = 0
}

#define BEGIN_LOOK(d, since, up_to, then_confirmed) \
    daemon[d].is_looking_back = true; \
    daemon[d].look = since; \
    daemon[d].look_end = up_to; \
    daemon[d].confirms = then_confirmed

/* What is in flight is not matched yet: who reads it next may have it done without. */
#ifdef WITHOUT_DONE
#define TOLD(d) daemon[d].confirmed
#else
#define TOLD(d) MIN(daemon[d].confirmed, DONE(d))
#endif

/* One script: what it has confirmed so far is told, unless there is something that it does not know. */
inline answer(d)
{
    note_rewind();
    daemon[d].asking = ASKING_ANSWERED;
    daemon[d].heard = redis.watches;
    daemon[d].told = (redis.lowered > daemon[d].watches -> redis.matched : NEVER);
    redis.matched = (redis.watches == daemon[d].watches && redis.matched < TOLD(d) -> TOLD(d) : redis.matched)
}

/* What was read before it asked is confirmed; where there is something new, once that is looked back for. */
inline hear(d)
{
    if
    :: daemon[d].heard == daemon[d].watches ->
#ifdef WITHOUT_NOTED_PLACE
        daemon[d].confirmed = DONE(d)
#else
        daemon[d].confirmed = daemon[d].asked_at
#endif
    :: else ->
        daemon[d].confirmed = MIN(daemon[d].confirmed, daemon[d].told);
        daemon[d].watches = daemon[d].heard;
#ifdef WITHOUT_LOOK_BACK
        daemon[d].confirmed = daemon[d].asked_at
#else
        BEGIN_LOOK(d, daemon[d].confirmed, daemon[d].next, daemon[d].asked_at)
#endif
    fi;
    forget_question(d)
}

inline end_look(d)
{
    daemon[d].is_looking_back = false;
    daemon[d].confirmed = daemon[d].confirms;
    daemon[d].look = 0;
    daemon[d].look_end = 0;
    daemon[d].confirms = 0
}

#define ALL_WATCHES redis.watches /* it learns all of them before it reads on */

inline begin_assignment(d)
{
    daemon[d].has_partition = true;
    daemon[d].next = committed; /* it reads on, and knows of no watch until it has asked */
#ifdef WITHOUT_HANDOVER
    daemon[d].confirmed = committed
#else
    daemon[d].confirmed = MIN(redis.matched, committed)
#endif
}

inline forget_partition(d)
{
    daemon[d].has_partition = false;
    daemon[d].watches = 0;
    daemon[d].next = 0;
    daemon[d].in_hand = 0;
    daemon[d].is_taken = false;
    daemon[d].confirmed = 0;
    forget_question(d);
    daemon[d].is_looking_back = false;
    daemon[d].look = 0;
    daemon[d].look_end = 0;
    daemon[d].confirms = 0
}

/* Redis came back as another process: it learns all anew, and looks back from `matched`. */
inline begin_anew(d)
{
    daemon[d].is_connected = true;
    forget_question(d);
    daemon[d].next = DONE(d); /* what is not done is read again */
    daemon[d].in_hand = 0;
    daemon[d].is_taken = false;
    daemon[d].watches = ALL_WATCHES;
    daemon[d].confirmed = MIN(daemon[d].confirmed, redis.matched);
    BEGIN_LOOK(d, daemon[d].confirmed, daemon[d].next, daemon[d].confirmed)
}

proctype Reader(byte d)
{
end:
    do
    :: d_step { daemon[d].has_partition && assigned == d && daemon[d].in_hand == 0 && daemon[d].next < log_end ->
        daemon[d].next++;
        daemon[d].in_hand = daemon[d].next }
    /* Its worker knows of no watch: it asks nobody, and the message is done. */
    :: d_step { daemon[d].in_hand > 0 && !KNOWS(d) -> daemon[d].in_hand = 0; daemon[d].is_taken = false }
    :: d_step { daemon[d].in_hand > 0 && KNOWS(d) && daemon[d].is_connected && !daemon[d].is_taken ->
        match(d, daemon[d].in_hand - 1);
        daemon[d].is_taken = (faults > 0);
        daemon[d].in_hand = (faults > 0 -> daemon[d].in_hand : 0) }
    :: d_step { MAY_ASK(d) && HAS_NEWS(d) -> daemon[d].asking = ASKING_SENT; daemon[d].asked_at = daemon[d].next }
    :: d_step { daemon[d].is_connected && daemon[d].asking == ASKING_SENT -> answer(d) }
    :: d_step { daemon[d].is_connected && daemon[d].asking == ASKING_ANSWERED -> hear(d) }
    :: d_step { daemon[d].is_connected && daemon[d].is_looking_back && daemon[d].look < daemon[d].look_end ->
        match(d, daemon[d].look);
        daemon[d].look++ }
    :: d_step { daemon[d].is_connected && daemon[d].is_looking_back && daemon[d].look >= daemon[d].look_end -> end_look(d) }
    /* It has come some way, and asks again before it goes on. */
    :: d_step { daemon[d].is_connected && daemon[d].is_looking_back && daemon[d].confirmed < MIN(daemon[d].look, daemon[d].confirms) ->
        daemon[d].confirmed = MIN(daemon[d].look, daemon[d].confirms);
        note_rewind();
        if
        :: redis.watches == daemon[d].watches -> redis.matched = (redis.matched < TOLD(d) -> TOLD(d) : redis.matched)
        :: else ->
            daemon[d].confirmed = (redis.lowered > daemon[d].watches -> MIN(daemon[d].confirmed, redis.matched) : daemon[d].confirmed);
            daemon[d].watches = redis.watches;
            BEGIN_LOOK(d, daemon[d].confirmed, daemon[d].next, daemon[d].next)
        fi }
    :: d_step { !daemon[d].is_connected && daemon[d].has_partition -> begin_anew(d) }
    :: d_step { !daemon[d].is_connected && !daemon[d].has_partition -> daemon[d].is_connected = true }
    /* Commits need no Redis: they go on while it is away. */
    :: d_step { daemon[d].has_partition && assigned == d && committed < DONE(d) -> committed = DONE(d) }
    :: d_step { assigned == NOBODY && daemon[d].is_connected && !daemon[d].has_partition -> assigned = d; begin_assignment(d) }
    :: d_step { daemon[d].has_partition && assigned != d -> forget_partition(d) }
    /* It dies, or the group gives its partition to another. */
    :: d_step { faults > 0 && daemon[d].has_partition && assigned == d -> forget_partition(d); assigned = NOBODY; faults-- }
    od
}

/* ---- Redis ---------------------------------------------------------------------------------------------- */

#ifdef WITHOUT_EACH_REWIND
#define IS_REPEATED !has_come_back
#else
#define IS_REPEATED true
#endif
/* It calls again; what it had waited for once it may be given again. */
#define LOSE(number) \
    call = CALL_NOT_YET; \
    calls_again = number; \
    is_repeated = IS_REPEATED; \
    first_may[number] = MIN(first_may[number], came_back)

/* What the run had recorded is lost: its event comes again (protocol.pml), and it calls again. */
inline roll_back()
{
    copy_store(disk, redis);
    came_back = MIN(came_back, redis.matched);
    is_noted = false;
    for (i : 0 .. DAEMONS - 1) {
        daemon[i].is_connected = false
    }
    i = 0;
    if
    :: redis.wait == WAIT_NONE && (call > CALL_NOT_YET || calls_again) -> LOSE(0)
    :: redis.wait == WAIT_WAITING && !redis.is_second && calls_again -> call = CALL_RECORDED; calls_again = false
    :: redis.wait == WAIT_ENDED && !redis.is_second && calls_again && call > CALL_NOT_YET -> LOSE(1)
    :: else
    fi;
#if WAITS == 2
    is_repeated = true; /* it is older than what Redis has lost, and nobody knows whether it waited in it */
    first_may[0] = MIN(first_may[0], came_back);
    first_may[1] = MIN(first_may[1], came_back);
#endif
#ifdef WITHOUT_EACH_REWIND
    has_come_back = true;
#endif
}

proctype Redis()
{
end:
    do
    :: d_step { faults > 0 -> pass_lag() }
    :: d_step { faults > 0 -> roll_back(); faults-- }
    :: d_step { faults == 0 && (daemon[0].is_taken && daemon[0].is_connected || daemon[DAEMONS - 1].is_taken && daemon[DAEMONS - 1].is_connected) -> pass_lag() }
    od
}

init
{
    byte n;

    atomic {
        select(n : 0 .. FAULTS);
        faults = n;
        first_may[0] = NEVER;
        first_may[1] = NEVER;
        first_must[0] = NEVER;
        first_must[1] = NEVER;
        came_back = NEVER;
        rewound = NEVER;
        is_noted = true;
        copy_store(redis, disk);
        for (n : 0 .. DAEMONS - 1) {
            daemon[n].is_connected = true;
            run Reader(n)
        }
        assigned = 0;
        begin_assignment(0);
        run Producer();
        run Waiter();
        run Redis();
        n = 0
    }
    atomic {
        timeout -> /* nothing can happen any more */
        assert(redis.wait == WAIT_ENDED || redis.is_second || first_must[0] >= log_end);
        assert(redis.wait == WAIT_ENDED && redis.is_second || first_must[1] >= log_end)
    }
}
