/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an event is kept from loss, for Spin: daemons that run, take, park, claim, reap and commit; a Redis that
 * may come back with what it had on disk; a group that may give the partition to another daemon; daemons that
 * may die anywhere. States are called what docs/inside/protocol.md and the code call them. What
 * one script of daemon/store/redis/scripts does is one step here. There is no time: what ends by time ends at any.
 *
 * Searched for: an event that is committed, has not ended, and stands in Redis no more; a change of a run by
 * one whose run it is not, or a checkpoint put where there is one; a rest in which something has not ended.
 *
 * WITHOUT_… takes one rule of the protocol away; each is seen to be needed. CMakeLists.txt says what is searched.
 */
#ifndef DAEMONS
#define DAEMONS 2
#endif
#ifndef THREADS
#define THREADS 1                /* of a daemon, that run attempts; 1 or 2 */
#endif
#ifndef EVENTS
#define EVENTS 2                 /* of one partition; 1 or 2 */
#endif
#ifndef FAULTS
#define FAULTS 2                 /* at most: every number up to it is searched */
#endif
#define RETRIES 1                /* how often a run may be parked */
#define ATTEMPTS (DAEMONS * THREADS)
#define NOBODY 7

/* ---- Redis ---------------------------------------------------------------------------------------------- */

#define RUN_ABSENT 0             /* never taken over; or ended, and no history is kept */
#define RUN_DELAYED 1
#define RUN_OWNED 2

typedef Run {
    unsigned status : 2;
    bit is_taken;                /* :taken names it */
    unsigned first : 3;          /* the epoch that it began with, its call's own number; */
    unsigned epoch : 4;          /* how often it has risen since, plus 1 */
    unsigned owner : 3;          /* an incarnation; the last one, when not owned */
    unsigned attempt : 1;
    unsigned checkpoint : 3;     /* of its first step: 1 + the attempt whose result it is; 0: none yet */
    unsigned second : 3;         /* of its second, likewise */
#ifdef WITHOUT_FOLD
    bit is_left;                 /* a list of checkpoints that an owner of before may still push to: */
    unsigned left_first : 3;     /* its name */
    unsigned left_epoch : 4;
#endif
    unsigned holder : 3;         /* for the search alone: 1 + the attempt that it was last given to */
}

typedef Store {
    Run run_of[EVENTS];
    byte workers;                /* :workers, a bit an incarnation */
    byte stats;                  /* those that have said that they live, and were not reaped since */
}

Store redis, disk;
bit is_unsaved;                  /* something is not on disk, or waits for its lag to pass */

/* ---- Kafka ---------------------------------------------------------------------------------------------- */

unsigned committed : 2;          /* the offset … */
bit is_done_above[EVENTS];       /* … and its metadata */
unsigned assigned : 3;           /* the daemon that the group gave the partition to */

#define COVERED(e) (e < committed || is_done_above[e])

/* ---- daemons -------------------------------------------------------------------------------------------- */

#define MESSAGE_UNREAD 0
#define MESSAGE_QUEUED 1
#define MESSAGE_RUNNING 2
#define MESSAGE_TAKEN 3          /* Redis has it … */
#define MESSAGE_LAGGED 4         /* … for longer than redis.durability_lag */
#define MESSAGE_DONE 5           /* nothing of it is left to do: it may be committed */

typedef Daemon {
    bit is_connected;            /* to Redis as it is now: one that comes back is another process */
    bit has_beaten;              /* as this incarnation */
    unsigned incarnation : 3;
    bit has_partition;           /* as far as it knows */
    bit must_rewind;
    byte message[EVENTS];
}

Daemon daemon[DAEMONS];

#define ATTEMPT_NONE 0
#define ATTEMPT_IN_CODE 1
#define ATTEMPT_CHECKPOINT 2     /* asks the store for a change, whose answer was lost once */
#define ATTEMPT_PARK 3
#define ATTEMPT_FINISH 4
#define ATTEMPT_PUSH 5           /* asks for it by one command, which is asked once: what is not known of it a script finds out */

