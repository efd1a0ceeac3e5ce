/* SPDX-License-Identifier: Apache-2.0 */
#include "run/checkpoints.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "codec/packed.h"
#include "run/failure.h"

#define CHECKPOINT_FIELDS 7

struct kept {
    struct checkpoint checkpoint;
    struct failure *failure; /* NULL: none */
    bool is_old;             /* was there before this attempt */
    bool is_asked;           /* it was found since */
    char memory[];           /* id with its NUL, then value */
};

struct checkpoints {
    struct kept **items;
    uint64_t *hashes; /* of phase and id: a new step is looked for among all of them */
    size_t count;
    size_t capacity;
    size_t expected; /* where the next search begins: a replay asks in order */
    void *tail;      /* NULL: none was kept */
};

struct checkpoints *checkpoints_create(void)
{
    return xcalloc(1, sizeof(struct checkpoints));
}

static void kept_free(struct kept *kept)
{
    free(kept->failure);
    free(kept);
}

void checkpoints_destroy(struct checkpoints *steps)
{
    if (steps == NULL)
        return;
    for (size_t i = 0; i < steps->count; i++)
        kept_free(steps->items[i]);
    free(steps->items);
    free(steps->hashes);
    free(steps->tail);
    free(steps);
}

struct bytes steps_keep_tail(struct checkpoints *steps, struct bytes tail)
{
    void *kept = xmemdup(tail.data, tail.size);

    free(steps->tail);
    steps->tail = kept;
    return (struct bytes){ kept, tail.size };
}

static struct kept *kept_copy(const struct checkpoint *checkpoint)
{
    size_t id_size = strlen(checkpoint->id) + 1;
    struct kept *kept = xmalloc(sizeof(*kept) + id_size + checkpoint->value.size);

    assert(id_size <= STEP_ID_SIZE);
    kept->checkpoint = *checkpoint;
    kept->is_old = kept->is_asked = false;
    kept->checkpoint.id = memcpy(kept->memory, checkpoint->id, id_size);
    if (checkpoint->value.size > 0)
        memcpy(kept->memory + id_size, checkpoint->value.data, checkpoint->value.size);
    kept->checkpoint.value.data = kept->memory + id_size;
    kept->failure = checkpoint->failure != NULL ? xmemdup(checkpoint->failure, sizeof(*checkpoint->failure)) : NULL;
    kept->checkpoint.failure = kept->failure;
    return kept;
}

static uint64_t hash_of(enum run_phase phase, const char *id)
{
    return XXH3_64bits_withSeed(id, strlen(id), (XXH64_hash_t)phase);
}

void checkpoints_add(struct checkpoints *steps, size_t position, const struct checkpoint *checkpoint)
{
    assert(position <= steps->count);
    struct kept *kept = kept_copy(checkpoint);
    if (position < steps->count) {
        kept_free(steps->items[position]);
        steps->items[position] = kept;
        steps->hashes[position] = hash_of(checkpoint->phase, checkpoint->id);
        return;
    }
    if (steps->count == steps->capacity) {
        steps->capacity = steps->capacity == 0 ? 8 : steps->capacity * 2;
        steps->items = xrealloc(steps->items, steps->capacity * sizeof(struct kept *));
        steps->hashes = xrealloc(steps->hashes, steps->capacity * sizeof(*steps->hashes));
    }
    assert(steps->count < steps->capacity);
    steps->hashes[steps->count] = hash_of(checkpoint->phase, checkpoint->id);
    steps->items[steps->count++] = kept;
}

int checkpoints_load(struct checkpoints *steps, size_t position, struct bytes member, struct error *ret_error)
{
    struct checkpoint checkpoint;
    msgpack_zone zone;

    if (position > steps->count)
        return error_set(ret_error, EBADMSG, "a checkpoint at position %zu, after only %zu", position, steps->count);
    if (!msgpack_zone_init(&zone, 512))
        abort();
    int status = checkpoint_decode(member, &zone, &checkpoint, ret_error);
    if (status == 0) {
        checkpoints_add(steps, position, &checkpoint);
        steps->items[position]->is_old = true;
    }
    msgpack_zone_destroy(&zone);
    return status;
}

size_t checkpoints_count(const struct checkpoints *steps)
{
    return steps->count;
}

const struct checkpoint *checkpoints_at(const struct checkpoints *steps, size_t position)
{
    return position < steps->count ? &steps->items[position]->checkpoint : NULL;
}

