/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a function's flow control makes of one event: its condition, and the keys that the store counts by. An expression
 * that fails holds nothing up: it is false, or its key is none; that is counted, with the first reason.
 */
#ifndef STEPD_RUN_FLOW_ASK_H
#define STEPD_RUN_FLOW_ASK_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "run/run.h"

/* Expressions that failed. */
struct flow_troubles {
    unsigned count;
    const char *setting; /* of the first */
    struct error error;
};

/* A key as it is part of a name in the store: "=" and its text, or "-" where there is none. */
struct flow_key {
    size_t at;
    size_t size;
};

struct flow_ask {
    msgpack_sbuffer texts; /* of the keys */
    bool has_dedupe;
    struct dedupe_id dedupe;
    bool is_duplicate;   /* of a run that was called: its key's window is another's */
    bool has_rate_limit; /* else it does not apply to this event, as the next two */
    bool has_singleton;
    bool has_debounce;
    struct flow_key rate_limit;
    struct flow_key singleton;
    struct flow_key debounce;
    struct flow_key throttle;
    struct flow_key breaker;
    struct flow_key limits[FLOW_LIMITS_MOST];
    struct flow_key wishes[FLOW_WISHES_MOST]; /* the values by which later events are looked up; size 0: none has it */
    int64_t priority_ms;                      /* ahead of others */
    bool is_held;                             /* its breaker is open: the run waits in line, whatever else its function asks */
    struct flow_troubles troubles;
};

/* Whether the function is to run on the event at all. */
bool flow_wants(const struct function *function, struct event *event, int64_t now_ms, struct flow_troubles *troubles);
/* flow_ask_done() it, whatever its troubles. */
void flow_ask_init(struct flow_ask *ask, const struct function *function, struct event *event, int64_t now_ms);
/* The same for a run that was let in already, or is a person's doing: what drops events does not apply to it. */
void flow_ask_init_again(struct flow_ask *ask, const struct function *function, struct event *event, int64_t now_ms);
void flow_ask_done(struct flow_ask *ask);
struct bytes flow_ask_key(const struct flow_ask *ask, const struct flow_key *key);
/* The event's batch, as a key (above), into `text`. False: it is a batch of its own. */
bool flow_batch_key(const struct function *function, struct event *event, int64_t now_ms, msgpack_sbuffer *text,
                    struct flow_troubles *troubles);
/* What a dedupe window of the function remembers the event by; false: it does not apply to this one. */
bool flow_dedupe_id(const struct function *function, struct event *event, int64_t now_ms, struct dedupe_id *ret_id,
                    struct flow_troubles *troubles);

/* The policy of errors of that name, which both an attempt's function and its steps go by; NULL: there is none. */
const struct stepd_error_policy *flow_error_policy(const struct function *function, const char *error);
/* How often what failed so is tried again, where `retries` is what counts else. */
int flow_retries(const struct function *function, const char *error, int retries);

#endif
