/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "dev/apis.h"

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
    free(member->client_id);
    free(member->id);
    free(member);
}

struct group *group_create(struct wire_span id, groups_reply_fn *reply)
{
    struct group *group = xcalloc(1, sizeof(*group));

    group->id = wire_span_text(id);
    group->reply = reply;
    return group;
}

void group_destroy(struct group *group)
{
    while (group->members != NULL) {
        struct member *member = group->members;
        group->members = member->next;
        member_free(member);
    }
    free(group->protocol);
    free(group->id);
    free(group);
}

/* ---- members ------------------------------------------------------------------------------------- */

struct member *group_find_member(const struct group *group, struct wire_span id)
{
    struct member *member = group != NULL ? group->members : NULL;
    while (member != NULL && !wire_equals(id, member->id))
        member = member->next;
    return member;
}

struct member *group_add_member(struct group *group, unsigned number)
{
    struct member **at = &group->members;
    char id[48];

    while (*at != NULL)
        at = &(*at)->next;
    struct member *member = xcalloc(1, sizeof(*member));
    (void)snprintf(id, sizeof(id), "member-%u", number);
    member->id = xstrdup(id);
    *at = member;
    return member;
}

void member_read_protocols(struct member *member, struct wire_reader *body)
{
    int32_t count = wire_read_i32(body);

    protocols_free(member);
    if (count < 0 || count > 64)
        count = 0;
    member->protocols = xcalloc((size_t)count + 1, sizeof(*member->protocols));
    while (member->protocol_count < count) {
        struct protocol *protocol = &member->protocols[member->protocol_count++];
        protocol->name = wire_span_text(wire_read_string(body));
        struct wire_span metadata = wire_read_bytes(body);
        wire_buffer_add(&protocol->metadata, metadata.data, metadata.size);
    }
}

/* ---- answers ------------------------------------------------------------------------------------- */

static struct wire_span buffer_span(const struct wire_buffer *buffer)
{
    static const uint8_t nothing[1];
    size_t size = wire_buffer_size(buffer);
    return (struct wire_span){ .data = size > 0 ? wire_buffer_data(buffer) : nothing, .size = size };
}

static struct wire_span member_metadata(const struct member *member, const char *protocol)
{
    struct wire_span metadata = { 0 };

    for (int32_t i = 0; i < member->protocol_count; i++)
        if (strcmp(member->protocols[i].name, protocol) == 0)
            metadata = buffer_span(&member->protocols[i].metadata);
    return metadata;
}

void group_answer_join(const struct group *group, struct member *member, int16_t code)
{
    struct wire_buffer body = { 0 };
    const int16_t version = member->join.version;
    const bool is_leader = code == OK && group->leader == member;
    int32_t count = 0;

    for (const struct member *other = group->members; is_leader && other != NULL; other = other->next)
        count++;
    wire_put_throttle(&body, version, 2);
    wire_put_i16(&body, code);
    wire_put_i32(&body, code == OK ? group->generation : -1);
    wire_put_string(&body, code == OK ? group->protocol : "");
    wire_put_string(&body, code == OK ? group->leader->id : "");
    wire_put_string(&body, member->id);
    wire_put_i32(&body, count);
    for (const struct member *other = group->members; is_leader && other != NULL; other = other->next) {
        wire_put_string(&body, other->id);
        if (version >= 5)
            wire_put_string(&body, other->instance);
        wire_put_bytes(&body, member_metadata(other, group->protocol));
    }
    void *ticket = member->join.ticket;
    member->join.ticket = NULL;
    group->reply(ticket, &body);
}

void group_answer_sync(const struct group *group, struct waiting *sync, int16_t code, const struct wire_buffer *assignment)
{
    struct wire_buffer body = { 0 };
    const struct wire_buffer nothing = { 0 };
    void *ticket = sync->ticket;

    wire_put_throttle(&body, sync->version, 1);
    wire_put_i16(&body, code);
    wire_put_bytes(&body, buffer_span(code == OK ? assignment : &nothing));
    sync->ticket = NULL;
    group->reply(ticket, &body);
}

/* ---- descriptions -------------------------------------------------------------------------------- */

static const char *state_name(enum group_state state)
{
    static const char *const names[] = {
        [GROUP_EMPTY] = "Empty", [GROUP_JOINING] = "PreparingRebalance", [GROUP_SYNCING] = "CompletingRebalance", [GROUP_STABLE] = "Stable"
    };
    return names[state];
}

