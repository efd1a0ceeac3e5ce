/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum group_state { GROUP_EMPTY, GROUP_JOINING, GROUP_SYNCING, GROUP_STABLE };

/* Kafka's error codes. */
enum {
    OK = 0,
    ILLEGAL_GENERATION = 22,
    INCONSISTENT_GROUP_PROTOCOL = 23,
    INVALID_GROUP_ID = 24,
    UNKNOWN_MEMBER_ID = 25,
    REBALANCE_IN_PROGRESS = 27,
    FENCED_INSTANCE_ID = 82
};

struct protocol {
    char *name;
    struct wire_buffer metadata;
};

/* A request whose answer waits; ticket NULL: none does. */
struct waiting {
    void *ticket;
    int16_t version;
};

struct member {
    struct member *next;
    char *id;
    char *instance; /* group.instance.id, or NULL */
    const void *client;
    int32_t session_ms, rebalance_ms;
    int64_t seen_ms;
    struct protocol *protocols;
    int32_t protocol_count;
    struct wire_buffer assignment;
    struct waiting join, sync;
};

struct group {
    struct group *next;
    char *id;
    enum group_state state;
    int32_t generation;
    int64_t deadline_ms; /* of GROUP_JOINING */
    char *protocol;
    struct member *leader;
    struct member *members;
};

struct groups {
    groups_reply_fn *reply;
    struct group *all;
    unsigned members_ever; /* makes member ids unique */
};

struct groups *groups_create(groups_reply_fn *reply)
{
    struct groups *groups = xcalloc(1, sizeof(*groups));
    groups->reply = reply;
    return groups;
}

static void protocols_free(struct member *member)
{
    for (int32_t i = 0; i < member->protocol_count; i++) {
        free(member->protocols[i].name);
        wire_buffer_done(&member->protocols[i].metadata);
    }
    free(member->protocols);
    member->protocols = NULL;
    member->protocol_count = 0;
}

static void member_free(struct member *member)
{
    protocols_free(member);
    wire_buffer_done(&member->assignment);
    free(member->instance);
    free(member->id);
    free(member);
}

void groups_destroy(struct groups *groups)
{
    if (groups == NULL)
        return;
    while (groups->all != NULL) {
        struct group *group = groups->all;
        groups->all = group->next;
        while (group->members != NULL) {
            struct member *member = group->members;
            group->members = member->next;
            member_free(member);
        }
        free(group->protocol);
        free(group->id);
        free(group);
    }
    free(groups);
}

static char *span_text(struct wire_span span)
{
    char *text = xcalloc(span.size + 1, 1);
    if (span.size > 0)
        memcpy(text, span.data, span.size);
    return text;
}

static struct wire_span buffer_span(const struct wire_buffer *buffer)
{
    static const uint8_t nothing[1];
    size_t size = wire_buffer_size(buffer);
    return (struct wire_span){.data = size > 0 ? wire_buffer_data(buffer) : nothing, .size = size};
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
    group = xcalloc(1, sizeof(*group));
    group->id = span_text(id);
    group->next = groups->all;
    groups->all = group;
    return group;
}

static struct member *member_find(const struct group *group, struct wire_span id)
{
    struct member *member = group != NULL ? group->members : NULL;
    while (member != NULL && !wire_equals(id, member->id))
        member = member->next;
    return member;
}

static struct member *member_add(struct groups *groups, struct group *group)
{
    struct member **at = &group->members;
    char id[48];

    while (*at != NULL)
        at = &(*at)->next;
    struct member *member = xcalloc(1, sizeof(*member));
    (void)snprintf(id, sizeof(id), "member-%u", ++groups->members_ever);
    member->id = xstrdup(id);
    *at = member;
    return member;
}

static void put_throttle(struct wire_buffer *body, int16_t version, int16_t since)
{
    if (version >= since)
        wire_put_i32(body, 0);
}

static struct wire_span member_metadata(const struct member *member, const char *protocol)
{
    struct wire_span metadata = {0};

    for (int32_t i = 0; i < member->protocol_count; i++)
        if (strcmp(member->protocols[i].name, protocol) == 0)
            metadata = buffer_span(&member->protocols[i].metadata);
    return metadata;
}

