/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One consumer group of the embedded broker: its members, the generation they are in, and the answers they
 * wait for. A rebalance ends as soon as all members have joined. groups.c asserts whose thread they are.
 */
#ifndef STEPD_DEV_GROUP_H
#define STEPD_DEV_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "dev/group_request.h"
#include "dev/wire.h"

enum group_state { GROUP_EMPTY, GROUP_JOINING, GROUP_SYNCING, GROUP_STABLE };

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
    char *client_id;
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
    groups_reply_fn *reply;
    char *id;
    enum group_state state;
    int32_t generation;
    int64_t deadline_ms; /* of GROUP_JOINING */
    char *protocol;
    struct member *leader;
    struct member *members;
};

struct group *group_create(struct wire_span id, groups_reply_fn *reply);
/* No reply goes to its members' tickets. */
void group_destroy(struct group *group);

/* NULL: there is none, or no such group. */
struct member *group_find_member(const struct group *group, struct wire_span id);
/* With an id made of `number`. */
struct member *group_add_member(struct group *group, unsigned number);
/* What it can be assigned by; of a request to join. */
void member_read_protocols(struct member *member, struct wire_reader *body);

/* Adds what a ListGroups and a DescribeGroups answer say of it, in that version. */
void group_put_listed(const struct group *group, struct wire_buffer *body);
void group_put_described(const struct group *group, struct wire_buffer *body, int16_t version);

/* To the member's ticket, which is answered then. */
void group_answer_join(const struct group *group, struct member *member, int16_t code);
/* `assignment` may be NULL unless the code is OK. */
void group_answer_sync(const struct group *group, struct waiting *sync, int16_t code, const struct wire_buffer *assignment);

/* All members are to join anew. */
void group_start_joining(struct group *group, int64_t now_ms);
/* A new generation, if all have. */
void group_try_finish_joining(struct group *group);
/* The leader's, of a request to sync. */
void group_read_assignments(struct group *group, struct wire_reader *body);

/* The member is out; the others share what it had. */
void group_remove_member(struct group *group, struct member *member, int64_t now_ms);
/* A static member that comes again under its instance id: the one before it is fenced. */
void group_fence_instance(struct group *group, struct wire_span instance, int64_t now_ms);
/* Members that are silent, or too late for a rebalance. */
void group_drop_lost(struct group *group, int64_t now_ms);
/* Members whose connection is closed. */
void group_drop_client(struct group *group, const void *client, int64_t now_ms);

#endif