void group_put_listed(const struct group *group, struct wire_buffer *body)
{
    wire_put_string(body, group->id);
    wire_put_string(body, "consumer");
}

static void put_member(const struct member *member, const char *protocol, struct wire_buffer *body, int16_t version)
{
    const struct wire_buffer nothing = { 0 };

    wire_put_string(body, member->id);
    if (version >= 4)
        wire_put_string(body, member->instance);
    wire_put_string(body, member->client_id);
    wire_put_string(body, "/127.0.0.1");
    wire_put_bytes(body, protocol != NULL ? member_metadata(member, protocol) : buffer_span(&nothing));
    wire_put_bytes(body, buffer_span(&member->assignment));
}

void group_put_described(const struct group *group, struct wire_buffer *body, int16_t version)
{
    int32_t count = 0;

    for (const struct member *member = group->members; member != NULL; member = member->next)
        count++;
    wire_put_i16(body, OK);
    wire_put_string(body, group->id);
    wire_put_string(body, state_name(group->state));
    wire_put_string(body, "consumer");
    wire_put_string(body, group->protocol != NULL ? group->protocol : "");
    wire_put_i32(body, count);
    for (const struct member *member = group->members; member != NULL; member = member->next)
        put_member(member, group->protocol, body, version);
    if (version >= 3)
        wire_put_i32(body, INT32_MIN); /* no authorizations are told */
}

/* ---- generations --------------------------------------------------------------------------------- */

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
static void finish_joining(struct group *group)
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
            group_answer_join(group, member, OK);
}

void group_try_finish_joining(struct group *group)
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
    finish_joining(group);
}

void group_start_joining(struct group *group, int64_t now_ms)
{
    int32_t longest_ms = 0;

    for (struct member *member = group->members; member != NULL; member = member->next) {
        if (member->sync.ticket != NULL)
            group_answer_sync(group, &member->sync, REBALANCE_IN_PROGRESS, NULL);
        longest_ms = member->rebalance_ms > longest_ms ? member->rebalance_ms : longest_ms;
    }
    group->state = GROUP_JOINING;
    group->deadline_ms = now_ms + longest_ms;
}

void group_read_assignments(struct group *group, struct wire_reader *body)
{
    for (int32_t count = wire_read_i32(body); count > 0 && !body->is_short; count--) {
        struct member *member = group_find_member(group, wire_read_string(body));
        struct wire_span assignment = wire_read_bytes(body);
        if (member == NULL)
            continue;
        wire_buffer_take(&member->assignment, wire_buffer_size(&member->assignment));
        wire_buffer_add(&member->assignment, assignment.data, assignment.size);
    }
}

/* ---- who goes ------------------------------------------------------------------------------------ */

void group_remove_member(struct group *group, struct member *member, int64_t now_ms)
{
    struct member **at = &group->members;

    while (*at != member)
        at = &(*at)->next;
    *at = member->next;
    if (group->leader == member)
        group->leader = NULL;
    member_free(member);
    if (group->members != NULL && group->state != GROUP_JOINING)
        group_start_joining(group, now_ms);
    group_try_finish_joining(group);
}

void group_fence_instance(struct group *group, struct wire_span instance, int64_t now_ms)
{
    for (struct member *member = group->members; member != NULL; member = member->next) {
        if (!wire_equals(instance, member->instance))
            continue;
        if (member->join.ticket != NULL)
            group_answer_join(group, member, FENCED_INSTANCE_ID);
        if (member->sync.ticket != NULL)
            group_answer_sync(group, &member->sync, FENCED_INSTANCE_ID, NULL);
        group_remove_member(group, member, now_ms);
        return;
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

void group_drop_lost(struct group *group, int64_t now_ms)
{
    struct member *next = NULL;

    for (struct member *member = group->members; member != NULL; member = next) {
        next = member->next;
        if (is_lost(group, member, now_ms))
            group_remove_member(group, member, now_ms);
    }
}

void group_drop_client(struct group *group, const void *client, int64_t now_ms)
{
    struct member *next = NULL;

    for (struct member *member = group->members; member != NULL; member = next) {
        next = member->next;
        if (member->client != client)
            continue;
        member->join.ticket = member->sync.ticket = NULL;
        group_remove_member(group, member, now_ms);
    }
}
