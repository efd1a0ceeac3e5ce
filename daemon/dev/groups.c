/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/groups.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/thread.h"
#include "dev/group.h"

struct groups {
    groups_reply_fn *reply;
    struct group *all;
    unsigned members_ever; /* makes member ids unique */
    struct thread_owner owner;
};

struct groups *groups_create(groups_reply_fn *reply)
{
    struct groups *groups = xcalloc(1, sizeof(*groups));
    groups->reply = reply;
    return groups;
}

void groups_destroy(struct groups *groups)
{
    if (groups == NULL)
        return;
    while (groups->all != NULL) {
        struct group *group = groups->all;
        groups->all = group->next;
        group_destroy(group);
    }
    free(groups);
}

static struct group *group_find(const struct groups *groups, struct wire_span id)
{
    struct group *group = groups->all;
    while (group != NULL && !wire_equals(id, group->id))
        group = group->next;
    return group;
}

static struct group *group_get(struct groups *groups, struct wire_span id)
{
    struct group *group = group_find(groups, id);

    if (group != NULL)
        return group;
    group = group_create(id, groups->reply);
    group->next = groups->all;
    groups->all = group;
    return group;
}

static void reply_code(struct groups *groups, const struct group_request *request, int16_t code)
{
    struct wire_buffer body = { 0 };
    wire_put_throttle(&body, request->version, 1);
    wire_put_i16(&body, code);
    groups->reply(request->ticket, &body);
}

static void refuse_join(struct groups *groups, const struct group_request *request, int16_t code)
{
    assert(code != OK);
    const struct group none = { .reply = groups->reply };
    char no_id[] = "";
    struct member stranger = { .id = no_id, .join = { request->ticket, request->version } };
    group_answer_join(&none, &stranger, code);
}

struct join {
    struct wire_span group, member, instance;
    int32_t session_ms, rebalance_ms;
};

static struct join read_join(const struct group_request *request, struct wire_reader *body)
{
    struct join join = { .group = wire_read_string(body) };

    join.session_ms = wire_read_i32(body);
    join.rebalance_ms = request->version >= 1 ? wire_read_i32(body) : join.session_ms;
    join.member = wire_read_string(body);
    if (request->version >= 5)
        join.instance = wire_read_string(body);
    (void)wire_read_string(body); /* protocol type: "consumer" */
    return join;
}

/* A member that the group does not know yet. */
static struct member *admit(struct groups *groups, struct group *group, const struct join *join, int64_t now_ms)
{
    if (join->instance.data != NULL)
        group_fence_instance(group, join->instance, now_ms);
    struct member *member = group_add_member(group, ++groups->members_ever);
    member->instance = join->instance.data != NULL ? wire_span_text(join->instance) : NULL;
    return member;
}

static void handle_join(struct groups *groups, const struct group_request *request, struct wire_reader *body)
{
    const struct join join = read_join(request, body);

    if (body->is_short || join.group.size == 0) {
        refuse_join(groups, request, INVALID_GROUP_ID);
        return;
    }
    struct group *group = group_get(groups, join.group);
    struct member *member = group_find_member(group, join.member);
    if (member == NULL && join.member.size > 0) {
        refuse_join(groups, request, UNKNOWN_MEMBER_ID);
        return;
    }
    if (member == NULL)
        member = admit(groups, group, &join, request->now_ms);
    if (member->join.ticket != NULL)
        group_answer_join(group, member, REBALANCE_IN_PROGRESS);
    member->client = request->client;
    free(member->client_id);
    member->client_id = wire_span_text(request->client_id);
    member->session_ms = join.session_ms;
    member->rebalance_ms = join.rebalance_ms;
    member->seen_ms = request->now_ms;
    member_read_protocols(member, body);
    member->join = (struct waiting){ request->ticket, request->version };
    if (body->is_short || member->protocol_count == 0) {
        group_answer_join(group, member, INCONSISTENT_GROUP_PROTOCOL);
        group_remove_member(group, member, request->now_ms);
        return;
    }
    if (group->state != GROUP_JOINING)
        group_start_joining(group, request->now_ms);
    group_try_finish_joining(group);
}

