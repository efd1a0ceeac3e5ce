/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/script.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "scripts.h"
#include "store/redis/keys.h"
#include "store/redis/wire.h"

/* A script is loaded as its parts, one after another. */
#define PARTS 14
struct script {
    const char *name;
    int version;
    const char *parts[PARTS];
};

static const struct script SCRIPTS[SCRIPT_COUNT] = {
    { "take", 2, { script_take_short, script_common, script_order, script_added, script_change, script_take } },
    { "advance",
      2,
      { script_advance_short, script_common, script_order, script_added, script_flow, script_post, script_called, script_ending,
        script_change, script_advance } },
    { "take_many", 1, { script_many, script_take_many } },
    { "advance_many", 1, { script_many, script_advance_many } },
    { "admit_many", 1, { script_many, script_admit_many } },
    { "queue_behind", 2, { script_common, script_order, script_queue_behind } },
    { "remember", 2, { script_common, script_remember } },
    { "admit",
      2,
      { script_common, script_order, script_added, script_flow, script_post, script_called, script_ending, script_worker, script_cancelling,
        script_rules, script_waits, script_admit } },
    { "claim", 2, { script_claim_short, script_common, script_flow, script_throttle, script_turns, script_claim } },
    { "condemn", 2, { script_common, script_added, script_flow, script_post, script_called, script_condemn } },
    { "heartbeat", 2, { script_common, script_heartbeat } },
    { "reap", 2, { script_common, script_added, script_flow, script_worker, script_reap } },
    { "leave", 2, { script_common, script_added, script_flow, script_worker, script_leave } },
    { "sweep",
      2,
      { script_common, script_added, script_flow, script_post, script_called, script_worker, script_mail, script_waits, script_unwatch,
        script_sweep } },
    { "rejoin", 2, { script_common, script_order, script_rejoin } },
    { "trim_taken", 2, { script_common, script_trim_taken } },
    { "forget", 2, { script_common, script_added, script_forget } },
    { "cancel",
      2,
      { script_common, script_order, script_added, script_flow, script_post, script_called, script_ending, script_worker, script_cancelling,
        script_cancel } },
    { "retry", 2, { script_common, script_order, script_flow, script_waits, script_retry } },
    { "tick", 1, { script_common, script_flow, script_waits, script_tick } },
    { "breaker", 1, { script_common, script_flow, script_breaker } },
    { "want", 1, { script_common, script_want } },
    { "take_calling",
      1,
      { script_common, script_order, script_added, script_flow, script_post, script_called, script_ending, script_mail, script_waits,
        script_calling, script_change, script_take, script_calling_end } },
    { "advance_calling",
      1,
      { script_common, script_order, script_added, script_flow, script_post, script_called, script_ending, script_mail, script_waits,
        script_calling, script_change, script_advance, script_calling_end } },
    { "outbox", 1, { script_common, script_post, script_outbox } },
    { "deliver", 1, { script_common, script_post, script_called, script_mail, script_deliver } },
    { "admit_called",
      1,
      { script_common, script_order, script_added, script_flow, script_post, script_called, script_ending, script_worker, script_cancelling,
        script_rules, script_waits, script_admit_called } },
    { "announce", 1, { script_common, script_announce } },
    { "overdue", 1, { script_common, script_overdue } },
    { "ripen",
      1,
      { script_common, script_order, script_added, script_flow, script_post, script_called, script_ending, script_worker, script_cancelling,
        script_rules, script_ripen } },
    { "expire",
      1,
      { script_common, script_order, script_added, script_flow, script_post, script_called, script_ending, script_worker, script_cancelling,
        script_expire } },
    { "untold", 1, { script_common, script_untold } },
    { "told", 1, { script_common, script_told } },
    { "take_wait",
      1,
      { script_ask, script_common, script_order, script_added, script_mail, script_change, script_waits, script_await, script_take } },
    { "wait",
      1,
      { script_ask, script_common, script_order, script_added, script_flow, script_post, script_called, script_ending, script_mail,
        script_change, script_waits, script_await, script_advance } },
    { "match",
      1,
      { script_match_short, script_common, script_order, script_added, script_flow, script_post, script_called, script_ending,
        script_worker, script_cancelling, script_mail, script_waits, script_older, script_match } },
    { "match_many", 1, { script_many, script_match_many } },
    { "kept", 1, { script_common, script_older, script_kept } },
    { "confirm", 1, { script_common, script_rewind, script_confirm } },
    { "linked", 1, { script_common, script_rewind, script_linked } },
    { "orphans", 1, { script_common, script_orphans } },
    { "signal", 1, { script_common, script_flow, script_waits, script_signal } },
};

int script_index(const char *name)
{
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        if (strcmp(SCRIPTS[i].name, name) == 0)
            return i;
    }
    abort(); /* a name that is misspelt in the source */
}

