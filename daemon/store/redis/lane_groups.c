/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/lane_internal.h"

#include <assert.h>

#include "base/array.h"
#include "base/memory.h"
#include "store/redis/refusal.h"

static void send_kind(struct lane *lane, struct gathering *gathering)
{
    const struct request *first = gathering->members.first;

    if (first != NULL)
        lane_append(lane, gathering_take(gathering, lane_host(lane)->prefix(lane_host(lane)->context, first->shard)));
}

void lane_send_gathered(struct lane *lane)
{
    for (size_t i = 0; i < COUNT_OF(lane->gatherings); i++)
        send_kind(lane, &lane->gatherings[i]);
}

void lane_gather(struct lane *lane, struct request *request)
{
    if (request->call == NULL || request->call->group == GROUP_NONE) {
        lane_append(lane, request);
        return;
    }
    struct gathering *gathering = &lane->gatherings[request->call->group];
    if (gathering_add(gathering, request))
        return;
    send_kind(lane, gathering);
    bool is_added = gathering_add(gathering, request);
    assert(is_added); /* nothing gathers that it could not go with */
    (void)is_added;
}

void lane_give_back_group(struct lane *lane, struct request *group)
{
    struct request_list members;

    assert(request_is_group(group));
    group_dissolve(group, &members);
    for (struct request *member; (member = request_list_take(&members)) != NULL;)
        lane_give_back(lane, member);
}

static redisReply *reply_of_number(long long number)
{
    redisReply *reply = xcalloc(1, sizeof(*reply));

    reply->type = REDIS_REPLY_INTEGER;
    reply->integer = number;
    return reply;
}

/* Each has a letter of the answer, a digit. What has none, or was left alone ('-'), is asked by itself, and meets its own error if there is one. */
void lane_take_group_reply(struct lane *lane, struct request *group, const redisReply *reply)
{
    bool is_answered = reply->type == REDIS_REPLY_STRING && (size_t)reply->len == group_count(group);
    struct request *reload = reply->type == REDIS_REPLY_ERROR && refusal_of(reply->str) == REFUSAL_NO_SCRIPT
                                 ? library_reload(&lane->library, group->script)
                                 : NULL;
    struct request_list members;
    size_t at = 0;

    assert_thread(&lane->thread);
    if (reload != NULL)
        lane_append(lane, reload);
    if (is_answered)
        lane_host(lane)->heard(lane_host(lane)->context, group, reply);
    group_dissolve(group, &members);
    for (struct request *member; (member = request_list_take(&members)) != NULL; at++) {
        if (!is_answered || reply->str[at] < '0') {
            lane_append(lane, member);
            continue;
        }
        pipeline_leave(&lane->pipeline, member);
        request_end(member, 0, reply_of_number(reply->str[at] - '0'));
    }
    lane_look_up(lane);
}