static void answer_join(struct groups *groups, const struct group *group, struct member *member,
                        int16_t code)
{
    struct wire_buffer body = {0};
    const int16_t version = member->join.version;
    const bool is_leader = code == OK && group->leader == member;
    int32_t count = 0;

    for (const struct member *other = group->members; is_leader && other != NULL; other = other->next)
        count++;
    put_throttle(&body, version, 2);
    wire_put_i16(&body, code);
    wire_put_i32(&body, code == OK ? group->generation : -1);
    wire_put_string(&body, code == OK ? group->protocol : "");
    wire_put_string(&body, code == OK ? group->leader->id : "");
    wire_put_string(&body, member->id);
    wire_put_i32(&body, count);
    for (const struct member *other = group->members; is_leader && other != NULL;
         other = other->next) {
        wire_put_string(&body, other->id);
        if (version >= 5)
            wire_put_string(&body, other->instance);
        wire_put_bytes(&body, member_metadata(other, group->protocol));
    }
    void *ticket = member->join.ticket;
    member->join.ticket = NULL;
    groups->reply(ticket, &body);
}

static void answer_sync(struct groups *groups, struct waiting *sync, int16_t code,
                        const struct wire_buffer *assignment)
{
    struct wire_buffer body = {0};
    const struct wire_buffer nothing = {0};
    void *ticket = sync->ticket;

    put_throttle(&body, sync->version, 1);
    wire_put_i16(&body, code);
    wire_put_bytes(&body, buffer_span(code == OK ? assignment : &nothing));
    sync->ticket = NULL;
    groups->reply(ticket, &body);
}

static bool supports(const struct member *member, const char *protocol)
{
    for (int32_t i = 0; i < member->protocol_count; i++)
        if (strcmp(member->protocols[i].name, protocol) == 0)
            return true;
    return false;
}

static bool all_support(const struct group *group, const char *protocol)
{
    for (const struct member *member = group->members; member != NULL; member = member->next)
        if (!supports(member, protocol))
            return false;
    return true;
}

static const char *common_protocol(const struct group *group, const struct member *of)
{
    for (int32_t i = 0; i < of->protocol_count; i++)
        if (all_support(group, of->protocols[i].name))
            return of->protocols[i].name;
    return NULL;
}

static void drop_protocol(struct group *group)
{
    free(group->protocol);
    group->protocol = NULL;
}

/* All members have joined, or are out: a new generation. */
static void finish_joining(struct groups *groups, struct group *group)
{
    if (group->leader == NULL)
        group->leader = group->members;
    const char *protocol = common_protocol(group, group->leader);
    drop_protocol(group);
    group->protocol = xstrdup(protocol != NULL ? protocol : group->leader->protocols[0].name);
    group->generation++;
    group->state = GROUP_SYNCING;
    for (struct member *member = group->members; member != NULL; member = member->next)
        if (member->join.ticket != NULL)
            answer_join(groups, group, member, OK);
}

static void try_finish_joining(struct groups *groups, struct group *group)
{
    if (group->members == NULL) {
        group->state = GROUP_EMPTY;
        drop_protocol(group);
        return;
    }
    if (group->state != GROUP_JOINING)
        return;
    for (const struct member *member = group->members; member != NULL; member = member->next)
        if (member->join.ticket == NULL)
            return;
    finish_joining(groups, group);
}

static void start_joining(struct groups *groups, struct group *group, int64_t now_ms)
{
    int32_t longest_ms = 0;

    for (struct member *member = group->members; member != NULL; member = member->next) {
        if (member->sync.ticket != NULL)
            answer_sync(groups, &member->sync, REBALANCE_IN_PROGRESS, NULL);
        longest_ms = member->rebalance_ms > longest_ms ? member->rebalance_ms : longest_ms;
    }
    group->state = GROUP_JOINING;
    group->deadline_ms = now_ms + longest_ms;
}

/* The member is out; the others share what it had. */
static void member_remove(struct groups *groups, struct group *group, struct member *member,
                          int64_t now_ms)
{
    struct member **at = &group->members;

    while (*at != member)
        at = &(*at)->next;
    *at = member->next;
    if (group->leader == member)
        group->leader = NULL;
    member_free(member);
    if (group->members != NULL && group->state != GROUP_JOINING)
        start_joining(groups, group, now_ms);
    try_finish_joining(groups, group);
}

static void reply_code(struct groups *groups, const struct group_request *request, int16_t code)
{
    struct wire_buffer body = {0};
    put_throttle(&body, request->version, 1);
    wire_put_i16(&body, code);
    groups->reply(request->ticket, &body);
}

