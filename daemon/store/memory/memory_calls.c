/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that call others, in memory: the calls are kept, for their owner to make runs of, and answers become checkpoints. */
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "run/checkpoints.h"
#include "store/memory/memory_store_internal.h"

static struct bytes kept(struct bytes bytes)
{
    return (struct bytes){ xmemdup(bytes.size > 0 ? bytes.data : "", bytes.size), bytes.size };
}

static void drop(struct bytes bytes)
{
    free((void *)(uintptr_t)bytes.data);
}

struct memory_call *memory_store_call_of(const struct memory_store *store, const char *callee_id)
{
    for (struct memory_call *call = store->calls; call != NULL; call = call->next) {
        if (strcmp(call->callee.text, callee_id) == 0)
            return call;
    }
    return NULL;
}

static void add_call(struct memory_store *store, const struct run *caller, const struct callee *callee)
{
    const struct event *event = callee->run->event;
    struct memory_call *call = xcalloc(1, sizeof(*call));

    call->caller = caller->id;
    call->callee = callee->run->id;
    call->function_id = xstrdup(callee->run->function->id);
    call->value = kept((struct bytes){ event->view.raw, event->view.raw_len });
    call->head = kept(callee->head);
    call->middle = kept(callee->middle);
    call->header_count = event->header_count;
    call->headers = xcalloc(event->header_count + 1, sizeof(*call->headers));
    for (size_t i = 0; i < event->header_count; i++)
        call->headers[i] = (struct event_header){ xstrdup(event->headers[i].name), kept(event->headers[i].value) };
    call->next = store->calls;
    store->calls = call;
}

void memory_calls_apply(struct memory_store *store, const struct run *run, const struct transition *change)
{
    struct memory_call *given_up = change->call_off != NULL ? memory_store_call_of(store, change->call_off->text) : NULL;

    if (given_up != NULL)
        given_up->is_over = true;
    if (change->callee != NULL && memory_store_call_of(store, change->callee->run->id.text) == NULL)
        add_call(store, run, change->callee);
}

void memory_calls_answer(struct memory_store *store, struct memory_call *call, enum checkpoint_kind kind, struct bytes value)
{
    struct memory_record *caller = memory_store_find(store, call->caller.text);
    msgpack_sbuffer checkpoint;
    msgpack_packer packer;

    if (call->is_over || caller == NULL)
        return;
    call->is_over = true;
    msgpack_sbuffer_init(&checkpoint);
    msgpack_packer_init(&packer, &checkpoint, msgpack_sbuffer_write);
    msgpack_sbuffer_write(&checkpoint, call->head.data, call->head.size);
    msgpack_pack_int(&packer, (int)kind);
    msgpack_sbuffer_write(&checkpoint, call->middle.data, call->middle.size);
    msgpack_pack_int64(&packer, store->now_ms);
    msgpack_sbuffer_write(&checkpoint, value.size > 0 ? value.data : "\xc0", value.size > 0 ? value.size : 1);
    caller->attempt = 0;
    memory_record_end_wait(store, caller, (struct bytes){ checkpoint.data, checkpoint.size });
    msgpack_sbuffer_destroy(&checkpoint);
}

void memory_calls_fail(struct memory_store *store, struct memory_call *call, const char *name, const char *message)
{
    struct failure failure = { .attempt = 0 };
    msgpack_sbuffer packed;

    (void)snprintf(failure.name, sizeof(failure.name), "%s", name);
    (void)snprintf(failure.message, sizeof(failure.message), "%s", message);
    msgpack_sbuffer_init(&packed);
    checkpoint_pack_failure(&packed, &failure);
    memory_calls_answer(store, call, CHECKPOINT_FAILED, (struct bytes){ packed.data, packed.size });
    msgpack_sbuffer_destroy(&packed);
}

void memory_calls_hear_end(struct memory_store *store, const char *id, enum run_status status, struct bytes told)
{
    struct memory_call *call = memory_store_call_of(store, id);

    if (call == NULL)
        return;
    if (status == RUN_CANCELLED)
        memory_calls_fail(store, call, "InvokeCancelled", "the run was cancelled");
    else
        memory_calls_answer(store, call, status == RUN_COMPLETED ? CHECKPOINT_COMPLETED : CHECKPOINT_FAILED, told);
}

void memory_calls_done(struct memory_store *store)
{
    while (store->calls != NULL) {
        struct memory_call *call = store->calls;
        store->calls = call->next;
        for (size_t i = 0; i < call->header_count; i++) {
            free((void *)(uintptr_t)call->headers[i].name);
            drop(call->headers[i].value);
        }
        free(call->headers);
        free(call->function_id);
        drop(call->value);
        drop(call->head);
        drop(call->middle);
        free(call);
    }
}