#define OF_CLAIM 0
#define OF_MESSAGE 1
#define OF_REVOKED 2             /* of a message whose assignment is over */

typedef Attempt {
    unsigned state : 3;
    unsigned event : 1;
    unsigned origin : 2;
    unsigned first : 3;
    unsigned epoch : 4;          /* 0: the store does not know the run */
    unsigned owner : 3;
    unsigned attempt : 1;
    unsigned checkpoint : 3;
    unsigned second : 3;
#ifdef WITHOUT_CUT
    bit is_late;                 /* its push is still on its way over a link that was lost */
#endif
}

Attempt attempt[ATTEMPTS];

#define DAEMON(a) daemon[a / THREADS]
#define MESSAGE(a) DAEMON(a).message[attempt[a].event]
#define RUN(a) redis.run_of[attempt[a].event]
#define BIT(n) (1 << (n))

/* What was not answered is asked again as soon as there is a link again, with all else that waits for one:
 * no claim, beat or lag comes in between. */
#define IS_UNHEARD(a) (attempt[a].state > ATTEMPT_IN_CODE)
#if THREADS == 1
#define CAN_ASK(d) (daemon[d].is_connected && !IS_UNHEARD(d))
#else
#define CAN_ASK(d) (daemon[d].is_connected && !IS_UNHEARD(d * 2) && !IS_UNHEARD(d * 2 + 1))
#endif

/* ---- what is searched for ------------------------------------------------------------------------------- */

bit has_ended[EVENTS];           /* its function has run to the end, and that counted */
unsigned faults : 3;             /* that may still come */

hidden byte i;                   /* of no meaning between steps */
hidden int names;
hidden byte answer;

inline assert_none_is_lost()
{
    for (i : 0 .. EVENTS - 1) {
        assert(!COVERED(i) || has_ended[i] || redis.run_of[i].status != RUN_ABSENT)
    }
    i = 0
}

/* The lag goes by: what had been taken is on disk by now, unless it was lost before. */
inline pass_lag()
{
    for (i : 0 .. DAEMONS * EVENTS - 1) {
        if
        :: daemon[i / EVENTS].message[i % EVENTS] == MESSAGE_TAKEN -> daemon[i / EVENTS].message[i % EVENTS] = MESSAGE_LAGGED
        :: else
        fi
    }
    i = 0;
    is_unsaved = false
}

inline copy_store(from, to)
{
    to.workers = from.workers;
    to.stats = from.stats;
    for (i : 0 .. EVENTS - 1) {
        to.run_of[i].status = from.run_of[i].status;
        to.run_of[i].is_taken = from.run_of[i].is_taken;
        to.run_of[i].epoch = from.run_of[i].epoch;
        to.run_of[i].owner = from.run_of[i].owner;
        to.run_of[i].first = from.run_of[i].first;
        to.run_of[i].attempt = from.run_of[i].attempt;
        to.run_of[i].checkpoint = from.run_of[i].checkpoint;
        to.run_of[i].second = from.run_of[i].second;
        to.run_of[i].holder = from.run_of[i].holder
    }
    i = 0
}

inline clear_run(which)
{
    which.status = RUN_ABSENT;
    which.epoch = 0;
    which.owner = 0;
    which.first = 0;
    which.attempt = 0;
    which.checkpoint = 0;
    which.second = 0;
    which.holder = 0
}

/* Where no fault is left nothing is lost any more: the disk is no state then. */
inline spend_fault()
{
    faults--;
    if
    :: faults == 0 ->
        pass_lag();
        disk.workers = 0;
        disk.stats = 0;
        for (i : 0 .. EVENTS - 1) {
            clear_run(disk.run_of[i]);
            disk.run_of[i].is_taken = false
        }
        i = 0
    :: else
    fi
}

#define TAKEN (faults > 0 -> MESSAGE_TAKEN : MESSAGE_LAGGED)
#define UNSAVED is_unsaved = (faults > 0)

/* ---- incarnations --------------------------------------------------------------------------------------- */