const char *script_name(int script)
{
    assert(script >= 0 && script < SCRIPT_COUNT);
    return SCRIPTS[script].name;
}

int script_version(int script)
{
    assert(script >= 0 && script < SCRIPT_COUNT);
    return SCRIPTS[script].version;
}

char *script_text(int script)
{
    char *text = xasprintf("-- stepd's %s, version %d\n", SCRIPTS[script].name, SCRIPTS[script].version);

    assert(script >= 0 && script < SCRIPT_COUNT);
    for (size_t i = 0; i < PARTS && SCRIPTS[script].parts[i] != NULL; i++) {
        char *longer = xasprintf("%s%s", text, SCRIPTS[script].parts[i]);
        free(text);
        text = longer;
    }
    return text;
}

/* ---- a call ------------------------------------------------------------------------------------- */

void script_begin(struct script_call *call, const char *script, int shard)
{
    assert(shard >= 0);
    call->script = script_index(script);
    call->shard = shard;
    call->group = GROUP_NONE;
    call->is_unhurried = false;
    call->count = call->grouped = 0;
    call->owner_at = -1;
}

void script_add(struct script_call *call, struct bytes argument)
{
    assert(call->count < SCRIPT_MAX_ARGUMENTS);
    assert(call->grouped == 0);
    call->arguments[call->count++] = argument;
}

void script_add_grouped(struct script_call *call, struct bytes argument)
{
    assert(call->group != GROUP_NONE);
    assert(call->count + call->grouped < SCRIPT_MAX_ARGUMENTS);
    call->arguments[call->count + call->grouped++] = argument;
}

void script_add_text(struct script_call *call, const char *text)
{
    script_add(call, (struct bytes){ text, strlen(text) });
}

void script_add_number(struct script_call *call, int64_t number)
{
    assert(call->count < SCRIPT_MAX_ARGUMENTS);
    char *text = call->numbers[call->count];
    int size = snprintf(text, sizeof(call->numbers[0]), "%" PRId64, number);
    script_add(call, (struct bytes){ text, (size_t)size });
}

void script_set_owner(struct script_call *call, const struct incarnation *owner)
{
    call->owner = *owner;
    keys_worker(owner, call->owner_hex);
}

void script_add_owner(struct script_call *call, const struct incarnation *owner)
{
    script_set_owner(call, owner);
    script_add(call, (struct bytes){ call->owner.bytes, sizeof(call->owner.bytes) });
    script_add(call, (struct bytes){ call->owner_hex, sizeof(call->owner_hex) - 1 });
}

void script_add_self_as(struct script_call *call, const struct incarnation *self)
{
    assert(call->owner_at == -1); /* once */
    call->owner_at = (int)call->count;
    script_add_owner(call, self);
}

#define HEAD_MOST (5 * WIRE_WORD_MOST + 7 + SCRIPT_SHA_SIZE + 1) /* before the arguments, but for the prefix */

static size_t size_most(const struct bytes *arguments, size_t count, const char *shard_prefix)
{
    size_t most = HEAD_MOST + strlen(shard_prefix);

    for (size_t i = 0; i < count; i++)
        most += arguments[i].size + WIRE_WORD_MOST;
    return most;
}

char *script_format_arguments(const struct bytes *arguments, size_t count, const char *shard_prefix, size_t *ret_size, size_t *ret_sha_at)
{
    static const char NO_DIGEST[SCRIPT_SHA_SIZE + 1] = "0000000000000000000000000000000000000000";
    const size_t most = size_most(arguments, count, shard_prefix);
    char *command = xmalloc(most);

    assert(count <= SCRIPT_MAX_FORMATTED);
    char *at = wire_put(wire_put_count(command, count + 4), (struct bytes){ "EVALSHA", 7 });
    *ret_sha_at = (size_t)(at - command) + strlen("$40\r\n");
    at = wire_put(at, (struct bytes){ NO_DIGEST, SCRIPT_SHA_SIZE });
    at = wire_put(at, (struct bytes){ "1", 1 });
    at = wire_put(at, (struct bytes){ shard_prefix, strlen(shard_prefix) });
    for (size_t i = 0; i < count; i++)
        at = wire_put(at, arguments[i]);
    *ret_size = (size_t)(at - command);
    assert(*ret_size <= most);
    return command;
}

size_t script_size(const struct script_call *call, const char *shard_prefix)
{
    return size_most(call->arguments, call->count, shard_prefix);
}

char *script_format(const struct script_call *call, const char *shard_prefix, size_t *ret_size, size_t *ret_sha_at)
{
    return script_format_arguments(call->arguments, call->count, shard_prefix, ret_size, ret_sha_at);
}
