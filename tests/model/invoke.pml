/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a run that another calls is made once, and its answer comes back once, for Spin. Caller and callee are in shards of
 * their own, each of which may come back with what it had on disk; between them go letters (scripts/post.lua), which any daemon
 * fetches and delivers, as often as it likes, and whose delivery it may fail to tell. What one script does is one step here.
 * How a run is owned, claimed and reaped is protocol.pml's; here it is one that may be taken from its worker at any time.
 * Any key of a call may be lost, LOSSES times in all; then there is the sweep, which walks over all keys, and sees what is not as it should be.
 * A caller waits for this run alone, and calls again when it is woken; BESIDE: it waits beside other steps, and does not, but says what it waits for.
 *
 * Searched for: a run that is made twice though no shard fell back and nothing was lost, an answer that becomes two checkpoints, or one
 * that is written while a worker holds the run; a rest in which the caller has not ended.
 *
 * WITHOUT_… takes one rule away; each is seen to be needed.
 */
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef LOSSES
#define LOSSES 0
#endif

#define NONE 0

/* ---- the caller's shard ----------------------------------------------------------------------------------- */

#define CALLER_DUE 1
#define CALLER_OWNED 2
#define CALLER_WAITING 3
#define CALLER_ENDED 4

#define CALL_OPEN 1
#define CALL_ANSWERED 2
#define CALL_IN_MAIL 3           /* answered, and the answer in the mail */

#define LETTER 1

typedef CallerShard {
    byte caller;                 /* NONE: its message comes, or comes again */
    byte call;
    byte letter;                 /* S: to the callee's shard */
    bit question;                /* Q: likewise */
    bit has_mail;
    bit has_waited;              /* a checkpoint: that it called */
    byte answers;                /* checkpoints */
    bit is_sure;                 /* the call was answered longer ago than redis.durability_lag */
    bit was_woken;               /* by the sweep, once; `calls` says so */
}

/* ---- the callee's shard ----------------------------------------------------------------------------------- */

#define CALLEE_DUE 1
#define CALLEE_OWNED 2

#define CALLED_OPEN 1
#define CALLED_ANSWERED 2

typedef CalleeShard {
    byte callee;                 /* NONE: not made; or ended, and no history is kept */
    byte called;
    byte letter;                 /* A: to the caller's shard */
    bit is_sure;                 /* it was called longer ago than redis.durability_lag */
}

CallerShard here, here_disk;
CalleeShard there, there_disk;

/* ---- what is searched for --------------------------------------------------------------------------------- */

byte faults = FAULTS;
byte losses = LOSSES;
byte rollbacks;
byte made;                       /* how often the run was made */
bit has_ended;                   /* the caller, and that counted */

#define COPY_HERE(from, to) \
    to.caller = from.caller; to.call = from.call; to.letter = from.letter; to.question = from.question; to.has_mail = from.has_mail; \
    to.has_waited = from.has_waited; to.answers = from.answers; to.is_sure = from.is_sure; to.was_woken = from.was_woken
#define COPY_THERE(from, to) to.callee = from.callee; to.called = from.called; to.letter = from.letter; to.is_sure = from.is_sure

/* ---- the caller's worker ---------------------------------------------------------------------------------- */

inline add_answer()
{
    here.answers++;
    assert(here.answers < 2)
}

#ifdef WITHOUT_ASKING_ANEW
#define MUST_CALL (here.call == NONE)
#else
#define MUST_CALL (here.call == NONE || (here.call != CALL_OPEN && !here.has_mail))
#endif
#ifdef BESIDE
#define CALLS_AGAIN false
#else
#define CALLS_AGAIN true
#endif
/* By its checkpoints it waits for the run, and `calls` does not know of it. */
#ifdef WITHOUT_RESTORING
#define RESTORES false
#else
#define RESTORES (!CALLS_AGAIN && here.has_waited && here.call == NONE && !here.has_mail)
#endif

/* One script: the call, what is waited for, and the letter. */
inline wait()
{
    if
    :: (!here.has_waited || CALLS_AGAIN) && MUST_CALL -> here.call = CALL_OPEN; here.letter = LETTER
    :: RESTORES -> here.call = CALL_OPEN
    :: else
    fi;
    here.has_waited = true;
    if
    :: here.has_mail -> here.has_mail = false; here.call = CALL_ANSWERED; add_answer(); here.caller = CALLER_DUE
    :: else -> here.caller = CALLER_WAITING
    fi
}