/* A name that stands nowhere any more is as good as a new one. */
inline take_new_name(d)
{
    names = redis.workers | redis.stats | disk.workers | disk.stats;
    for (i : 0 .. DAEMONS - 1) {
        names = names | BIT(daemon[i].incarnation)
    }
    for (i : 0 .. ATTEMPTS - 1) {
        names = names | (attempt[i].epoch > 0 -> BIT(attempt[i].owner) : 0)
    }
    for (i : 0 .. EVENTS - 1) {
        names = names | (redis.run_of[i].status != RUN_ABSENT -> BIT(redis.run_of[i].owner) : 0);
        names = names | (disk.run_of[i].status != RUN_ABSENT -> BIT(disk.run_of[i].owner) : 0)
    }
    i = 0;
    do
    :: names & BIT(i) -> i++
    :: else -> break
    od;
    assert(i < 8);
    daemon[d].incarnation = i;
    daemon[d].has_beaten = false;
    i = 0
}

/* ---- messages ------------------------------------------------------------------------------------------- */

/* What attempts work on comes of this assignment no more. */
inline revoke_attempts(d)
{
    for (i : d * THREADS .. d * THREADS + THREADS - 1) {
        if
        :: attempt[i].origin == OF_MESSAGE -> attempt[i].origin = OF_REVOKED
        :: else
        fi
    }
    i = 0
}

inline end_assignment(d)
{
    revoke_attempts(d);
    for (i : 0 .. EVENTS - 1) {
        daemon[d].message[i] = MESSAGE_UNREAD
    }
    daemon[d].has_partition = false;
    daemon[d].must_rewind = false;
    i = 0
}

/* From the committed offset; what :taken names is left to Redis. */
inline begin_assignment(d)
{
    for (i : 0 .. EVENTS - 1) {
        daemon[d].message[i] = (COVERED(i) -> MESSAGE_DONE : (redis.run_of[i].is_taken -> TAKEN : MESSAGE_QUEUED))
    }
    daemon[d].has_partition = true;
    UNSAVED;
    i = 0
}

/* What is not done comes again, under a new assignment. */
inline rewind(d)
{
    revoke_attempts(d);
    for (i : 0 .. EVENTS - 1) {
        daemon[d].message[i] = (daemon[d].message[i] == MESSAGE_DONE -> MESSAGE_DONE :
                                (redis.run_of[i].is_taken -> TAKEN : MESSAGE_QUEUED))
    }
    daemon[d].must_rewind = false;
    UNSAVED;
    i = 0
}

#ifdef WITHOUT_LAG
#define IS_KEPT(d, e) (daemon[d].message[e] == MESSAGE_TAKEN || daemon[d].message[e] == MESSAGE_LAGGED)
#else
#define IS_KEPT(d, e) (daemon[d].message[e] == MESSAGE_LAGGED)
#endif
#ifdef WITHOUT_LOOK
#define LOOKS(d) true
#else
#define LOOKS(d) daemon[d].is_connected /* Redis has answered since, and is the one that had taken it */
#endif
#define IS_DONE(d, e) (daemon[d].message[e] == MESSAGE_DONE || (IS_KEPT(d, e) && LOOKS(d) && !daemon[d].must_rewind))
#if EVENTS == 2
#define COMMITTABLE(d) (!IS_DONE(d, 0) -> 0 : (!IS_DONE(d, 1) -> 1 : 2))
#define DONE_ABOVE(d) (!IS_DONE(d, 0) && IS_DONE(d, 1))
#else
#define COMMITTABLE(d) IS_DONE(d, 0)
#define DONE_ABOVE(d) false
#endif
#define HAS_NEWS(d) (COMMITTABLE(d) != committed || DONE_ABOVE(d) != is_done_above[EVENTS - 1])

/* What is done of what was taken is found out first; then :taken is trimmed. */
inline commit(d)
{
    for (i : 0 .. EVENTS - 1) {
        daemon[d].message[i] = (IS_DONE(d, i) -> MESSAGE_DONE : daemon[d].message[i])
    }
    committed = COMMITTABLE(d);
    is_done_above[EVENTS - 1] = DONE_ABOVE(d);
    assert_none_is_lost();
    for (i : 0 .. EVENTS - 1) {
        redis.run_of[i].is_taken = redis.run_of[i].is_taken && !(CAN_ASK(d) && i < committed)
    }
    UNSAVED;
    i = 0
}

