/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of keys. All of a run are in its shard's slot, `PREFIX{shard}:`:
 *
 *   delayed                   zset    run by due time, ms
 *   delayed-3                 zset    the same of runs of several events (record.h), which daemons that know none do not read
 *   line:<function>           zset    runs that wait for room under their function's concurrency, by when they came
 *   lines                     set     the functions that have one
 *   ticks                     hash    by function with a schedule: its last tick that is recorded, ms
 *   unwanted                  zset    runs without a record that a person has cancelled, by until when daemons are told
 *   owned:<worker>            zset    runs that a living worker holds, by time of take or claim
 *   held:<worker>             set     the others that it holds: their records are of version 2 or 3
 *   holders                   zset    worker by the deadline of its heartbeat, as long as it may hold such runs
 *   workers                   zset    worker by the deadline of its heartbeat
 *   run:<id>                  string  record.h
 *   steps:<id>                zset    checkpoint (run/checkpoints.h) by its position
 *   added:<id>:<epoch>        list    those behind it, of an owner that adds them by himself (scripts/added.lua)
 *   taken:<topic>:<partition> zset    run by offset: the store has taken it over
 *   admitted:<topic>:<partition> zset run by offset: a dedupe window has let it in
 *   crashed:<topic>:<partition> hash  run -> crashes while it had no record; forgotten after a week (recovery.c)
 *   busy:<topic>:<partition>  hash    function NUL key -> the ordered run that is first of its key
 *   behind:<topic>:<partition>:<function>:<key>  zset  ordered runs that wait for it, by offset
 *   untold                    zset    runs that were cancelled, until their stepd/function.cancelled is out, by when it is to be brought out (ms)
 *   dead, history             zset    ended runs by time: failed; completed and cancelled
 *   waiting                   zset    runs that wait for what comes from elsewhere, by when their time is over, ms
 *   await:<id>                string  what a run that waits for an event waits for (scripts/waits.lua); beside its record
 *   await:<id>:<number>       string  likewise, of one of several waits, or of a run's wish
 *   kept:<id>                 hash    events that came before the run waited for them (match.lua); empty: it was given it
 *   wait:<event> NUL <later side> NUL <value>  zset  runs that wait for that: an index, all at 0
 *   signal:<event> NUL <later side> NUL <value>  string  the run that is about to wait for that signal, before it does; in the signal's shard; expires
 *   signalled:<id>:<number>   string  who has sent the signal that the run waits for so; expires
 *   watches                   zset    event NUL later side, by the generation in which it was added
 *   watching                  hash    the generation; as of which `matched` was lowered; the process that Redis was
 *   matched                   hash    topic:partition -> below that offset all is matched against all that could be waited for
 *   rewound                   hash    what `matched` was when Redis came back as another process; expires
 *   walk                      hash    the walk over all keys (sweeper): whose, in which process of Redis, from which generation on it looks for watches
 *   unseen                    set     watches of which it has seen no wait yet
 *   idle                      zset    watches of which no wait was seen, by since when, ms
 *   fading                    zset    watches that are none any more, unless the next walk sees a wait of them (scripts/unwatch.lua); all at 0
 *   faded                     hash    what `matched` was when they became so
 *   forgotten                 zset    those of which it saw none, by the generation in which readers are told; the latest 10,000
 *   newest                    zset    the 10,000 newest runs there are, or some more, by when they began: for lists
 *   calls:<id>                hash    runs that a run called: whether that is open, or when it was answered (scripts/mail.lua); ?: when it was last asked after; beside its record, an hour longer
 *   mail:<id>                 hash    what came for it while a worker held it: by the run that it called, or its wait's number; beside its record
 *   mailed:<worker>           set     runs of it that have such
 *   called:<id>               string  who called the run, and what it answered (scripts/called.lua)
 *   letters                   hash    what goes to other shards (scripts/post.lua)
 *   outbox                    zset    their names, by when they go out, ms
 *   seen:<28 hex digits>      string  an event's key (dedupe_id_of()) within its dedupe window; the message whose run it started
 *   flow:<id>                 string  what a run with limits of all daemons waits for (scripts/flow.lua); beside its record
 *   line:<function> NUL <keys> zset   such runs of one line, by arrival and priority; queue:<function> has those of all its lines
 *   heads:<function>          zset    its lines, by when each may be tried next, ms
 *   debounce:<function> NUL <key> string the run that waits for a later event; expires when it is due
 *   debounced                 zset    such runs by when they are due, ms
 *   deadlines                 zset    runs by when they are cancelled unless they have begun, or ended, ms
 *   timed                     set     functions with such runs
 *   pausing, paused_ms        hash    by such a function: when it was last seen to be paused; how long it was in all, ms
 *   rate:, turn:<function> NUL <key> string when its turns are used up until, µs, of rate_limit and of throttle; they expire
 *   lock:<function> NUL <key> string  the living run of a singleton
 *   process, reborn           string  the process that Redis was; that it became another, for one lease: no place is given
 *   places:<name>             zset    runs that execute under a concurrency limit; <name>: function NUL number NUL key, or @scope NUL NUL key
 *   blocked:<name>            zset    lines (function NUL line) that found no place there; <name> !<breaker>: that it holds; *<function>: too many live
 *   living:<function>         zset    its runs that live, from their first turn on, where each is tried with each event that may cancel it
 *   open:<breaker>            string  for how long it was open, where its function has timeouts (breaker.lua); expires
 *   breakers                  zset    open ones, <breaker>: function NUL key, by until when; breakers_at changes with it
 *   faults:<breaker>          zset    its latest failed attempts; probe:<breaker>: the run that it lets begin alone; they expire
 *   stats, stats:<worker>     hash    counters of dead workers, of a living one
 *   asked:<worker>            set     runs of it that a person has cancelled
 *   claim:<worker>            string  its latest claim, so that a lost reply can be given again
 *   sweeper                   string  the worker that walks over all runs (sweep.h)
 *   lost                      set     runs whose records were found to be lost, until a worker has said so
 *
 * and in shard 0, for all shards:
 *
 *   shards                    string  their number
 *   inngest                   hash    what each app of an SDK registered
 *   inngest-gone              hash    functions whose app is gone, until none of their runs is left (apps.c)
 *   functions                 hash    functions that daemons have: when that was said, where their runs are put
 *   paused                    hash    paused functions, and who paused them
 *   deeds                     hash    what people did, until a daemon has it in its log
 *   redrives, replays         hash    how far each came, by its name (ctl/marks.h)
 *
 * A worker is its incarnation in hex digits.
 * Of these, records carry a version (record.h); what any other key holds keeps its form, or gets another name.
 * The scripts write these names too: change both.
 */
#ifndef STEPD_STORE_REDIS_KEYS_H
#define STEPD_STORE_REDIS_KEYS_H

#include <stdint.h>

#include "base/bytes.h"
#include "run/run.h"

#define KEYS_WORKER_SIZE 33

/* "PREFIX{shard}:"; the caller frees. */
char *keys_shard_prefix(const char *prefix, int shard);
/* The caller frees. */
char *keys_format(const char *shard_prefix, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* `behind:…`, which ends with any bytes; the caller frees what it points to. */
struct bytes keys_behind(const char *shard_prefix, const char *topic, int32_t partition, const char *function, struct bytes key);
void keys_worker(const struct incarnation *worker, char ret_hex[KEYS_WORKER_SIZE]);

#endif
