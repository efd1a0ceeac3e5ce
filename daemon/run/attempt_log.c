/* SPDX-License-Identifier: Apache-2.0 */
#include "run/attempt_log.h"

#include <assert.h>
#include <limits.h>

#include "codec/packed.h"
#include "run/failure.h"

#define NIL 0xc0

/* The entries, each measured, and the output. All empty when the tail is damaged. */
struct log {
    struct bytes entries[ATTEMPT_LOG_KEPT];
    size_t count;
    struct bytes output;
    struct bytes branches;
};

/* False: damaged. */
static bool read_entry(struct bytes bytes, struct attempt_entry *entry, struct failure *failure)
{
    struct fields fields = fields_open(bytes);

    entry->started_ms = fields_take_integer(&fields, INT64_MIN, INT64_MAX);
    entry->duration_ms = fields_take_integer(&fields, 0, INT64_MAX);
    entry->attempt = (int)fields_take_integer(&fields, 0, INT_MAX);
    struct bytes step_id = fields_take_text(&fields);
    failure->executions = (int)fields_take_integer(&fields, 0, INT_MAX);
    struct bytes name = fields_take_text(&fields);
    struct bytes message = fields_take_text(&fields);
    entry->due_ms = fields_take_integer(&fields, INT64_MIN, INT64_MAX);
    failure->attempt = entry->attempt;
    failure_copy_text(failure->step_id, sizeof(failure->step_id), step_id);
    failure_copy_text(failure->name, sizeof(failure->name), name);
    failure_copy_text(failure->message, sizeof(failure->message), message);
    entry->failure = name.data != NULL ? failure : NULL;
    return !fields.is_damaged;
}

static bool read_tail(struct bytes tail, struct log *log)
{
    struct fields fields = fields_open(tail);
    struct bytes list = fields_take(&fields, 2);
    struct fields entries = fields_open(list);
    struct attempt_entry entry;
    struct failure failure;

    if (fields.is_damaged || entries.is_damaged || entries.count > ATTEMPT_LOG_KEPT)
        return false;
    while (entries.count > 0) {
        log->entries[log->count] = fields_take(&entries, 1);
        if (entries.is_damaged || !read_entry(log->entries[log->count++], &entry, &failure))
            return false;
    }
    log->output = fields_take(&fields, DATA_MAX_DEPTH);
    if (fields.count > 0)
        log->branches = fields_take(&fields, 2);
    return !fields.is_damaged;
}

static struct log log_of(struct bytes tail)
{
    struct log log = { .count = 0 };

    return read_tail(tail, &log) ? log : (struct log){ .count = 0 };
}

static void pack_entry(msgpack_packer *packer, const struct attempt_entry *entry)
{
    const struct failure *failure = entry->failure;

    msgpack_pack_array(packer, 8);
    msgpack_pack_int64(packer, entry->started_ms);
    msgpack_pack_int64(packer, entry->duration_ms > 0 ? entry->duration_ms : 0);
    msgpack_pack_int(packer, entry->attempt);
    if (failure != NULL && failure->step_id[0] != '\0')
        failure_pack_text(packer, failure->step_id);
    else
        msgpack_pack_nil(packer);
    msgpack_pack_int(packer, failure != NULL ? failure->executions : 0);
    if (failure != NULL) {
        failure_pack_text(packer, failure->name);
        failure_pack_text(packer, failure->message);
    } else {
        msgpack_pack_nil(packer);
        msgpack_pack_nil(packer);
    }
    msgpack_pack_int64(packer, entry->due_ms);
}

void attempt_log_pack(msgpack_sbuffer *buffer, struct bytes tail, const struct attempt_entry *entry, struct bytes output,
                      struct bytes branches)
{
    struct log log = log_of(tail);
    size_t dropped = entry != NULL && log.count == ATTEMPT_LOG_KEPT ? 1 : 0;
    msgpack_packer packer;

    assert(entry == NULL || entry->attempt >= 0);
    assert(log.count <= ATTEMPT_LOG_KEPT);
    assert(tail.data == NULL || tail.data != buffer->data); /* read while it is written */
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, branches.size > 0 ? 3 : 2);
    msgpack_pack_array(&packer, log.count - dropped + (entry != NULL));
    for (size_t i = dropped; i < log.count; i++)
        msgpack_sbuffer_write(buffer, log.entries[i].data, log.entries[i].size);
    if (entry != NULL)
        pack_entry(&packer, entry);
    if (output.size > 0)
        msgpack_sbuffer_write(buffer, output.data, output.size);
    else
        msgpack_pack_nil(&packer);
    msgpack_sbuffer_write(buffer, branches.size > 0 ? branches.data : "", branches.size);
}

bool attempt_log_last_failure(struct bytes tail, struct failure *ret_failure)
{
    struct log log = log_of(tail);
    struct attempt_entry entry;
    struct failure failure;

    while (log.count > 0) {
        (void)read_entry(log.entries[--log.count], &entry, &failure);
        if (entry.failure != NULL) {
            *ret_failure = failure;
            return true;
        }
    }
    return false;
}

size_t attempt_log_count(struct bytes tail)
{
    return log_of(tail).count;
}

void attempt_log_at(struct bytes tail, size_t index, struct attempt_entry *ret_entry, struct failure *ret_failure)
{
    struct log log = log_of(tail);

    assert(index < log.count);
    (void)read_entry(log.entries[index], ret_entry, ret_failure);
}

/* on_failure counts from 0 again. Where nothing is less than what came before it, the function had one attempt. */
int attempt_log_before_on_failure(struct bytes tail, int attempt)
{
    struct attempt_entry entry = { .attempt = attempt };
    struct failure failure;

    for (size_t i = attempt_log_count(tail); i-- > 0; attempt = entry.attempt) {
        attempt_log_at(tail, i, &entry, &failure);
        if (entry.attempt > attempt)
            break;
    }
    return entry.attempt;
}

struct bytes attempt_log_output(struct bytes tail)
{
    struct bytes output = log_of(tail).output;

    if (output.size == 1 && *(const unsigned char *)output.data == NIL)
        output.size = 0;
    return output;
}

struct bytes attempt_log_branches(struct bytes tail)
{
    return log_of(tail).branches;
}