const struct checkpoint *checkpoints_find(const struct checkpoints *steps, enum run_phase phase, const char *id, size_t *ret_position)
{
    const struct checkpoint *found = NULL;
    const uint64_t hash = hash_of(phase, id);
    size_t position = steps->expected < steps->count ? steps->expected : 0;

    for (size_t i = 0; i < steps->count; i++, position = position + 1 < steps->count ? position + 1 : 0) {
        if (steps->hashes[position] != hash)
            continue;
        const struct checkpoint *checkpoint = &steps->items[position]->checkpoint;
        if (checkpoint->phase != phase || strcmp(checkpoint->id, id) != 0 || (found != NULL && position < *ret_position))
            continue;
        found = checkpoint;
        *ret_position = position;
        if (!checkpoint_is_begun(checkpoint))
            break; /* of a step that was only begun, what became of it stands further on */
    }
    if (found != NULL) {
        ((struct checkpoints *)(uintptr_t)steps)->expected = *ret_position + 1; /* a hint; `steps` has one owner */
        steps->items[*ret_position]->is_asked = true;
    }
    return found;
}

size_t checkpoints_unasked(const struct checkpoints *steps, enum run_phase phase, const char **ret_id)
{
    size_t count = 0;

    for (size_t i = 0; i < steps->count; i++) {
        const struct kept *kept = steps->items[i];
        if (!kept->is_old || kept->is_asked || kept->checkpoint.phase != phase || checkpoint_is_begun(&kept->checkpoint))
            continue;
        if (count++ == 0)
            *ret_id = kept->checkpoint.id;
    }
    return count;
}

/* ---- as it stands in the store ------------------------------------------------------------------ */

static void pack_wait(msgpack_packer *packer, const struct checkpoint *checkpoint)
{
    msgpack_sbuffer wait;
    msgpack_packer inner;

    msgpack_sbuffer_init(&wait);
    msgpack_packer_init(&inner, &wait, msgpack_sbuffer_write);
    msgpack_pack_array(&inner, 2);
    msgpack_pack_int64(&inner, checkpoint->until_ms);
    if (checkpoint->value.size > 0)
        msgpack_sbuffer_write(&wait, checkpoint->value.data, checkpoint->value.size);
    else
        msgpack_pack_nil(&inner);
    msgpack_pack_bin_with_body(packer, wait.data, wait.size);
    msgpack_sbuffer_destroy(&wait);
}

static void pack_outcome(msgpack_packer *packer, msgpack_sbuffer *buffer, const struct checkpoint *checkpoint)
{
    switch (checkpoint->kind) {
    case CHECKPOINT_COMPLETED:
        if (checkpoint->value.size == 0)
            msgpack_pack_nil(packer);
        else
            msgpack_sbuffer_write(buffer, checkpoint->value.data, checkpoint->value.size);
        return;
    case CHECKPOINT_FAILED:
        msgpack_pack_array(packer, checkpoint->value.size > 0 ? 4 : 3);
        failure_pack_text(packer, checkpoint->failure->name);
        failure_pack_text(packer, checkpoint->failure->message);
        msgpack_pack_int(packer, checkpoint->failure->attempt);
        if (checkpoint->value.size > 0)
            msgpack_pack_bin_with_body(packer, checkpoint->value.data, checkpoint->value.size);
        return;
    case CHECKPOINT_SLEEP:
        msgpack_pack_int64(packer, checkpoint->until_ms);
        return;
    case CHECKPOINT_STARTED:
        msgpack_pack_nil(packer);
        return;
    case CHECKPOINT_WAITING:
        pack_wait(packer, checkpoint);
        return;
    }
    abort(); /* a kind that there is not */
}

void checkpoint_pack(msgpack_sbuffer *buffer, const struct checkpoint *checkpoint)
{
    msgpack_packer packer;

    assert(checkpoint->executions >= 0);
    assert(checkpoint->id != NULL);
    assert((checkpoint->kind == CHECKPOINT_FAILED) == (checkpoint->failure != NULL));
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, CHECKPOINT_FIELDS);
    failure_pack_text(&packer, checkpoint->id);
    msgpack_pack_int(&packer, (int)(checkpoint->kind == CHECKPOINT_WAITING ? CHECKPOINT_STARTED : checkpoint->kind));
    msgpack_pack_int(&packer, (int)checkpoint->phase);
    msgpack_pack_int(&packer, checkpoint->executions);
    msgpack_pack_int64(&packer, checkpoint->started_ms);
    msgpack_pack_int64(&packer, checkpoint->ended_ms);
    pack_outcome(&packer, buffer, checkpoint);
}

void checkpoint_pack_around(msgpack_sbuffer *head, msgpack_sbuffer *middle, const struct checkpoint *checkpoint)
{
    msgpack_packer packer;

    assert(checkpoint->id != NULL);
    msgpack_packer_init(&packer, head, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, CHECKPOINT_FIELDS);
    failure_pack_text(&packer, checkpoint->id);
    msgpack_packer_init(&packer, middle, msgpack_sbuffer_write);
    msgpack_pack_int(&packer, (int)checkpoint->phase);
    msgpack_pack_int(&packer, checkpoint->executions);
    msgpack_pack_int64(&packer, checkpoint->started_ms);
}