static void read_protocols(struct member *member, struct wire_reader *body)
{
    int32_t count = wire_read_i32(body);

    protocols_free(member);
    if (count < 0 || count > 64)
        count = 0;
    member->protocols = xcalloc((size_t)count + 1, sizeof(*member->protocols));
    while (member->protocol_count < count) {
        struct protocol *protocol = &member->protocols[member->protocol_count++];
        protocol->name = span_text(wire_read_string(body));
        struct wire_span metadata = wire_read_bytes(body);
        wire_buffer_add(&protocol->metadata, metadata.data, metadata.size);
    }
}

static void refuse_join(struct groups *groups, const struct group_request *request, int16_t code)
{
    static const struct group none;
    char no_id[] = "";
    struct member stranger = {.id = no_id, .join = {request->ticket, request->version}};
    answer_join(groups, &none, &stranger, code);
}

/* A static member that comes again under its instance id: the one before it is fenced. */
static void fence_instance(struct groups *groups, struct group *group, struct wire_span instance,
                           int64_t now_ms)
{
    for (struct member *member = group->members; member != NULL; member = member->next) {
        if (!wire_equals(instance, member->instance))
            continue;
        if (member->join.ticket != NULL)
            answer_join(groups, group, member, FENCED_INSTANCE_ID);
        if (member->sync.ticket != NULL)
            answer_sync(groups, &member->sync, FENCED_INSTANCE_ID, NULL);
        member_remove(groups, group, member, now_ms);
        return;
    }
}

static void handle_join(struct groups *groups, const struct group_request *request,
                        struct wire_reader *body)
{
    struct wire_span group_id = wire_read_string(body);
    const int32_t session_ms = wire_read_i32(body);
    const int32_t rebalance_ms = request->version >= 1 ? wire_read_i32(body) : session_ms;
    struct wire_span member_id = wire_read_string(body);
    struct wire_span instance = {0};

    if (request->version >= 5)
        instance = wire_read_string(body);
    (void)wire_read_string(body); /* protocol type: "consumer" */
    if (body->is_short || group_id.size == 0) {
        refuse_join(groups, request, INVALID_GROUP_ID);
        return;
    }
    struct group *group = group_get(groups, group_id);
    struct member *member = member_find(group, member_id);
    if (member == NULL && member_id.size > 0) {
        refuse_join(groups, request, UNKNOWN_MEMBER_ID);
        return;
    }
    if (member == NULL && instance.data != NULL)
        fence_instance(groups, group, instance, request->now_ms);
    if (member == NULL) {
        member = member_add(groups, group);
        member->instance = instance.data != NULL ? span_text(instance) : NULL;
    }
    if (member->join.ticket != NULL)
        answer_join(groups, group, member, REBALANCE_IN_PROGRESS);
    member->client = request->client;
    member->session_ms = session_ms;
    member->rebalance_ms = rebalance_ms;
    member->seen_ms = request->now_ms;
    read_protocols(member, body);
    member->join = (struct waiting){request->ticket, request->version};
    if (body->is_short || member->protocol_count == 0) {
        answer_join(groups, group, member, INCONSISTENT_GROUP_PROTOCOL);
        member_remove(groups, group, member, request->now_ms);
        return;
    }
    if (group->state != GROUP_JOINING)
        start_joining(groups, group, request->now_ms);
    try_finish_joining(groups, group);
}

static int16_t check_member(const struct group *group, const struct member *member,
                            int32_t generation)
{
    if (member == NULL)
        return UNKNOWN_MEMBER_ID;
    return generation != group->generation ? ILLEGAL_GENERATION : OK;
}

static void read_assignments(struct group *group, struct wire_reader *body)
{
    for (int32_t count = wire_read_i32(body); count > 0 && !body->is_short; count--) {
        struct member *member = member_find(group, wire_read_string(body));
        struct wire_span assignment = wire_read_bytes(body);
        if (member == NULL)
            continue;
        wire_buffer_take(&member->assignment, wire_buffer_size(&member->assignment));
        wire_buffer_add(&member->assignment, assignment.data, assignment.size);
    }
}

static void handle_sync(struct groups *groups, const struct group_request *request,
                        struct wire_reader *body)
{
    struct group *group = group_find(groups, wire_read_string(body));
    const int32_t generation = wire_read_i32(body);
    struct member *member = member_find(group, wire_read_string(body));
    struct waiting sync = {request->ticket, request->version};

