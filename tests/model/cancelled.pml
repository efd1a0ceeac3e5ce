/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a run that is cancelled is told of, for Spin: a person who cancels it and begins it anew, twice, at any time; workers that
 * execute it and may die; others who are given it so that they tell of it, and may die before or after they have. What one script
 * of daemon/store/redis/scripts does is one step here. What ends by time ends at any.
 *
 * Searched for: a cancellation that nobody is to tell of any more, though no event went out after it.
 *
 * WITHOUT_… takes one rule away; each is seen to be needed.
 */
#define RUN_PARKED 0
#define RUN_OWNED 1
#define RUN_CANCELLED 2
#define RUN_COMPLETED 3
#define RUN_GONE 4

#ifndef FAULTS
#define FAULTS 2
#endif

unsigned status : 3 = RUN_PARKED;
unsigned epoch : 4 = 1;
bit is_asked;                    /* the flag CANCEL: its worker is to end it */
bit is_to_be_told;               /* the flag TELL … */
bit is_untold;                   /* … and that it stands in `untold` … */
byte until;                      /* … until some time, which is another whenever it is cancelled or given to who tells of it */
unsigned faults : 2 = FAULTS;

/* For the search alone. */
unsigned cancelled : 2;          /* how often it was */
unsigned told : 2;               /* how often it had been when the last event went out */

#define LOOK assert(is_untold || told == cancelled)

/* conclude() of ending.lua */
inline cancel()
{
    status = RUN_CANCELLED;
    is_asked = 0;
    cancelled++;
    is_to_be_told = 1;
    is_untold = 1;
    until++
}

/* told.lua; `mine`: until when who tells of it has it. */
inline say_told(mine)
{
    if
#ifndef WITHOUT_TIME
    :: !is_untold || until != mine
#endif
    :: else ->
        is_untold = 0;
        if
        :: is_to_be_told && status == RUN_COMPLETED -> status = RUN_GONE
        :: else
        fi;
        is_to_be_told = 0;
        LOOK
    fi
}

active proctype person()
{
    byte begun;
    do
    :: atomic { status == RUN_PARKED && cancelled < 3 -> cancel() }
    :: atomic { status == RUN_OWNED && !is_asked && cancelled < 3 -> is_asked = 1 }
    :: atomic { status == RUN_CANCELLED && begun < 2 -> status = RUN_PARKED; epoch++; begun++ }
    :: break
    od
}

active [2] proctype worker()
{
    byte mine, has;
end:
    do
    :: atomic { status == RUN_PARKED && epoch < 14 -> status = RUN_OWNED; epoch++; mine = epoch }
        if
        :: atomic { faults > 0 && status == RUN_OWNED && epoch == mine -> faults--; status = RUN_PARKED; epoch++ } /* dies; is reaped */
        :: atomic { status == RUN_OWNED && epoch == mine ->
            if
            :: is_asked -> cancel(); has = until
            :: else ->
                status = RUN_COMPLETED;
                if
#ifdef WITHOUT_KEEPING
                :: is_to_be_told -> status = RUN_GONE
#endif
                :: !is_to_be_told -> status = RUN_GONE
                :: else
                fi;
                mine = 0
            fi }
            if
            :: mine != 0 ->
                atomic { told = cancelled }
                atomic { say_told(has) }
            :: else
            fi
        fi;
        mine = 0;
        has = 0
    od
}

active [2] proctype teller()
{
    byte given;
end:
    do
    :: atomic { is_untold ->
        if
        :: status != RUN_GONE && is_to_be_told && until < 6 -> until++; given = until
        :: status != RUN_GONE && is_to_be_told && until >= 6 /* often enough for the search */
        :: else -> is_untold = 0; LOOK
        fi }
        if
        :: given != 0 ->
            if
            :: atomic { told = cancelled }
                if
                :: atomic { say_told(given) }
                :: atomic { faults > 0 -> faults-- }
                fi
            :: atomic { faults > 0 -> faults-- }
            fi
        :: else
        fi;
        given = 0
    od
}
