/* SPDX-License-Identifier: Apache-2.0 */
/* What Redis gives back of a run, damaged by anybody: its checkpoints, its record, the record's tail. Refused with
 * a reason, or read; what is read and written again is read alike. The first byte chooses which of them it is. */
#include "fuzz.h"

#include "run/attempt_log.h"
#include "run/checkpoints.h"
#include "store/redis/record.h"

static bool is_same_text(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static bool is_same_bytes(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static void check_again(const struct checkpoint *checkpoint, msgpack_zone *zone)
{
    msgpack_sbuffer buffer;
    struct checkpoint again;
    struct error error;

    msgpack_sbuffer_init(&buffer);
    checkpoint_pack(&buffer, checkpoint);
    require(checkpoint_decode((struct bytes){ buffer.data, buffer.size }, zone, &again, &error) == 0);
    require(is_same_text(again.id, checkpoint->id) && again.kind == checkpoint->kind && again.phase == checkpoint->phase);
    require(again.executions == checkpoint->executions && again.started_ms == checkpoint->started_ms);
    require(again.ended_ms == checkpoint->ended_ms && is_same_bytes(again.value, checkpoint->value));
    msgpack_sbuffer_destroy(&buffer);
}

static void try_checkpoint(struct bytes bytes, msgpack_zone *zone)
{
    struct checkpoints *steps = checkpoints_create();
    struct checkpoint checkpoint;
    struct error error = { 0 };
    size_t position;

    if (checkpoints_load(steps, 0, bytes, &error) != 0) {
        require(error.text[0] != '\0' && checkpoints_count(steps) == 0);
    } else {
        require(checkpoint_decode(bytes, zone, &checkpoint, &error) == 0);
        require(checkpoints_find(steps, checkpoint.phase, checkpoint.id, &position) == checkpoints_at(steps, 0) && position == 0);
        check_again(checkpoints_at(steps, 0), zone);
    }
    checkpoints_destroy(steps);
}

static void try_record(struct bytes bytes, msgpack_zone *zone)
{
    struct record record;
    struct record head;
    struct error error = { 0 };

    int status = record_decode(bytes, zone, &record, &error);
    require(status == 0 || error.text[0] != '\0');
    if (status == 0 && record_decode_head(bytes, zone, &head, &error) == 0)
        require(head.epoch == record.epoch && is_same_text(head.function, record.function));
}

static void try_tail(struct bytes tail)
{
    struct attempt_entry entry;
    struct failure failure = { .attempt = 1 };
    msgpack_sbuffer buffer;

    (void)attempt_log_last_failure(tail, &failure);
    size_t count = attempt_log_count(tail);
    for (size_t i = 0; i < count; i++)
        attempt_log_at(tail, i, &entry, &failure);
    msgpack_sbuffer_init(&buffer);
    attempt_log_pack(&buffer, tail, &(struct attempt_entry){ .started_ms = 1 }, attempt_log_output(tail), attempt_log_branches(tail));
    size_t kept = attempt_log_count((struct bytes){ buffer.data, buffer.size });
    require(kept >= 1 && kept <= ATTEMPT_LOG_KEPT);
    msgpack_sbuffer_destroy(&buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    msgpack_zone zone;

    if (size == 0)
        return 0;
    void *exact = exact_copy(data + 1, size - 1);
    struct bytes bytes = { exact, size - 1 };
    require(msgpack_zone_init(&zone, 1024));
    switch (data[0] % 3) {
    case 0:
        try_checkpoint(bytes, &zone);
        break;
    case 1:
        try_record(bytes, &zone);
        break;
    case 2:
        try_tail(bytes);
        break;
    }
    msgpack_zone_destroy(&zone);
    free(exact);
    return 0;
}