proctype Caller()
{
    byte seen;                   /* what the worker has in memory */
end:
    do
    :: d_step { here.caller == NONE && !has_ended -> wait() }
    :: d_step { here.caller == CALLER_DUE -> here.caller = CALLER_OWNED; seen = here.answers }
    :: d_step { here.caller == CALLER_OWNED && here.answers != seen -> assert(false) }
    :: d_step { here.caller == CALLER_OWNED && seen > 0 -> here.caller = CALLER_ENDED; has_ended = true; seen = 0 }
    :: d_step { here.caller == CALLER_OWNED && seen == 0 -> wait() }
    /* Its worker dies, or its time was over, and it is there again. */
    :: d_step { here.caller == CALLER_OWNED && faults > 0 -> faults--; here.caller = CALLER_DUE; seen = 0 }
    :: d_step { here.caller == CALLER_WAITING && faults > 0 -> faults--; here.caller = CALLER_DUE }
    od
}

proctype Callee()
{
end:
    do
    :: d_step { there.callee == CALLEE_DUE -> there.callee = CALLEE_OWNED }
    :: d_step { there.callee == CALLEE_OWNED && faults > 0 -> faults--; there.callee = CALLEE_DUE }
    :: d_step {
        there.callee == CALLEE_OWNED ->
        there.callee = NONE;
#ifdef WITHOUT_KEPT_ANSWER
        there.called = NONE;
#else
        there.called = (there.called == NONE -> NONE : CALLED_ANSWERED);
#endif
        there.letter = (there.called == CALLED_ANSWERED || LOSSES == 0 -> LETTER : there.letter)
    }
    od
}

/* ---- letters ---------------------------------------------------------------------------------------------- */

/* Whether the letter has done its work: a shard that was told only now may forget it. */
#ifdef WITHOUT_TIME
#define KNEW(shard) true
#else
#define KNEW(shard) shard.is_sure
#endif

inline start()
{
    if
    :: there.called == NONE ->
        there.called = CALLED_OPEN;
        there.is_sure = false;
        if
        :: there.callee == NONE ->
            there.callee = CALLEE_DUE;
            made++;
            assert(made <= 1 + rollbacks + LOSSES - losses)
        :: else
        fi
    :: there.called == CALLED_ANSWERED && there.letter == NONE -> there.letter = LETTER; there.is_sure = false
    :: else
    fi;
    knew = KNEW(there)
}

/* Its caller waits still: what is not there any more will not answer, and that is answered. */
inline look_for()
{
    here.question = false;
    if
    :: there.letter == LETTER
    :: there.letter == NONE && there.called == CALLED_ANSWERED -> there.letter = LETTER
    :: there.letter == NONE && there.called != CALLED_ANSWERED && there.callee == NONE -> there.called = CALLED_ANSWERED; there.letter = LETTER
    :: there.letter == NONE && there.called == NONE && there.callee != NONE -> there.called = CALLED_OPEN
    :: else
    fi
}

#define IS_ALIVE (here.caller != NONE && here.caller != CALLER_ENDED)
#define IS_OPEN (here.call == CALL_OPEN || (here.call == CALL_IN_MAIL && !here.has_mail))
#ifdef WITHOUT_CALLS
#define IS_WAITED_FOR IS_ALIVE
#else
#define IS_WAITED_FOR (IS_OPEN && IS_ALIVE)
#endif
/* `calls` is lost: its caller's checkpoints say whether it waits. Without this it would hear after the next walk of the sweep. */
#define SAY_CHECKPOINTS (IS_ALIVE && here.has_waited && here.answers == 0)
inline answer()
{
    if
    :: here.call == NONE && SAY_CHECKPOINTS -> here.call = CALL_OPEN
    :: else
    fi;
    if
    :: here.call == NONE -> knew = true
    :: here.call != NONE ->
        if
        :: IS_WAITED_FOR ->
            here.letter = NONE;
            if
#ifndef WITHOUT_MAIL
            :: here.caller == CALLER_OWNED -> here.has_mail = true; here.call = CALL_IN_MAIL; here.is_sure = false
            :: here.caller != CALLER_OWNED -> add_answer(); here.has_mail = false; here.call = CALL_ANSWERED; here.is_sure = false
#else
            :: add_answer(); here.call = CALL_ANSWERED; here.is_sure = false
#endif
            fi;
            if
            :: here.caller == CALLER_WAITING -> here.caller = CALLER_DUE
            :: else
            fi
        :: else ->
            if
            :: IS_OPEN -> here.call = CALL_ANSWERED; here.is_sure = false
            :: else
            fi
        fi;
        knew = KNEW(here)
    fi
}

