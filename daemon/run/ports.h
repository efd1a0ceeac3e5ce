/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What core asks of the outside. Redis and Kafka stand behind these in the daemon; memory and a
 * virtual clock do in stepd::testing and in core's own tests.
 *
 * All calls block until the other side has answered durably, however long that takes, and answer
 * -ESHUTDOWN when the daemon gives up waiting to stop; then nothing is known of the outcome, and the
 * caller drops the run without marking its message done. -EIO: the other side refuses it for good, asked
 * again it would answer the same; nothing was changed. May be called from any worker thread.
 */
#ifndef STEPD_RUN_PORTS_H
#define STEPD_RUN_PORTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "run/flow_ask.h"
#include "run/run.h"
#include "run/wait_ask.h"

/* What a change of a run's durable state was answered with. */
enum store_answer {
    STORE_OK,
    STORE_MOVED,     /* epoch or owner moved on, or the run exists already: another worker has it */
    STORE_CANCELLED, /* the run was cancelled by a person; it is ended */
    STORE_GONE,      /* its record is lost: drop it; what is not committed comes again */
    STORE_LIMIT,     /* its state would pass limits.state_bytes */
    STORE_TOO_MANY,  /* as many wait for events of that name, without an index, as may */
    STORE_KEPT_MORE, /* CHECKPOINT of a wait: more events are kept for the run than when it looked; nothing was changed */
};

enum transition_kind {
    TRANSITION_CHECKPOINT, /* stays owned: add `checkpoint` at `position`; attempt is then `attempt` */
    TRANSITION_PARK,       /* owned -> delayed, sleeping or waiting (`status`), due at due_ms or after delay_ms */
    TRANSITION_PHASE,      /* stays owned: `phase` and `attempt` change, `tail` is replaced */
    TRANSITION_FINISH,     /* owned -> completed; kept or dropped as `history` says */
    TRANSITION_BURY,       /* owned -> failed; into :dead */
};

/* A run that is called: it is made in its own shard, at least once and no second time, and its answer becomes a checkpoint of
 * its caller. */
struct callee {
    const struct run *run; /* its id, function (whose id alone counts), event */
    struct bytes head;     /* of that checkpoint; checkpoint_pack_around() */
    struct bytes middle;
};

/*
 * One durable change, one atomic script, fenced by the run's epoch and owner. Where run->epoch is 0
 * the run's record is made by it ("take": create unless it exists), with first_epoch and this owner.
 * May be sent twice: same answer, no second effect.
 */
struct transition {
    enum transition_kind kind;
    enum run_status status; /* PARK: RUN_DELAYED, RUN_SLEEPING or RUN_WAITING */
    enum run_phase phase;
    int attempt;
    int64_t delay_ms;        /* PARK: due that long after the store's now … */
    int64_t due_ms;          /* … or, when not 0, then */
    size_t position;         /* of `checkpoint`, 0 for the first; what stands there or behind is replaced */
    struct bytes checkpoint; /* PARK, CHECKPOINT; size 0: none. PARK also clears a STARTED at `position` */
    bool clears_started;
    bool waits_in_line;             /* PARK, DELAYED, due now: until its function has room for it somewhere */
    const struct flow_ask *held_by; /* waits_in_line: until a breaker lets it begin; NULL: none holds it */
    const struct wait_ask *wait;    /* PARK, WAITING; or CHECKPOINT, beside other steps: for an event. NULL: for something else */
    const struct wait_look *look;   /* PHASE: what has come for the run; FINISH, BURY: what it waits for no more; NULL: not asked */
    struct bytes tail;              /* replaces the record's; data NULL: stays */
    const struct callee *callee;    /* CHECKPOINT, PARK: called by this change; NULL: none. A run called before is called no more */
    const struct run_id *call_off;  /* CHECKPOINT: the answer of this one is waited for no more; NULL: none */
    struct bytes told;              /* FINISH, BURY: to who called the run: its result, or checkpoint_pack_failure() */
};

struct transition_reply {
    enum store_answer answer;
    uint32_t epoch; /* of the run now */
    struct incarnation owner;
    int64_t now_ms;         /* the store's */
    int64_t due_ms;         /* PARK; STORE_CANCELLED: by when that is to be told */
    struct run_notes notes; /* for the run to bring along with its next change */
};

/* The store has agreed: the run in memory is as the change left it. */
static inline void run_follow(struct run *run, const struct transition *change, const struct transition_reply *reply)
{
    run->epoch = reply->epoch;
    run->owner = reply->owner;
    run->notes = reply->notes;
    run->attempt = change->attempt;
    run->phase = change->phase;
}

/* Whether a run of a key may start. */
enum order_answer { ORDER_FREE, ORDER_QUEUED };
enum dedupe_answer { DEDUPE_FIRST, DEDUPE_DUPLICATE };

