/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run that waits while its steps go on, for Spin: who writes the end of the wait, and how its worker hears of it. What finds the
 * wait by its event is waits.pml's; here the event comes at any time, once, as the answer of a run that was called does (invoke.pml).
 * docs/inside/waits.md, "Several at once", has the rules. One script is one step. The wait's time, where it has one, is over at any time.
 *
 * Searched for: a wait that ends twice, or whose end is lost; a rest in which the run has not heard of it.
 *
 * WITHOUT_… takes one rule away; each is seen to be needed.
 */
#ifndef FAULTS
#define FAULTS 3                 /* at most: workers that die */
#endif
#ifndef STEPS
#define STEPS 2                  /* that its worker records beside the wait */
#endif

#define RUN_DUE 0
#define RUN_OWNED 1
#define RUN_WAITING 2
#define RUN_ENDED 3

/* ---- Redis ---------------------------------------------------------------------------------------------- */

unsigned status : 2;
bit is_open;                     /* the wait stands in its index */
bit has_mail;                    /* its end, kept for the worker, … */
bit is_listed;                   /* … among what the worker that had the run then is told of */
byte checkpoints;                /* … among which */
byte ends;                       /* ends of the wait, */
byte end_at;                     /* … the last of them there */
bit has_time;                    /* else it waits for ever */
bit is_over;                     /* its time */

/* ---- its worker ----------------------------------------------------------------------------------------- */

byte known;                      /* checkpoints, as it has them */
bit knows_end;
bit has_heard;                   /* that there is something for it */
bit is_away;                     /* for a step, … */
bit hangs;                       /* … which goes on for ever */
byte steps;                      /* recorded */
byte faults = FAULTS;
bit has_come;                    /* the event */

inline append_end()
{
    checkpoints++;
    ends++;
    end_at = checkpoints;
    assert(ends == 1)
}

inline open_mail()
{
    if
    :: has_mail -> has_mail = false; is_listed = false; append_end()
    :: else
    fi
}

/* What has come, once its worker asks; what is over by then ends with nothing, unless something has come. */
inline look()
{
    if
    :: is_over && is_open -> is_open = false; append_end()
#ifdef WITHOUT_MAIL_FIRST
    :: is_over && has_mail -> append_end()
#endif
    :: else
    fi;
    open_mail();
    has_heard = false;
    known = checkpoints;
    knows_end = (ends > 0)
}

proctype Event()
{
end:
    do
    :: d_step { !has_come ->
        has_come = true;
        if
        :: is_open && !is_over ->
            is_open = false;
            if
#ifndef WITHOUT_MAIL
            :: status == RUN_OWNED -> has_mail = true; is_listed = true
#endif
            :: else ->
                append_end();
                status = (status == RUN_WAITING -> RUN_DUE : status)
            fi
        :: else
        fi }
    od
}

proctype Clock()
{
end:
    do
    :: d_step { has_time && !is_over -> is_over = true }
    :: d_step { is_over && status == RUN_WAITING -> status = RUN_DUE }
    od
}

proctype Worker()
{
end:
    do
    /* A claim tells what stands; where the wait is still open by that, it asks. */
    :: d_step { status == RUN_DUE -> status = RUN_OWNED; known = checkpoints; knows_end = (ends > 0); has_heard = false; is_away = false; hangs = false;
        if
#ifndef WITHOUT_ASKING
        :: !knows_end -> look()
#endif
        :: else
        fi }
    /* A step's checkpoint stands where its worker says; what stood there goes. */
    :: d_step { status == RUN_OWNED && steps < STEPS && !hangs ->
        steps++;
        ends = (ends > 0 && end_at > known -> 0 : ends);
        checkpoints = known + 1;
        known = checkpoints;
        is_away = false;
        assert(!(has_come && !is_over && !is_open && ends == 0 && !has_mail)) }
    :: d_step { status == RUN_OWNED && steps < STEPS && !is_away -> is_away = true }
    :: d_step { status == RUN_OWNED && is_away && !hangs -> hangs = true }
#ifndef WITHOUT_HEARING
    :: d_step { status == RUN_OWNED && is_listed && !has_heard -> has_heard = true }
#endif
    :: d_step { status == RUN_OWNED && !knows_end && (has_heard || is_over) -> look() }
    :: d_step { status == RUN_OWNED && !knows_end && !is_away ->
        status = RUN_WAITING;
        if
#ifndef WITHOUT_OPENING
        :: has_mail -> open_mail(); status = RUN_DUE
#endif
        :: else
        fi }
    :: d_step { status == RUN_OWNED && knows_end -> status = RUN_ENDED }
    :: d_step { status == RUN_OWNED && faults > 0 -> faults--; status = RUN_DUE; is_away = false; is_listed = false }
    od
}

init
{
    atomic {
        status = RUN_OWNED;
        is_open = true;
        if
        :: has_time = true
        :: has_time = false
        fi;
        run Event();
        run Clock();
        run Worker()
    }
    atomic {
        timeout ->
        assert(status == RUN_ENDED && ends == 1 && !has_mail)
    }
}