/* ---- the store's scripts -------------------------------------------------------------------------------- */

#define STORE_OK 0
#define STORE_MOVED 1            /* STORE_GONE too: of both the caller makes the same */
#define STORE_UNKNOWN 2          /* of a push: a script is to be asked */

/* Put at its position: what stands there is replaced, by the same where the call was sent before. */
inline put_checkpoint(a)
{
    if
    :: attempt[a].checkpoint == 0 ->
        assert(RUN(a).checkpoint == 0 || RUN(a).checkpoint == a + 1);
        RUN(a).checkpoint = a + 1
    :: attempt[a].checkpoint != 0 ->
#ifdef WITHOUT_POSITION
        assert(RUN(a).second == 0);
#endif
        assert(RUN(a).checkpoint == attempt[a].checkpoint);
        assert(RUN(a).second == 0 || RUN(a).second == a + 1);
        RUN(a).second = a + 1
    fi
}

/* Park, reap and the end of a run fold its owner's list into the record, and it is gone. */
#ifdef WITHOUT_FOLD
inline leave_list(which)
{
    which.is_left = true;
    which.left_first = which.first;
    which.left_epoch = which.epoch
}
#else
#define leave_list(which) skip
#endif

inline write_change(a)
{
    assert(RUN(a).holder == a + 1);
    if
    :: attempt[a].state == ATTEMPT_CHECKPOINT ->
        put_checkpoint(a)
    :: attempt[a].state == ATTEMPT_PARK ->
        leave_list(RUN(a));
        RUN(a).status = RUN_DELAYED;
        RUN(a).attempt = attempt[a].attempt + 1;
        RUN(a).holder = 0
    :: attempt[a].state == ATTEMPT_FINISH ->
        has_ended[attempt[a].event] = true;
        clear_run(RUN(a))
    fi;
    UNSAVED
}

/* take.lua: a checkpoint or park of a run that the store does not know. */
inline take(a)
{
    if
    :: RUN(a).status == RUN_ABSENT && !RUN(a).is_taken ->
        RUN(a).status = RUN_OWNED;
        RUN(a).is_taken = true;
        RUN(a).first = attempt[a].first;
        RUN(a).epoch = 1;
        RUN(a).owner = DAEMON(a).incarnation;
        RUN(a).holder = a + 1;
        redis.workers = redis.workers | (attempt[a].state == ATTEMPT_PARK -> 0 : BIT(DAEMON(a).incarnation));
        write_change(a);
        answer = STORE_OK
    :: RUN(a).status != RUN_ABSENT && RUN(a).epoch == 1 && RUN(a).first == attempt[a].first && RUN(a).owner == DAEMON(a).incarnation ->
        /* The same call again, it seems. */
        answer = (attempt[a].state == (RUN(a).status == RUN_DELAYED -> ATTEMPT_PARK : ATTEMPT_CHECKPOINT) -> STORE_OK : STORE_MOVED)
    :: else -> answer = STORE_MOVED
    fi
}

#ifdef WITHOUT_FENCE
#define IS_MOVED(a) false
#else
#ifdef WITHOUT_OWNER_IN_FENCE
#define IS_MOVED(a) (RUN(a).first != attempt[a].first || RUN(a).epoch != attempt[a].epoch)
#else
#define IS_MOVED(a) (RUN(a).first != attempt[a].first || RUN(a).epoch != attempt[a].epoch || RUN(a).owner != attempt[a].owner)
#endif
#endif

inline hand_back(which)
{
    leave_list(which);
    which.status = RUN_DELAYED;
    which.epoch++;
    which.owner = 0;
    which.holder = 0
}