static int16_t check_member(const struct group *group, const struct member *member, int32_t generation)
{
    if (member == NULL)
        return UNKNOWN_MEMBER_ID;
    return generation != group->generation ? ILLEGAL_GENERATION : OK;
}

static void refuse_sync(struct groups *groups, const struct group_request *request, int16_t code)
{
    const struct group none = { .reply = groups->reply };
    struct waiting sync = { request->ticket, request->version };

    assert(code != OK);
    group_answer_sync(&none, &sync, code, NULL);
}

static void handle_sync(struct groups *groups, const struct group_request *request, struct wire_reader *body)
{
    struct group *group = group_find(groups, wire_read_string(body));
    const int32_t generation = wire_read_i32(body);
    struct member *member = group_find_member(group, wire_read_string(body));

    if (request->version >= 3)
        (void)wire_read_string(body); /* instance id */
    int16_t code = check_member(group, member, generation);
    if (code == OK && group->state == GROUP_JOINING)
        code = REBALANCE_IN_PROGRESS;
    if (code != OK) {
        refuse_sync(groups, request, code);
        return;
    }
    struct waiting sync = { request->ticket, request->version };
    member->client = request->client;
    member->seen_ms = request->now_ms;
    if (member->sync.ticket != NULL)
        group_answer_sync(group, &member->sync, REBALANCE_IN_PROGRESS, NULL);
    if (group->state == GROUP_STABLE) {
        group_answer_sync(group, &sync, OK, &member->assignment);
        return;
    }
    member->sync = sync;
    if (member != group->leader)
        return;
    group_read_assignments(group, body);
    group->state = GROUP_STABLE;
    for (struct member *other = group->members; other != NULL; other = other->next)
        if (other->sync.ticket != NULL)
            group_answer_sync(group, &other->sync, OK, &other->assignment);
}

static void handle_heartbeat(struct groups *groups, const struct group_request *request, struct wire_reader *body)
{
    struct group *group = group_find(groups, wire_read_string(body));
    const int32_t generation = wire_read_i32(body);
    struct member *member = group_find_member(group, wire_read_string(body));
    int16_t code = check_member(group, member, generation);

    if (member != NULL)
        member->seen_ms = request->now_ms;
    if (code == OK && group->state == GROUP_JOINING)
        code = REBALANCE_IN_PROGRESS;
    reply_code(groups, request, code);
}

static void handle_leave(struct groups *groups, const struct group_request *request, struct wire_reader *body)
{
    struct group *group = group_find(groups, wire_read_string(body));
    struct member *member = group_find_member(group, wire_read_string(body));

    reply_code(groups, request, member != NULL ? OK : UNKNOWN_MEMBER_ID);
    if (member != NULL)
        group_remove_member(group, member, request->now_ms);
}

/* May this member commit? A commit with no generation is a tool's: while nobody is in the group. */
static int16_t check_commit(const struct group *group, const struct member *member, int32_t generation)
{
    if (group == NULL || (generation < 0 && group->members == NULL))
        return OK;
    int16_t code = check_member(group, member, generation);
    return code == OK && group->state == GROUP_SYNCING ? REBALANCE_IN_PROGRESS : code;
}

static void refuse_commit(struct groups *groups, const struct group_request *request, struct wire_reader *body, int16_t code)
{
    struct wire_buffer reply = { 0 };
    int32_t topics = wire_read_i32(body);

    assert(code != OK);
    wire_put_throttle(&reply, request->version, 3);
    wire_put_i32(&reply, topics);
    for (; topics > 0 && !body->is_short; topics--) {
        wire_put_string_span(&reply, wire_read_string(body));
        int32_t partitions = wire_read_i32(body);
        wire_put_i32(&reply, partitions);
        for (; partitions > 0 && !body->is_short; partitions--) {
            wire_put_i32(&reply, wire_read_i32(body));
            wire_put_i16(&reply, code);
            (void)wire_read_i64(body); /* offset */
            if (request->version >= 6)
                (void)wire_read_i32(body); /* leader epoch */
            if (request->version == 1)
                (void)wire_read_i64(body); /* timestamp */
            (void)wire_read_string(body);  /* metadata */
        }
    }
    groups->reply(request->ticket, &reply);
}

