/* SPDX-License-Identifier: Apache-2.0 */
#include "run/waited.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "codec/packed.h"
#include "run/checkpoints.h"

#define LATEST 32           /* waits that are looked at */
#define LONG_SLEEP_MS 10000 /* no such sleep fits into what a store may lose */

static const char more[] = "\xa4more\xc3"; /* as wait.c packs it */

struct given {
    char *names[LATEST]; /* owned */
    size_t count;
};

static int64_t number_of(const msgpack_object *object)
{
    bool is_number = object != NULL && (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER || object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER);

    return is_number ? object->via.i64 : -1;
}

/* `outcome`: the event that a wait was given, as wait_event_pack() has it; or nil. */
static void add_outcome(struct given *given, struct bytes outcome)
{
    msgpack_object event = { .type = MSGPACK_OBJECT_NIL };
    msgpack_zone zone;

    if (!msgpack_zone_init(&zone, 512))
        abort();
    if (outcome.size > 0)
        packed_build(outcome, &zone, &event);
    const msgpack_object *topic = packed_find(&event, "topic");
    int64_t offset = number_of(packed_find(&event, "offset")), partition = number_of(packed_find(&event, "partition"));
    if (topic != NULL && topic->type == MSGPACK_OBJECT_STR && offset >= 0 && partition >= 0)
        given->names[given->count++] =
            xasprintf("%.*s:%d:%lld", (int)topic->via.str.size, topic->via.str.ptr, (int)partition, (long long)offset);
    msgpack_zone_destroy(&zone);
}

/* `other` may say that there was more; what stands before the members is their number. */
static bool is_same(struct bytes wish, struct bytes other, bool *ret_has_more)
{
    *ret_has_more = other.size == wish.size + sizeof(more) - 1;
    if (other.size != wish.size && !*ret_has_more)
        return false;
    const char *mine = wish.data, *its = other.data;
    if (mine[0] + *ret_has_more != its[0] || memcmp(mine + 1, its + 1, wish.size - 1) != 0)
        return false;
    return !*ret_has_more || memcmp(its + wish.size, more, sizeof(more) - 1) == 0;
}

static void collect(const struct run *run, struct bytes wish, struct given *given)
{
    bool are_together = wish.size > 0; /* the latest of them, and the one that is about to wait */
    bool has_more = false;
    size_t waits = 0;

    for (size_t i = run->steps != NULL ? checkpoints_count(run->steps) : 0; i > 0 && waits < LATEST; i--) {
        const struct checkpoint *waiting = checkpoints_at(run->steps, i - 1);
        size_t position;
        if (waiting->kind != CHECKPOINT_WAITING || waiting->phase != run->phase ||
            (wish.size > 0 && !is_same(wish, waiting->value, &has_more)))
            continue;
        waits++;
        are_together = are_together && has_more;
        if (are_together)
            continue;
        const struct checkpoint *ended = checkpoints_find(run->steps, run->phase, waiting->id, &position);
        if (ended != NULL && ended->kind == CHECKPOINT_COMPLETED)
            add_outcome(given, ended->value);
    }
}

void waited_pack_given(const struct run *run, struct bytes wish, msgpack_sbuffer *buffer)
{
    struct given given = { .count = 0 };
    msgpack_packer packer;

    collect(run, wish, &given);
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, given.count);
    for (size_t i = 0; i < given.count; i++) {
        msgpack_pack_str_with_body(&packer, given.names[i], strlen(given.names[i]));
        msgpack_pack_true(&packer);
        free(given.names[i]);
    }
}

int64_t waited_slept_ms(const struct run *run, int64_t now_ms)
{
    int64_t slept_ms = 0;

    for (size_t i = 0; run->steps != NULL && i < checkpoints_count(run->steps); i++) {
        const struct checkpoint *sleep = checkpoints_at(run->steps, i);
        bool is_long = sleep->kind == CHECKPOINT_SLEEP && sleep->until_ms - sleep->started_ms >= LONG_SLEEP_MS;
        if (is_long && sleep->until_ms <= now_ms && sleep->until_ms > slept_ms)
            slept_ms = sleep->until_ms;
    }
    return slept_ms;
}