/* advance.lua */
inline advance(a)
{
    if
    :: RUN(a).status == RUN_ABSENT -> answer = (attempt[a].state == ATTEMPT_FINISH -> STORE_OK : STORE_MOVED)
    :: RUN(a).status != RUN_ABSENT && IS_MOVED(a) -> answer = STORE_MOVED
    :: RUN(a).status == RUN_DELAYED && !IS_MOVED(a) -> answer = (attempt[a].state == ATTEMPT_PARK -> STORE_OK : STORE_MOVED)
    :: RUN(a).status == RUN_OWNED && !IS_MOVED(a) ->
        if
        :: attempt[a].checkpoint != 0 && RUN(a).checkpoint == 0 -> /* lost with Redis's last second */
            hand_back(RUN(a));
            answer = STORE_MOVED
        :: else ->
            write_change(a);
            answer = STORE_OK
        fi
    fi
}

/* RPUSHX: one command, which knows the list's name alone, and adds to its end. Each run that is owned has a list, named
 * with the run's epoch: it is made with the first checkpoint of an attempt, which is not looked at here. */
#ifdef WITHOUT_EPOCH_IN_NAME
#define HAS_LIST(a) (RUN(a).status == RUN_OWNED)
#else
#ifdef WITHOUT_FOLD
#define HAS_LIST(a) ((RUN(a).status == RUN_OWNED && RUN(a).first == attempt[a].first && RUN(a).epoch == attempt[a].epoch) || \
                     (RUN(a).is_left && RUN(a).left_first == attempt[a].first && RUN(a).left_epoch == attempt[a].epoch))
#else
#define HAS_LIST(a) (RUN(a).status == RUN_OWNED && RUN(a).first == attempt[a].first && RUN(a).epoch == attempt[a].epoch)
#endif
#endif

inline add_to_list(a)
{
    assert(RUN(a).holder == a + 1);
    if
    :: attempt[a].checkpoint == 0 ->
        assert(RUN(a).checkpoint == 0);
        RUN(a).checkpoint = a + 1
    :: attempt[a].checkpoint != 0 ->
        assert(RUN(a).checkpoint == attempt[a].checkpoint && RUN(a).second == 0);
        RUN(a).second = a + 1
    fi;
    UNSAVED
}

inline push(a)
{
    if
    :: HAS_LIST(a) -> add_to_list(a); answer = STORE_OK
    :: !HAS_LIST(a) ->
#ifdef WITHOUT_X
        assert(RUN(a).holder == a + 1); /* RPUSH: it goes into a list that nobody looks at */
#endif
        answer = STORE_UNKNOWN
    fi
}

/* claim.lua, of one run */
inline claim(a, e)
{
    redis.run_of[e].status = RUN_OWNED;
    redis.run_of[e].epoch++;
    redis.run_of[e].owner = DAEMON(a).incarnation;
    redis.run_of[e].holder = a + 1;
    assert(redis.run_of[e].epoch < 15);
    UNSAVED;
    attempt[a].state = ATTEMPT_IN_CODE;
    attempt[a].event = e;
    attempt[a].first = redis.run_of[e].first;
    attempt[a].epoch = redis.run_of[e].epoch;
    attempt[a].owner = redis.run_of[e].owner;
    attempt[a].attempt = redis.run_of[e].attempt;
    attempt[a].checkpoint = redis.run_of[e].checkpoint;
    attempt[a].second = redis.run_of[e].second
}

/* reap.lua, of one worker */
inline reap(n)
{
    for (i : 0 .. EVENTS - 1) {
        if
        :: redis.run_of[i].status == RUN_OWNED && redis.run_of[i].owner == n ->
            hand_back(redis.run_of[i])
        :: else
        fi
    }
    redis.workers = redis.workers & ~BIT(n);
    redis.stats = redis.stats & ~BIT(n);
    UNSAVED;
    i = 0
}

/* ---- attempts ------------------------------------------------------------------------------------------- */

inline clear_attempt(a)
{
    attempt[a].state = ATTEMPT_NONE;
    attempt[a].event = 0;
    attempt[a].origin = OF_CLAIM;
    attempt[a].first = 0;
    attempt[a].epoch = 0;
    attempt[a].owner = 0;
    attempt[a].attempt = 0;
    attempt[a].checkpoint = 0;
#ifdef WITHOUT_CUT
    attempt[a].is_late = false;
#endif
    attempt[a].second = 0
}