/* What was answered is told to the letter's own shard; or it is not, and the letter goes out again. */
#define settle(letter) \
    if \
    :: knew -> letter = NONE \
    :: else \
    fi

proctype Carrier()
{
    bit knew;
end:
    do
    :: atomic {
        here.letter == LETTER ->
        d_step { start() };
        if
        :: d_step { settle(here.letter) }
        :: faults > 0 -> faults--
        fi;
        knew = false
    }
    :: atomic {
        there.letter == LETTER ->
        d_step { answer() };
        if
        :: d_step { settle(there.letter) }
        :: faults > 0 -> faults--
        fi;
        knew = false
    }
    :: d_step { here.question -> look_for() }
    od
}

/* ---- keys that are lost, and the sweep -------------------------------------------------------------------- */

/* What it sees, at any time; of questions those alone that have something to say when they are asked. */
proctype Sweep()
{
end:
    do
#ifndef WITHOUT_QUESTION
    :: d_step {
        IS_ALIVE && IS_OPEN && here.letter == NONE && !here.question && there.letter == NONE &&
        (there.called != CALLED_OPEN || there.callee == NONE) -> here.question = true
    }
#endif
#ifndef WITHOUT_WAKING
    :: d_step { here.caller == CALLER_WAITING && here.call == NONE && !here.was_woken -> here.caller = CALLER_DUE; here.was_woken = true }
#endif
    :: d_step { there.called == CALLED_OPEN && there.callee == NONE -> there.called = CALLED_ANSWERED; there.letter = LETTER }
    od
}

/* A list that says when a letter goes out is made again by the sweep: that it is lost only takes time. */
proctype Losses()
{
end:
    do
    :: d_step { losses > 0 && (here.letter == LETTER || here.question) -> losses--; here.letter = NONE; here.question = false }
    :: d_step { losses > 0 && there.letter == LETTER -> losses--; there.letter = NONE }
    :: d_step { losses > 0 && here.call != NONE && here.caller != CALLER_ENDED -> losses--; here.call = NONE; here.was_woken = false }
    :: d_step { losses > 0 && here.has_mail -> losses--; here.has_mail = false }
    :: d_step {
        losses > 0 && here.has_waited && here.caller != CALLER_OWNED && here.caller != CALLER_ENDED ->
        losses--;
        here.has_waited = false;
        here.answers = 0
    }
    :: d_step { losses > 0 && there.called != NONE -> losses--; there.called = NONE }
    :: d_step { losses > 0 && there.callee != NONE -> losses--; there.callee = NONE }
    od
}

/* ---- Redis ------------------------------------------------------------------------------------------------ */

/* Each shard is on disk by the time that the lag of what was delivered to it is over. */
proctype Disks()
{
end:
    do
    :: d_step { here.call > CALL_OPEN && !here.is_sure -> here.is_sure = true; COPY_HERE(here, here_disk) }
    :: d_step { there.called != NONE && !there.is_sure -> there.is_sure = true; COPY_THERE(there, there_disk) }
    :: d_step { faults > 0 -> COPY_HERE(here, here_disk) }
    :: d_step { faults > 0 -> COPY_THERE(there, there_disk) }
    :: d_step {
        faults > 0 ->
        faults--;
        rollbacks++;
        COPY_HERE(here_disk, here);
        if
        :: here.caller == CALLER_OWNED -> here.caller = CALLER_DUE /* by an incarnation that is no more */
        :: else
        fi;
        has_ended = (here.caller == CALLER_ENDED)
    }
    :: d_step { faults > 0 -> faults--; rollbacks++; COPY_THERE(there_disk, there) }
    od
}

init
{
    atomic {
        run Caller();
        run Callee();
        run Carrier();
        if
        :: LOSSES > 0 -> run Sweep(); run Losses()
        :: else
        fi;
        run Disks()
    }
    atomic {
        timeout ->
        assert(here.caller == CALLER_ENDED && here.answers == 1)
    }
}
