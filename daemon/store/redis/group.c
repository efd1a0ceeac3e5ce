/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/group.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/memory.h"

#define ARGUMENTS_MOST (2 + GROUP_MOST * 8)
static_assert(ARGUMENTS_MOST <= SCRIPT_MAX_FORMATTED, "they are formatted at once");

/* Of a call's arguments, as asked_init() and admit() of port.c and waits_match_later() give them, those that the group's script has of each run. */
struct kind {
    const char *script;
    size_t arguments[8], count;
    bool has_worker;
};

static const struct kind KINDS[] = {
    [GROUP_TAKES] = { .script = "take_many", .arguments = { 0, 1, 5, 7, 9 }, .count = 5 },
    [GROUP_ADVANCES] = { .script = "advance_many", .arguments = { 0, 1, 5 }, .count = 3, .has_worker = true },
    [GROUP_MATCHES] = { .script = "match_many", .arguments = { 0, 1, 2, 3, 4, 5, 6, 7 }, .count = 8 },
    [GROUP_ADMITS] = { .script = "admit_many", .arguments = { 0, 12, 9, 4, 13, 14 }, .count = 6 },
};

struct group {
    struct request request; /* first */
    struct request_list members;
    size_t count;
};

static_assert(offsetof(struct group, request) == 0, "group_dissolve() is given the request");

static void end_group(struct request *request)
{
    struct request_list members;
    int status = request->status;

    assert(status != 0); /* the lane gives answers to the members themselves */
    group_dissolve(request, &members);
    request_list_end(&members, status);
}

bool request_is_group(const struct request *request)
{
    return request->done == end_group;
}

size_t group_count(const struct request *group)
{
    assert(request_is_group(group));
    return ((const struct group *)group)->count;
}

void group_dissolve(struct request *request, struct request_list *ret_members)
{
    struct group *group = (struct group *)request;

    assert(request_is_group(request));
    request_list_init(ret_members);
    request_list_move(&group->members, ret_members);
    redisFreeCommand(request->command);
    free(group);
}

/* ---- how it comes together ------------------------------------------------------------------------ */

void gathering_init(struct gathering *gathering)
{
    request_list_init(&gathering->members);
    gathering->count = gathering->bytes = 0;
}

static bool is_like(const struct request *request, const struct request *other)
{
    return request->call->group == other->call->group && request->shard == other->shard &&
           memcmp(&request->call->owner, &other->call->owner, sizeof(other->call->owner)) == 0;
}

bool gathering_add(struct gathering *gathering, struct request *request)
{
    assert(request->call != NULL && request->call->group != GROUP_NONE);
    if (gathering->count > 0 &&
        (gathering->count == GROUP_MOST || gathering->bytes + request->size > GROUP_BYTES || !is_like(gathering->members.first, request)))
        return false;
    request_list_add(&gathering->members, request);
    gathering->count++;
    gathering->bytes += request->size;
    return true;
}

struct arguments {
    struct bytes items[ARGUMENTS_MOST];
    size_t count;
};

static void add_run(struct arguments *arguments, const struct kind *kind, const struct script_call *call)
{
    for (size_t i = 0; i < kind->count; i++) {
        size_t at = kind->arguments[i];
        arguments->items[arguments->count++] = at < call->count + call->grouped ? call->arguments[at] : (struct bytes){ "", 0 };
    }
}

static struct request *group_create(struct gathering *gathering, const char *shard_prefix)
{
    const struct request *first = gathering->members.first;
    const struct script_call *call = first->call;
    const struct kind *kind = &KINDS[call->group];
    struct group *group = xcalloc(1, sizeof(*group));
    struct arguments arguments = { .items = { { call->owner.bytes, sizeof(call->owner.bytes) } }, .count = 1 };

    if (kind->has_worker)
        arguments.items[arguments.count++] = (struct bytes){ call->owner_hex, sizeof(call->owner_hex) - 1 };
    for (const struct request *member = first; member != NULL; member = member->next)
        add_run(&arguments, kind, member->call);
    group->request = (struct request){
        .shard = first->shard,
        .script = script_index(kind->script),
        .others = gathering->count - 1,
        .sent_ns = first->sent_ns,
        .done = end_group,
    };
    group->request.command =
        script_format_arguments(arguments.items, arguments.count, shard_prefix, &group->request.size, &group->request.sha_at);
    request_list_init(&group->members);
    request_list_move(&gathering->members, &group->members);
    group->count = gathering->count;
    return &group->request;
}

struct request *gathering_take(struct gathering *gathering, const char *shard_prefix)
{
    struct request *taken = gathering->count > 1 ? group_create(gathering, shard_prefix) : request_list_take(&gathering->members);

    gathering_init(gathering);
    return taken;
}