inline end_attempt(a, ends_as)
{
    if
    :: attempt[a].origin == OF_MESSAGE -> MESSAGE(a) = ends_as; UNSAVED
    :: else
    fi;
    clear_attempt(a)
}

inline ask(a)
{
    if
    :: attempt[a].state == ATTEMPT_PUSH -> push(a)
    :: attempt[a].epoch > 0 && attempt[a].state != ATTEMPT_PUSH -> advance(a)
    :: attempt[a].epoch == 0 && attempt[a].state != ATTEMPT_FINISH -> take(a)
    :: else -> answer = STORE_OK /* the happy path: the store is not asked */
    fi
}

inline heed(a)
{
    if
    :: answer == STORE_MOVED || attempt[a].state == ATTEMPT_PARK -> end_attempt(a, TAKEN)
    :: answer == STORE_OK && attempt[a].state == ATTEMPT_FINISH ->
        has_ended[attempt[a].event] = true;
        end_attempt(a, MESSAGE_DONE)
    :: answer == STORE_UNKNOWN -> attempt[a].state = ATTEMPT_CHECKPOINT
    :: answer == STORE_OK && (attempt[a].state == ATTEMPT_CHECKPOINT || attempt[a].state == ATTEMPT_PUSH) ->
        attempt[a].owner = (attempt[a].epoch == 0 -> DAEMON(a).incarnation : attempt[a].owner);
        attempt[a].epoch = (attempt[a].epoch == 0 -> 1 : attempt[a].epoch);
        attempt[a].second = (attempt[a].checkpoint == 0 -> 0 : a + 1);
        attempt[a].checkpoint = (attempt[a].checkpoint == 0 -> a + 1 : attempt[a].checkpoint);
        attempt[a].state = ATTEMPT_IN_CODE
    fi
}

/* The epoch that it will take the run with: as no record of it has, that anything could still mean. */
inline number_attempt(a, e)
{
    names = (redis.run_of[e].status != RUN_ABSENT -> BIT(redis.run_of[e].first) : 0) |
            (disk.run_of[e].status != RUN_ABSENT -> BIT(disk.run_of[e].first) : 0);
    for (i : 0 .. ATTEMPTS - 1) {
        names = names | (attempt[i].state != ATTEMPT_NONE && attempt[i].event == e -> BIT(attempt[i].first) : 0)
    }
    i = 0;
    do
    :: names & BIT(i) -> i++
    :: else -> break
    od;
    attempt[a].first = i;
    i = 0
}

inline begin(a, e)
{
#ifndef WITHOUT_FIRST_EPOCH
    number_attempt(a, e);
#endif
    attempt[a].state = ATTEMPT_IN_CODE;
    attempt[a].event = e;
    attempt[a].origin = OF_MESSAGE;
    DAEMON(a).message[e] = MESSAGE_RUNNING
}

#ifdef WITHOUT_ACKNOWLEDGEMENT
#define BEGIN_TO_PARK(a) \
    :: d_step { \
        attempt[a].state == ATTEMPT_IN_CODE && attempt[a].attempt < RETRIES && attempt[a].origin == OF_MESSAGE -> \
        attempt[a].state = ATTEMPT_PARK; \
        MESSAGE(a) = MESSAGE_DONE \
    }
#else
#define BEGIN_TO_PARK(a)
#endif