/* What flow control makes of an event. */
enum flow_answer {
    FLOW_BEGINS,
    FLOW_IN_LINE,
    FLOW_DUPLICATE,
    FLOW_OVER_RATE,
    FLOW_NOT_ALONE,
    FLOW_REPLACES, /* a run that waits in the store has the event, or had a later one already: the event is the store's */
    FLOW_KNOWN,    /* the store has, or had, the run already */
    FLOW_MOVED,    /* admit_called(): it is not ours */
};

/* An attempt of a function with a breaker, of whose key it was. */
struct breaker_news {
    struct bytes key; /* flow_ask_key() of it */
    bool has_failed;  /* of an error that counts; else it is over */
    int attempt;
};

struct store {
    const struct store_ops *ops;
};

/* A change that is asked for and not waited for. */
struct pending_change {
    const struct run *run; /* as it stands, with the change, until done() */
    const struct transition *change;
    int status; /* as advance() */
    struct transition_reply reply;
    void (*done)(struct pending_change *pending); /* any thread, once both are set; must not call the store */
};

/* An event that was read, and whose answer nobody waits for. */
struct pending_match {
    struct wait_match match; /* lives until done(), with what it points to */
    int status;              /* as match() */
    struct wait_counts counts;
    bool is_whole;                               /* else match() is to be asked for the rest */
    void (*done)(struct pending_match *pending); /* any thread, once all are set; must not call the store */
};

struct store_ops {
    int (*advance)(struct store *store, const struct run *run, const struct transition *transition, struct transition_reply *ret_reply);
    /* The same without waiting. False: it can't be had so, advance() is to be asked. NULL: nothing can. */
    bool (*advance_later)(struct store *store, struct pending_change *pending);
    /* Ordered runs: if a run of this key is in the store, takes this one over behind it
     * (ORDER_QUEUED); else answers ORDER_FREE and does nothing. */
    int (*queue_behind)(struct store *store, const struct run *run, enum order_answer *ret_answer);
    /* Remembers, for the function's window, which run the event's key `id` started; that run asking again is FIRST. */
    int (*remember)(struct store *store, const struct run *run, const struct dedupe_id *id, int64_t window_ms,
                    enum dedupe_answer *ret_answer);
    /* A function whose flow control asks: its run begins, is the store's and waits in line, or was refused: then nothing
     * is kept of it. May be sent twice: same answer, but for a refusal, which is asked anew. */
    int (*admit)(struct store *store, const struct run *run, const struct flow_ask *ask, enum flow_answer *ret_answer);
    /* What an attempt came to, where it failed, or its run was let begin alone: its breaker may open or close by it. */
    int (*tell_breaker)(struct store *store, const struct run *run, const struct breaker_news *news);
    /* Ends all waits that the event ends, whose outcomes are due then. May be asked again: what it ended waits no more. */
    int (*match)(struct store *store, const struct wait_match *match, struct wait_counts *ret_counts);
    /* The same without waiting; no condition is tried. NULL: it can't be had so. */
    void (*match_later)(struct store *store, struct pending_match *pending);
    /* A run that was called and that we hold, before it begins: as admit(); what starts nothing is gone then, its caller told. */
    int (*admit_called)(struct store *store, const struct run *run, const struct flow_ask *ask, enum flow_answer *ret_answer);
    /* Whether a daemon has, or had within a day, a function of that name, and where its runs are put. */
    int (*find_function)(struct store *store, const char *id, bool *ret_is_known, enum run_placement *ret_placement);
    /* Events of that name that are kept for the run, oldest first: `each` is shown their names and what a wait is given of them. */
    int (*list_kept)(struct store *store, const struct run *run, const char *event,
                     void (*each)(void *context, const char *name, struct bytes outcome), void *context);
    /* A run of ours, of which the store refuses all else for good, goes no further: it ends among the dead, with
     * nothing said of why. */
    int (*condemn)(struct store *store, const struct run *run);
    /* stepd/function.cancelled of a run that the store holds is out: the run counts as ended. */
    int (*told)(struct store *store, const struct run *run);
    /* The store's time in ms, as well as it is known here without asking. */
    int64_t (*now_ms)(struct store *store);
};

/* A dead letter or an emitted event. */
struct outgoing {
    const char *topic;
    struct bytes key;   /* data NULL: none */
    struct bytes value; /* data NULL: a null value */
    const struct event_header *headers;
    size_t header_count;
};

struct publisher {
    const struct publisher_ops *ops;
};

/* Messages that nobody waits for. */
struct pending_delivery {
    int status; /* as publish(); -EAGAIN: not all of them could be delivered now, though some may be out */
    void (*done)(struct pending_delivery *pending); /* any thread, once it is set, even before publish_later() returns; must not publish */
};

struct publisher_ops {
    /* All are on their way at once. 0 once the brokers have acknowledged every one; -EIO when they refuse one (too large, not
     * allowed): it is not out, others may be, and asking again at once won't help. */
    int (*publish)(struct publisher *publisher, const struct outgoing *messages, size_t count);
    /* The same, tried once and without waiting; nothing of the messages is used after it has returned. NULL: it can't be had so. */
    void (*publish_later)(struct publisher *publisher, const struct outgoing *messages, size_t count, struct pending_delivery *pending);
};

#endif
