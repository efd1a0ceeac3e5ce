/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/gather.h"

#include <assert.h>

#include "base/log.h"
#include "engine/admit.h"
#include "engine/troubles.h"
#include "run/flow_ask.h"

static void count_early(struct worker *worker, const struct function *function)
{
    tally_add(&worker_tally(worker, function)->batches_early);
    if (!atomic_exchange(&worker->dispatch->has_told_early, true))
        log_warn("open batches hold half of worker.queue, or half of its bytes: the oldest begins early, now for function %s; "
                 "raise worker.queue to let them fill up (logged once)",
                 function->id);
}

void gather_event(struct worker *worker)
{
    struct flow_troubles troubles = { 0 };
    struct message *message = worker->job.message;
    enum bundles_answer answer = BUNDLES_TAKEN;
    enum message_state state;
    msgpack_sbuffer key;

    assert(gather_takes(&worker->job));
    if (!admit_to_batch(worker, &state)) {
        message_end_run(message, state);
        return;
    }
    const struct function *function = worker->run->function;
    msgpack_sbuffer_init(&key);
    bool has_company = flow_batch_key(function, worker->job.event, context_now_ms(&worker->ctx), &key, &troubles);
    troubles_note(worker, function, &troubles);
    if (has_company)
        answer = bundles_add(worker->dispatch->bundles, function, (struct bytes){ key.data, key.size }, message, worker->job.event);
    else
        bundles_begin_alone(worker->dispatch->bundles, function, message, worker->job.event);
    msgpack_sbuffer_destroy(&key);
    if (answer == BUNDLES_REFUSED)
        message_end_run(message, MESSAGE_DROPPED);
    else if (answer == BUNDLES_TAKEN_EARLY)
        count_early(worker, function);
}