#define IS_FREE(a) (attempt[a].state == ATTEMPT_NONE)
#define MAY_CLAIM(a, e) (redis.run_of[e].status == RUN_DELAYED && CAN_ASK(a / THREADS) && (redis.stats & BIT(DAEMON(a).incarnation)))
#define MAY_CHECKPOINT(a) (attempt[a].state == ATTEMPT_IN_CODE && attempt[a].second == 0 && CAN_ASK(a / THREADS))
#ifdef WITHOUT_OWN_NAME
#define MAY_PUSH(a) (MAY_CHECKPOINT(a) && attempt[a].epoch > 0)
#else
#define MAY_PUSH(a) (MAY_CHECKPOINT(a) && attempt[a].epoch > 0 && attempt[a].owner == DAEMON(a).incarnation)
#endif
#define MAY_PARK(a) (attempt[a].state == ATTEMPT_IN_CODE && attempt[a].attempt < RETRIES && CAN_ASK(a / THREADS))
#define MAY_FINISH(a) (attempt[a].state == ATTEMPT_IN_CODE && (attempt[a].epoch == 0 || CAN_ASK(a / THREADS)))
#define ANSWERED(a) ask(a); heed(a)
#define UNHEARD(a) ask(a); spend_fault()
/* The link is cut at the server before anything is asked again. */
#define UNHEARD_PUSH(a) attempt[a].state = ATTEMPT_PUSH; ask(a); attempt[a].state = ATTEMPT_CHECKPOINT; spend_fault()
#ifdef WITHOUT_CUT
#define BE_LATE(a) \
    :: d_step { faults > 0 && MAY_PUSH(a) -> attempt[a].state = ATTEMPT_CHECKPOINT; attempt[a].is_late = true; spend_fault() } \
    :: d_step { attempt[a].is_late && HAS_LIST(a) -> attempt[a].is_late = false; assert(RUN(a).second == 0); add_to_list(a) }
#else
#define BE_LATE(a)
#endif

proctype Worker(byte a)
{
end:
    do
    :: d_step { IS_FREE(a) && DAEMON(a).message[0] == MESSAGE_QUEUED -> begin(a, 0) }
    :: d_step { IS_FREE(a) && MAY_CLAIM(a, 0) -> claim(a, 0) }
#if EVENTS == 2
    :: d_step { IS_FREE(a) && DAEMON(a).message[1] == MESSAGE_QUEUED -> begin(a, 1) }
    :: d_step { IS_FREE(a) && MAY_CLAIM(a, 1) -> claim(a, 1) }
#endif
    /* Its step has run; it fails, or sleeps; it has run to the end. */
    :: d_step { MAY_CHECKPOINT(a) -> attempt[a].state = ATTEMPT_CHECKPOINT; ANSWERED(a) }
    :: d_step { MAY_PUSH(a) -> attempt[a].state = ATTEMPT_PUSH; ANSWERED(a) }
    :: d_step { MAY_PARK(a) -> attempt[a].state = ATTEMPT_PARK; ANSWERED(a) }
    :: d_step { MAY_FINISH(a) -> attempt[a].state = ATTEMPT_FINISH; ANSWERED(a) }
    BEGIN_TO_PARK(a)
    /* The same, and the answer is lost. */
    :: d_step { faults > 0 && MAY_CHECKPOINT(a) -> attempt[a].state = ATTEMPT_CHECKPOINT; UNHEARD(a) }
    :: d_step { faults > 0 && MAY_PUSH(a) -> UNHEARD_PUSH(a) }
    BE_LATE(a)
    :: d_step { faults > 0 && MAY_PARK(a) -> attempt[a].state = ATTEMPT_PARK; UNHEARD(a) }
    :: d_step { faults > 0 && MAY_FINISH(a) && attempt[a].epoch > 0 -> attempt[a].state = ATTEMPT_FINISH; UNHEARD(a) }
    :: d_step { IS_UNHEARD(a) && DAEMON(a).is_connected -> ANSWERED(a) }
    od
}

/* ---- the other threads of a daemon ---------------------------------------------------------------------- */

/* And is started again, which forgets all. */
inline die(d)
{
    end_assignment(d);
    for (i : d * THREADS .. d * THREADS + THREADS - 1) {
        clear_attempt(i)
    }
    take_new_name(d);
    daemon[d].is_connected = true;
    assigned = (assigned == d -> NOBODY : assigned);
    i = 0
}

inline beat(d)
{
    redis.workers = redis.workers | BIT(daemon[d].incarnation);
    redis.stats = redis.stats | BIT(daemon[d].incarnation);
    daemon[d].has_beaten = true;
    UNSAVED
}

