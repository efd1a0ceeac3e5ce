/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run of an SDK's function waits for: calls of its app, and times. The run comes home as soon as one
 * of them is done, while others go on; what arrives meanwhile is taken by the run's holder, in order.
 */
#ifndef STEPD_SDK_SDK_ERRAND_H
#define STEPD_SDK_SDK_ERRAND_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/http_pool.h"
#include "run/branches.h"
#include "run/errand.h"
#include "run/run.h"
#include "sdk/call.h"
#include "sdk/open_calls.h"

struct sdk_inside;

/* One call of the app, or a time (call->url NULL). */
struct sdk_call {
    struct sdk_call *next;
    struct sdk_inside *inside;
    struct call *call;
    char name[STEP_ID_SIZE]; /* of the step that is wanted, ours; empty: the function as a whole */
    int attempt;
    struct open_call open; /* where steps may be reported before it is done */
    bool was_open;
    bool is_outside;  /* … not of the app: sdk/gateway.h */
    bool is_of_model; /* … but of a model */
};

/* What is to be asked for in the app's place, of a branch that is not called yet. */
struct gateway {
    struct gateway *next;
    char name[STEP_ID_SIZE]; /* of the branch */
    char *url, *method;      /* owned, as all below; method NULL: the usual one */
    struct curl_slist *headers;
    msgpack_sbuffer body;
    bool is_of_model;
};
/* One that is in no list. */
void gateway_destroy(struct gateway *gateway);

struct sdk_errand {
    struct errand base;
    /* The run's holder's: */
    struct branches branches;
    struct gateway *gateways; /* its own */
    int version;              /* of the protocol, as the app's replies say; 0: none has come */
    int64_t told_ms;          /* the store's time of the last look for what comes next; 0: none yet */
    bool has_news;            /* something has ended that the function has not been told of */
    bool is_racing;           /* … and it is to be told at once, whatever else is planned: a race, or what came from outside */
    bool is_looking;          /* a call of the function as a whole is under way */
    /* Locks itself: */
    struct sdk_inside *inside;
};

/* Its calls go out over the http_pool; both outlive it. Destroyed by errand_destroy(). */
struct sdk_errand *sdk_errand_create(struct http_pool *http_pool, struct open_calls *open_calls);
/* The errand of a run that has one. */
struct sdk_errand *sdk_errand_of(struct errand *errand);

/* The run's holder, all below. A call that is made ready and sent. */
struct sdk_call *sdk_call_create(struct sdk_errand *errand, const char *name);
void sdk_call_destroy(struct sdk_call *call);
/* From here on until it has arrived steps may be reported to it. The token of that. */
const char *sdk_call_open(struct sdk_call *call, const struct run_id *run);
/* Takes it. */
void sdk_errand_send(struct sdk_errand *errand, struct sdk_call *call);
/* It comes home in that time at the latest. */
void sdk_errand_wake(struct sdk_errand *errand, int64_t delay_ms);
/* What has arrived, its caller's from here on; NULL: nothing more. */
struct sdk_call *sdk_errand_take(struct sdk_errand *errand);
/* The caller answers and releases it; NULL: there is none. */
struct report *sdk_errand_take_report(struct sdk_errand *errand);
/* Calls of the app that have not arrived. */
size_t sdk_errand_under_way(struct sdk_errand *errand);
/* Nobody wants the outcome any more. */
bool sdk_errand_is_cancelled(struct sdk_errand *errand);
/* Something has come that the run waits for beside its calls; once. */
bool sdk_errand_has_heard(struct sdk_errand *errand);

#endif
