/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to one Redis server: how it is opened, who answers. Used by one thread at a time.
 */
#ifndef STEPD_STORE_REDIS_LINK_H
#define STEPD_STORE_REDIS_LINK_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "store/redis/url.h"

static inline void link_free_reply(redisReply **reply)
{
    if (*reply != NULL)
        freeReplyObject(*reply);
}
#define AUTO_REPLY __attribute__((cleanup(link_free_reply))) redisReply *

struct link {
    redisContext *redis;
    char run_id[48];   /* of the server's process */
    uint64_t lineage;  /* of its data: that process, and its history as a replica. Another one may have lost
                            the last writes. Never 0 */
    int64_t client_id; /* of this connection, on that process */
    bool is_replica;
    bool is_cluster_node;
    bool is_append_only;
    bool evicts;          /* it may drop keys when its memory is full */
    bool trusts_replicas; /* it has some, and acknowledges what none of them has */
};

/* Connects, secures, authenticates: enough to ask where others are. Fails with -EACCES when Redis refuses
 * our credentials or database, -EAGAIN when it can't be reached or isn't ready (the reason in both).
 * timeout_ms is for connecting and, afterwards, for each reply. */
int link_connect(struct link *link, const struct redis_url *url, const struct redis_place *place, int64_t timeout_ms,
                 struct error *ret_error) MUST_CHECK;
/* The same, and selects the database and asks who answers. */
int link_open(struct link *link, const struct redis_url *url, const struct redis_place *place, int64_t timeout_ms,
              struct error *ret_error) MUST_CHECK;
void link_close(struct link *link);

/* One command, as redisCommand() writes it. 0 and a reply that is no error, or as link_connect(). */
int link_ask(struct link *link, redisReply **ret_reply, struct error *ret_error, const char *format, ...) MUST_CHECK;
/* The reply to what redisAppendCommand() was given; as link_ask(). */
int link_hear(struct link *link, redisReply **ret_reply, struct error *ret_error) MUST_CHECK;
/* What was sent over an earlier connection to the same server and has not run by now never will. 0, or as
 * link_connect(). */
int link_cut_off(struct link *link, const struct link *earlier, struct error *ret_error) MUST_CHECK;
/* From here on neither reading nor writing waits. */
void link_stop_blocking(struct link *link);

#endif
