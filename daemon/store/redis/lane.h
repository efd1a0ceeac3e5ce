/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lane: one thread with one link to one Redis server. What is asked goes out as it comes, as many
 * requests in one write as wait, and does not wait for the replies to what went before. A server that is
 * slow, silent or gone holds up its own lane alone.
 *
 * Where a request belongs is for the lane's host to say (the store): before each is sent, and whenever it
 * could not be answered here.
 */
#ifndef STEPD_STORE_REDIS_LANE_H
#define STEPD_STORE_REDIS_LANE_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/histogram.h"
#include "base/memory.h"
#include "store/redis/link.h"
#include "store/redis/request.h"
#include "store/redis/script.h"
#include "store/redis/url.h"
#include "store/store.h"

struct lane;

enum lane_admission {
    LANE_SENDS,
    LANE_PUTS_OFF,
    LANE_LOSES, /* it is another lane's by now */
    LANE_ENDS,  /* request.only_as: the worker has another name by now */
};

/* What a lane asks of its host, on its own thread, or on one that has borrowed its link, and under no lock. */
struct lane_host {
    /* Linked to a server, and nothing is sent yet. Not 0: this server won't do; the reason is said. */
    int (*linked)(void *context, struct lane *lane, struct link *link, struct error *ret_error);
    /* The server there refuses something to our user. -EACCES with what the rules lack, or 0: it does not say. */
    int (*forbidden)(void *context, const struct redis_place *place, struct error *ret_error);
    /* How connecting ended. */
    void (*tried)(void *context, struct lane *lane, int status, const struct error *error);
    enum lane_admission (*admit)(void *context, struct lane *lane, struct request *request);
    const char *(*prefix)(void *context, int shard);
    /* Takes a request to the lane that it belongs to; it may be this one. */
    void (*route)(void *context, struct request *request);
    /* Something lives elsewhere, or can't be reached: `shard`, or (-1) any of this lane's. `place` says
     * where it is now; NULL: not known. */
    void (*astray)(void *context, struct lane *lane, int shard, const struct redis_place *place);
    /* The reply, which is no error, to what a script was asked. */
    void (*heard)(void *context, const struct request *request, const redisReply *reply);
    void *context;
};

struct lane_settings {
    const struct redis_url *url; /* how to log in */
    int64_t timeout_ms;          /* connecting, and a link without a byte while a reply is due */
    struct lane_host host;
};

/* Goes nowhere yet. `settings.url` lives as long as the lane. */
struct lane *lane_create(const struct lane_settings *settings);
/* 0, or negative errno. */
int lane_start(struct lane *lane) MUST_CHECK;
/* Any thread: from a new link on its requests are asked of the server there; NULL: nowhere, and it rests. */
void lane_lead_to(struct lane *lane, const struct redis_place *place);
struct redis_place lane_place(struct lane *lane);
/* Any thread. False: it stops, and the request is the caller's. */
bool lane_push(struct lane *lane, struct request *request);
/* Any thread: over the lane's link, if that is idle (inbox_borrow()), so that the request, which has an `only_as`, is mostly answered
 * by the time that this returns. False: it is still the caller's. The process ignores SIGPIPE, as the daemon does. */
bool lane_ask(struct lane *lane, struct request *request);
/* Any thread: whether it is linked and nothing that was asked had to be put off. */
bool lane_is_up(const struct lane *lane);
/* Any thread: adds what it has counted. */
void lane_add_counts(const struct lane *lane, struct store_counts *counts);
/* Of the server behind it, as of the last link; link.h. Lane thread. */
uint64_t lane_lineage(const struct lane *lane);
/* Any thread: all that waits, now and later, ends with -ESHUTDOWN. */
void lane_stop(struct lane *lane);
/* Stops, waits for the thread, frees. NULL is fine. */
void lane_destroy(struct lane *lane);

#endif