#ifdef WITHOUT_NEW_NAME
#define FOLLOW_ROLLBACK(d)
#else
#define FOLLOW_ROLLBACK(d) take_new_name(d)
#endif
#ifdef WITHOUT_REWIND
#define MUST_REWIND(d) false
#else
#define MUST_REWIND(d) daemon[d].has_partition
#endif
proctype Service(byte d)
{
end:
    do
    /* store thread */
    :: d_step {
        !daemon[d].is_connected ->
        FOLLOW_ROLLBACK(d);
        daemon[d].must_rewind = MUST_REWIND(d);
        daemon[d].is_connected = true
    }

    /* timer thread */
    :: d_step { CAN_ASK(d) && !daemon[d].has_beaten -> beat(d) }
    :: d_step { CAN_ASK(d) && daemon[d].has_beaten && !(redis.stats & BIT(daemon[d].incarnation)) -> take_new_name(d) }

    /* consumer thread */
    :: d_step { CAN_ASK(d) && !daemon[d].has_partition && assigned == NOBODY -> assigned = d; begin_assignment(d) }
    :: d_step { daemon[d].has_partition && assigned != d -> end_assignment(d) }
    :: d_step { daemon[d].must_rewind && CAN_ASK(d) -> rewind(d) }
    :: d_step { daemon[d].has_partition && assigned == d && !daemon[d].must_rewind && HAS_NEWS(d) -> commit(d) }

    /* It dies; a rebalance takes the partition away, unseen or in order. */
    :: d_step { faults > 0 -> die(d); spend_fault() }
    :: d_step { faults > 0 && assigned == d -> assigned = NOBODY; spend_fault() }
    :: d_step {
        faults > 0 && assigned == d && daemon[d].has_partition ->
        commit(d);
        end_assignment(d);
        assigned = NOBODY;
        spend_fault()
    }
    od
}

/* ---- Redis, and all of it ------------------------------------------------------------------------------- */

inline roll_back()
{
    copy_store(disk, redis);
    for (i : 0 .. DAEMONS - 1) {
        daemon[i].is_connected = false
    }
    i = 0;
    assert_none_is_lost()
}

#define IS_NAME_OF(d, n) (daemon[d].incarnation == n)
#if DAEMONS == 1
#define IS_ALIVE(n) IS_NAME_OF(0, n)
#else
#if DAEMONS == 2
#define IS_ALIVE(n) (IS_NAME_OF(0, n) || IS_NAME_OF(1, n))
#else
#define IS_ALIVE(n) (IS_NAME_OF(0, n) || IS_NAME_OF(1, n) || IS_NAME_OF(2, n))
#endif
#endif

/* Its lease ran out: it is no more, or (a fault) was held up for so long. */
#define REAP(n) \
    :: d_step { (redis.workers & BIT(n)) && !IS_ALIVE(n) -> reap(n) } \
    :: d_step { (redis.workers & BIT(n)) && IS_ALIVE(n) && faults > 0 -> reap(n); spend_fault() }

proctype Redis()
{
end:
    do
    :: d_step { is_unsaved && faults > 0 -> copy_store(redis, disk); pass_lag() }
    :: d_step { faults > 0 -> roll_back(); spend_fault() }
    REAP(0) REAP(1) REAP(2) REAP(3) REAP(4) REAP(5) REAP(6) REAP(7)
    od
}

inline set_up()
{
    for (n : 0 .. DAEMONS - 1) {
        daemon[n].is_connected = true;
        daemon[n].incarnation = n;
        beat(n)
    }
    begin_assignment(0);
    if
    :: faults > 0 -> copy_store(redis, disk)
    :: else
    fi;
    is_unsaved = false
}

init
{
    byte n;

    atomic {
        select(n : 0 .. FAULTS);
        faults = n;
        set_up();
        for (n : 0 .. DAEMONS - 1) {
            run Service(n)
        }
        for (n : 0 .. ATTEMPTS - 1) {
            run Worker(n)
        }
        run Redis();
        n = 0
    }
    atomic {
        timeout -> /* nothing can happen any more */
        for (n : 0 .. EVENTS - 1) {
            assert(has_ended[n] && COVERED(n) && redis.run_of[n].status == RUN_ABSENT)
        }
    }
}
