/* SPDX-License-Identifier: Apache-2.0 */
/* Something asked of a shard, on its way; whoever holds it may write to it. */
#ifndef STEPD_STORE_REDIS_REQUEST_H
#define STEPD_STORE_REDIS_REQUEST_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/redis/script.h"

struct request {
    struct request *next;
    int shard;
    int script;               /* whose digest goes to sha_at; -1: a plain command */
    struct script_call *call; /* script >= 0 */
    char *command;            /* as it goes over the wire; NULL: it is made of `call` when it does */
    size_t size;              /* of it, or about */
    size_t sha_at;            /* 0: nowhere */
    /* Asked once at most, and only as long as this is the worker's name: whatever comes between ends it with -EAGAIN, and whether
     * it was done nobody knows. NULL: it may be asked twice, as any script may. */
    const struct incarnation *only_as;
    int tries;             /* times it was put off, or was asked of the wrong server */
    int64_t not_before_ms; /* monotonic; put off until then */
    bool is_troubled;      /* put off, and not answered since */
    int64_t sent_ns;       /* monotonic; not after it went out */
    redisReply *reply;
    int status;
    size_t others; /* requests that go out and are answered with it, of a group (group.h) */
    /* Any lane's thread, or whoever stops the store: status and reply are set. The request is gone after. */
    void (*done)(struct request *request);
};

/* Its owner has it back. */
void request_end(struct request *request, int status, redisReply *reply);

struct request_list {
    struct request *first;
    struct request **end;
};

void request_list_init(struct request_list *list);
void request_list_add(struct request_list *list, struct request *request);
/* NULL: it is empty. */
struct request *request_list_take(struct request_list *list);
/* All of `from`, behind what is in `to`. */
void request_list_move(struct request_list *from, struct request_list *to);
void request_list_end(struct request_list *list, int status);

#endif