void checkpoint_pack_failure(msgpack_sbuffer *buffer, const struct failure *failure)
{
    msgpack_packer packer;

    assert(failure != NULL);
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 3);
    failure_pack_text(&packer, failure->name);
    failure_pack_text(&packer, failure->message);
    msgpack_pack_int(&packer, failure->attempt);
}

/* What stands beside an error: one object that fills its bytes. */
static bool is_packed(struct bytes value)
{
    size_t size = 0;

    return packed_measure(value, DATA_MAX_DEPTH, &size, NULL) == 0 && size == value.size;
}

static bool read_failure(struct bytes value, msgpack_zone *zone, struct checkpoint *checkpoint)
{
    struct fields fields = fields_open(value);
    struct failure *failure = zone_take(zone, sizeof(*failure));
    struct bytes id = { checkpoint->id, strlen(checkpoint->id) };

    failure_copy_text(failure->name, sizeof(failure->name), fields_take_text(&fields));
    failure_copy_text(failure->message, sizeof(failure->message), fields_take_text(&fields));
    failure->attempt = (int)fields_take_integer(&fields, 0, INT_MAX);
    failure_copy_text(failure->step_id, sizeof(failure->step_id), id);
    failure->executions = checkpoint->executions;
    checkpoint->failure = failure;
    if (!fields.is_damaged && fields.count > 0)
        checkpoint->value = fields_take_text(&fields);
    return !fields.is_damaged && (checkpoint->value.size == 0 || is_packed(checkpoint->value));
}

/* Of a step that was only begun, or that waits. */
static bool read_begun(struct fields *fields, struct checkpoint *checkpoint)
{
    struct bytes value = fields_take(fields, 0);
    const unsigned char *at = value.data;

    if (fields->is_damaged || value.size == 1 || at[0] < 0xc4 || at[0] > 0xc6)
        return !fields->is_damaged;
    size_t head = at[0] == 0xc4 ? 2 : at[0] == 0xc5 ? 3 : 5;
    struct fields wait = fields_open((struct bytes){ at + head, value.size - head });
    checkpoint->kind = CHECKPOINT_WAITING;
    checkpoint->until_ms = fields_take_integer(&wait, INT64_MIN, INT64_MAX);
    checkpoint->value = fields_take(&wait, DATA_MAX_DEPTH);
    return !wait.is_damaged && wait.left.size == 0;
}

static bool read_outcome(struct fields *fields, msgpack_zone *zone, struct checkpoint *checkpoint)
{
    switch (checkpoint->kind) {
    case CHECKPOINT_COMPLETED:
        checkpoint->value = fields_take(fields, DATA_MAX_DEPTH);
        return !fields->is_damaged;
    case CHECKPOINT_FAILED:
        return read_failure(fields_take(fields, 1), zone, checkpoint);
    case CHECKPOINT_SLEEP:
        checkpoint->until_ms = fields_take_integer(fields, INT64_MIN, INT64_MAX);
        return !fields->is_damaged;
    case CHECKPOINT_STARTED:
        return read_begun(fields, checkpoint);
    case CHECKPOINT_WAITING:
        break; /* is read as one that was begun */
    }
    return false;
}

int checkpoint_decode(struct bytes member, msgpack_zone *zone, struct checkpoint *ret_checkpoint, struct error *ret_error)
{
    struct fields fields = fields_open(member);
    struct checkpoint checkpoint = { 0 };

    if (fields.is_damaged || fields.count != CHECKPOINT_FIELDS)
        return error_set(ret_error, EBADMSG, "a checkpoint that is no array of %d", CHECKPOINT_FIELDS);
    struct bytes id = fields_take_text(&fields);
    if (id.size == 0 || id.size >= STEP_ID_SIZE || memchr(id.data, '\0', id.size) != NULL)
        return error_set(ret_error, EBADMSG, "a checkpoint without a step's id");
    char *text = zone_take(zone, id.size + 1);
    failure_copy_text(text, id.size + 1, id);
    checkpoint.id = text;
    checkpoint.kind = (enum checkpoint_kind)fields_take_integer(&fields, CHECKPOINT_COMPLETED, CHECKPOINT_STARTED);
    checkpoint.phase = (enum run_phase)fields_take_integer(&fields, RUN_IN_FUNCTION, RUN_IN_ON_FAILURE);
    checkpoint.executions = (int)fields_take_integer(&fields, 0, INT_MAX);
    checkpoint.started_ms = fields_take_integer(&fields, INT64_MIN, INT64_MAX);
    checkpoint.ended_ms = fields_take_integer(&fields, INT64_MIN, INT64_MAX);
    if (fields.is_damaged || !read_outcome(&fields, zone, &checkpoint) || fields.left.size != 0)
        return error_set(ret_error, EBADMSG, "the checkpoint of step '%.60s' is damaged", text);
    *ret_checkpoint = checkpoint;
    return 0;
}
