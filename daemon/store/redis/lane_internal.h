/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lane's inside, which is the lane's thread's throughout, or, for the time of one answer, that of the thread which has borrowed the
 * link: lane.c links, sends and waits; lane_replies.c reads what came; lane_groups.c lets changes of many runs go out as one call.
 */
#ifndef STEPD_STORE_REDIS_LANE_INTERNAL_H
#define STEPD_STORE_REDIS_LANE_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/thread.h"
#include "store/redis/group.h"
#include "store/redis/inbox.h"
#include "store/redis/lane.h"
#include "store/redis/library.h"
#include "store/redis/pipeline.h"

struct lane {
    struct lane_settings settings;
    struct thread thread;
    atomic_bool is_up;
    struct inbox inbox;

    struct redis_place linked_to; /* the lane's thread's, from here on */
    unsigned turn;                /* of the inbox, in which it leads there */
    struct link link;
    struct link last_link; /* the one before: what was sent over it must not run later */
    bool is_linked;
    bool must_leave; /* this server can't be written to: look where the name leads */
    bool is_away;    /* said so; not back yet */
    int64_t away_since_ms;
    int64_t backoff_ms;
    struct library library; /* of the server linked to */
    struct pipeline pipeline;
    struct gathering gatherings[GROUP_KINDS]; /* between two sends alone */
};

static inline const struct lane_host *lane_host(const struct lane *lane)
{
    return &lane->settings.host;
}

/* ---- lane.c -------------------------------------------------------------------------------------- */

/* Says once that the server can't be used, and why. */
void lane_say_away(struct lane *lane, const char *why);
/* Says that it can be used again, once nothing of what was asked is put off any more. */
void lane_look_up(struct lane *lane);
/* Says why, closes the link, and gives back all that was under way. */
void lane_lose_link(struct lane *lane, const char *why);
/* It goes out with the next write. */
void lane_append(struct lane *lane, struct request *request);
/* To be asked here again, later. */
void lane_put_off(struct lane *lane, struct request *request, const char *why);
/* To the lane that it belongs to by now. */
void lane_give_back(struct lane *lane, struct request *request);
/* What must not be asked twice (request.only_as): whoever asked finds out what became of it. */
void lane_end_unknown(struct lane *lane, struct request *request);

/* ---- lane_replies.c ------------------------------------------------------------------------------ */

/* Reads what came, and ends the requests that it answers. The link may be lost after. */
void lane_read_replies(struct lane *lane);
/* Who has borrowed the link: likewise, to the one request that is under way. False: the link has ended, which lane_read_replies() finds, too. */
bool lane_read_answer(struct lane *lane);

/* ---- lane_groups.c ------------------------------------------------------------------------------- */

/* With others, if it may; else by itself. Goes out with lane_send_gathered() at the latest. */
void lane_gather(struct lane *lane, struct request *request);
void lane_send_gathered(struct lane *lane);
/* Each member by itself: to the lane that it belongs to; or, of a group that was answered, to its end, or out again. */
void lane_give_back_group(struct lane *lane, struct request *group);
void lane_take_group_reply(struct lane *lane, struct request *group, const redisReply *reply);

#endif