static bool handle_commit(struct groups *groups, const struct group_request *request, struct wire_reader *body)
{
    struct group *group = group_find(groups, wire_read_string(body));
    int32_t generation = -1;
    struct member *member = NULL;

    if (request->version >= 1) {
        generation = wire_read_i32(body);
        member = group_find_member(group, wire_read_string(body));
    }
    if (request->version >= 7)
        (void)wire_read_string(body); /* instance id */
    if (request->version >= 2 && request->version <= 4)
        (void)wire_read_i64(body); /* retention */
    const int16_t code = check_commit(group, member, generation);
    if (code == OK)
        return false;
    refuse_commit(groups, request, body, code);
    return true;
}

/* Groups that nobody ever was in are not known here, whatever offsets they may have committed. */
static void handle_list(struct groups *groups, const struct group_request *request)
{
    struct wire_buffer body = { 0 };
    int32_t count = 0;

    for (const struct group *group = groups->all; group != NULL; group = group->next)
        count++;
    wire_put_throttle(&body, request->version, 1);
    wire_put_i16(&body, OK);
    wire_put_i32(&body, count);
    for (const struct group *group = groups->all; group != NULL; group = group->next)
        group_put_listed(group, &body);
    groups->reply(request->ticket, &body);
}

/* As Kafka says it: an unknown group is a dead one, which is no error. */
static void put_unknown(struct wire_span id, struct wire_buffer *body, int16_t version)
{
    wire_put_i16(body, OK);
    wire_put_string_span(body, id);
    wire_put_string(body, "Dead");
    wire_put_string(body, "");
    wire_put_string(body, "");
    wire_put_i32(body, 0); /* members */
    if (version >= 3)
        wire_put_i32(body, INT32_MIN);
}

static void handle_describe(struct groups *groups, const struct group_request *request, struct wire_reader *asked)
{
    struct wire_buffer body = { 0 };
    int32_t count = wire_read_i32(asked);

    wire_put_throttle(&body, request->version, 1);
    wire_put_i32(&body, count);
    for (; count > 0 && !asked->is_short; count--) {
        const struct wire_span id = wire_read_string(asked);
        const struct group *group = group_find(groups, id);
        if (group != NULL)
            group_put_described(group, &body, request->version);
        else
            put_unknown(id, &body, request->version);
    }
    groups->reply(request->ticket, &body);
}

bool groups_handle(struct groups *groups, const struct group_request *request, struct wire_reader body)
{
    assert_owner(&groups->owner);
    switch (request->api_key) {
    case API_JOIN_GROUP:
        handle_join(groups, request, &body);
        return true;
    case API_SYNC_GROUP:
        handle_sync(groups, request, &body);
        return true;
    case API_HEARTBEAT:
        handle_heartbeat(groups, request, &body);
        return true;
    case API_LEAVE_GROUP:
        handle_leave(groups, request, &body);
        return true;
    case API_LIST_GROUPS:
        handle_list(groups, request);
        return true;
    case API_DESCRIBE_GROUPS:
        handle_describe(groups, request, &body);
        return true;
    case API_OFFSET_COMMIT:
        return handle_commit(groups, request, &body);
    default:
        return false;
    }
}

void groups_hand_over(struct groups *groups)
{
    thread_owner_hand_over(&groups->owner);
}

void groups_client_closed(struct groups *groups, const void *client, int64_t now_ms)
{
    assert_owner(&groups->owner);
    for (struct group *group = groups->all; group != NULL; group = group->next)
        group_drop_client(group, client, now_ms);
}

void groups_tick(struct groups *groups, int64_t now_ms)
{
    assert_owner(&groups->owner);
    for (struct group *group = groups->all; group != NULL; group = group->next)
        group_drop_lost(group, now_ms);
}