    if (request->version >= 3)
        (void)wire_read_string(body); /* instance id */
    int16_t code = check_member(group, member, generation);
    if (code == OK && group->state == GROUP_JOINING)
        code = REBALANCE_IN_PROGRESS;
    if (code != OK) {
        answer_sync(groups, &sync, code, NULL);
        return;
    }
    member->client = request->client;
    member->seen_ms = request->now_ms;
    if (member->sync.ticket != NULL)
        answer_sync(groups, &member->sync, REBALANCE_IN_PROGRESS, NULL);
    if (group->state == GROUP_STABLE) {
        answer_sync(groups, &sync, OK, &member->assignment);
        return;
    }
    member->sync = sync;
    if (member != group->leader)
        return;
    read_assignments(group, body);
    group->state = GROUP_STABLE;
    for (struct member *other = group->members; other != NULL; other = other->next)
        if (other->sync.ticket != NULL)
            answer_sync(groups, &other->sync, OK, &other->assignment);
}

static void handle_heartbeat(struct groups *groups, const struct group_request *request,
                             struct wire_reader *body)
{
    struct group *group = group_find(groups, wire_read_string(body));
    const int32_t generation = wire_read_i32(body);
    struct member *member = member_find(group, wire_read_string(body));
    int16_t code = check_member(group, member, generation);

    if (member != NULL)
        member->seen_ms = request->now_ms;
    if (code == OK && group->state == GROUP_JOINING)
        code = REBALANCE_IN_PROGRESS;
    reply_code(groups, request, code);
}

static void handle_leave(struct groups *groups, const struct group_request *request,
                         struct wire_reader *body)
{
    struct group *group = group_find(groups, wire_read_string(body));
    struct member *member = member_find(group, wire_read_string(body));

    reply_code(groups, request, member != NULL ? OK : UNKNOWN_MEMBER_ID);
    if (member != NULL)
        member_remove(groups, group, member, request->now_ms);
}

/* May this member commit? A commit with no generation is a tool's: while nobody is in the group. */
static int16_t check_commit(const struct group *group, const struct member *member,
                            int32_t generation)
{
    if (group == NULL || (generation < 0 && group->members == NULL))
        return OK;
    int16_t code = check_member(group, member, generation);
    return code == OK && group->state == GROUP_SYNCING ? REBALANCE_IN_PROGRESS : code;
}

static void refuse_commit(struct groups *groups, const struct group_request *request,
                          struct wire_reader *body, int16_t code)
{
    struct wire_buffer reply = {0};
    int32_t topics = wire_read_i32(body);

    put_throttle(&reply, request->version, 3);
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

static bool handle_commit(struct groups *groups, const struct group_request *request,
                          struct wire_reader *body)
{
    struct group *group = group_find(groups, wire_read_string(body));
    int32_t generation = -1;
    struct member *member = NULL;

    if (request->version >= 1) {
        generation = wire_read_i32(body);
        member = member_find(group, wire_read_string(body));
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

bool groups_handle(struct groups *groups, const struct group_request *request,
                   struct wire_reader body)
{
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
    case API_OFFSET_COMMIT:
        return handle_commit(groups, request, &body);
    default:
        return false;
    }
}

void groups_client_closed(struct groups *groups, const void *client, int64_t now_ms)
{
    for (struct group *group = groups->all; group != NULL; group = group->next) {
        struct member *next = NULL;
        for (struct member *member = group->members; member != NULL; member = next) {
            next = member->next;
            if (member->client != client)
                continue;
            member->join.ticket = member->sync.ticket = NULL;
            member_remove(groups, group, member, now_ms);
        }
    }
}

static bool is_lost(const struct group *group, const struct member *member, int64_t now_ms)
{
    if (member->join.ticket != NULL || member->sync.ticket != NULL)
        return false; /* it waits for us */
    if (group->state == GROUP_JOINING && now_ms >= group->deadline_ms)
        return true;
    return now_ms - member->seen_ms > member->session_ms;
}

void groups_tick(struct groups *groups, int64_t now_ms)
{
    for (struct group *group = groups->all; group != NULL; group = group->next) {
        struct member *next = NULL;
        for (struct member *member = group->members; member != NULL; member = next) {
            next = member->next;
            if (is_lost(group, member, now_ms))
                member_remove(groups, group, member, now_ms);
        }
    }
}
