/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/admit.h"

#include <assert.h>

#include "base/clock.h"
#include "engine/breaker.h"
#include "engine/finish.h"
#include "engine/troubles.h"
#include "event/event_again.h"
#include "flow/key_set.h"
#include "run/flow_ask.h"

/* The run of a function with a dedupe window is also known by the name that daemons whose records are of version 1
 * give it, which several events may share. */
static bool is_among(const struct known_runs *known, const struct run *run)
{
    if (known_runs_find(known, KNOWN_TAKEN, &run->id) != NULL)
        return true;
    struct run_id placed = run_id_of_other_placement(run->function, run->event);
    if (known_runs_find(known, KNOWN_TAKEN, &placed) != NULL)
        return true;
    for (size_t i = 0; i < run->function->older_ids.count; i++) {
        const struct function named = { .id = run->function->older_ids.items[i] };
        struct run_id older_name = run_id_of(&named, run->event);
        if (known_runs_find(known, KNOWN_TAKEN, &older_name) != NULL)
            return true;
    }
    if (run->function->dedupe_ms == 0)
        return false;
    struct run_id older = run_id_of_event_id(run->function, run->event);
    const struct known_run *named_so = known_runs_find(known, KNOWN_TAKEN, &older);
    return named_so != NULL && named_so->offset == run->event->view.offset;
}

static inline bool is_taken(const struct known_runs *known, const struct run *run)
{
    return known->count > 0 && is_among(known, run);
}

static void count_answer(struct function_tally *tally, enum flow_answer answer)
{
    if (answer == FLOW_DUPLICATE)
        tally_add(&tally->duplicates);
    else if (answer == FLOW_OVER_RATE)
        tally_add(&tally->rate_limited);
    else if (answer == FLOW_NOT_ALONE)
        tally_add(&tally->singled);
}

/* What the store makes of the event, whose run may begin only if it says so. */
static bool may_pass_flow(struct worker *worker, const struct known_runs *known, const struct run *run, enum message_state *ret_state)
{
    struct function_tally *tally = worker_tally(worker, run->function);
    struct store *store = worker->ctx.store;
    enum flow_answer answer = FLOW_BEGINS;
    struct flow_ask ask;

    assert(run->function->flow != NULL);
    if (!run->function->flow->is_lined && known_runs_find(known, KNOWN_ADMITTED, &run->id) != NULL)
        return true;
    (event_is_again(run->event) ? flow_ask_init_again : flow_ask_init)(&ask, run->function, run->event, context_now_ms(&worker->ctx));
    if (worker->job.gathered != NULL)
        ask.has_dedupe = false; /* each of its events was asked for by itself */
    troubles_note(worker, run->function, &ask.troubles);
    int status = store->ops->admit(store, run, &ask, &answer);
    flow_ask_done(&ask);
    worker_look_at_clock(worker);
    if (answer == FLOW_IN_LINE && status == 0)
        tally_add(&tally->started);
    count_answer(tally, answer);
    bool is_taken = answer == FLOW_IN_LINE || answer == FLOW_REPLACES || answer == FLOW_KNOWN;
    *ret_state = status != 0 ? MESSAGE_DROPPED : is_taken ? finish_in_store(&worker->job, run) : MESSAGE_DONE;
    return status == 0 && answer == FLOW_BEGINS;
}

/* Whether its event is the first of its key; else *ret_state is what the message is. A run that was let in before
 * goes on, whatever has become of the window since; so does an event that a person sends again. */
static bool may_pass_dedupe(struct worker *worker, const struct known_runs *known, const struct run *run, enum message_state *ret_state)
{
    if (event_is_again(run->event) || known_runs_find(known, KNOWN_ADMITTED, &run->id) != NULL)
        return true;
    struct store *store = worker->ctx.store;
    struct flow_troubles troubles = { 0 };
    enum dedupe_answer answer;
    struct dedupe_id id;
    bool applies = flow_dedupe_id(run->function, run->event, context_now_ms(&worker->ctx), &id, &troubles);
    troubles_note(worker, run->function, &troubles);
    if (!applies)
        return true;
    *ret_state = MESSAGE_DROPPED;
    int status = store->ops->remember(store, run, &id, run->function->dedupe_ms, &answer);
    worker_look_at_clock(worker);
    if (status != 0)
        return false;
    *ret_state = MESSAGE_DONE;
    if (answer == DEDUPE_DUPLICATE)
        tally_add(&worker_tally(worker, run->function)->duplicates);
    return answer == DEDUPE_FIRST;
}

static inline bool may_pass_window(struct worker *worker, const struct known_runs *known, const struct run *run,
                                   enum message_state *ret_state)
{
    return run->function->dedupe_ms == 0 || may_pass_dedupe(worker, known, run, ret_state);
}

static bool may_pass(struct worker *worker, const struct known_runs *known, const struct run *run, enum message_state *ret_state)
{
    return function_asks(run->function) ? may_pass_flow(worker, known, run, ret_state) : may_pass_window(worker, known, run, ret_state);
}

/* Whether an attempt is to be made; else *ret_state is what the message is. */
static bool may_start(struct worker *worker, const struct job *job, struct run *run, enum message_state *ret_state)
{
    struct store *store = worker->ctx.store;
    struct key_set *parked = job->message->assignment->parked_keys;
    struct bytes key = { run->event->view.key, run->event->view.key_len };

    assert(job->message != NULL && run->epoch == 0);
    *ret_state = MESSAGE_KNOWN;
    if (is_taken(&job->message->assignment->known, run))
        return false;
    *ret_state = MESSAGE_TAKEN;
    if (!may_pass(worker, &job->message->assignment->known, run, ret_state))
        return false;
    if (run_is_ordered(run) && key_set_has(parked, run->function->id, key)) {
        enum order_answer answer;
        *ret_state = MESSAGE_DROPPED;
        int status = store->ops->queue_behind(store, run, &answer);
        worker_look_at_clock(worker);
        if (status != 0 || (answer == ORDER_FREE && assignment_is_doubtful(job->message->assignment)))
            return false; /* dropped: an earlier run of the key may be lost, and comes again first */
        *ret_state = MESSAGE_TAKEN;
        if (answer == ORDER_QUEUED)
            return false;
        key_set_remove(parked, run->function->id, key);
    }
    int status;
    if (function_has_breaker(run->function) && breaker_holds_message(worker, &status)) {
        *ret_state = status == 0 ? finish_in_store(job, run) : MESSAGE_DROPPED;
        if (status == 0)
            tally_add(&worker_tally(worker, run->function)->started);
        return false;
    }
    return true;
}

static void begin_run(struct worker *worker, const struct job *job)
{
    const struct function *function = function_newest(job->function);
    struct event *event = job->event;

    assert(job->function != NULL && job->event != NULL);
    worker->own_run = (struct run){
        .function = function,
        .event = event,
        .id = run_id_of(function, event),
        .first_epoch = context_new_epoch(&worker->ctx),
        .created_ms = event->timestamp_ms >= 0 ? event->timestamp_ms : clock_wall_ms(),
    };
    worker->run = &worker->own_run;
}

static bool is_wanted_by_flow(struct worker *worker, const struct run *run)
{
    struct flow_troubles troubles = { 0 };

    if (flow_wants(run->function, run->event, context_now_ms(&worker->ctx), &troubles))
        return true;
    troubles_note(worker, run->function, &troubles);
    return false;
}

/* What can't be read is for its attempt to refuse. */
static bool is_wanted(struct worker *worker, const struct run *run)
{
    const struct function *function = run->function;

    if (function->flow != NULL && !is_wanted_by_flow(worker, run))
        return false;
    if (function->wants == NULL)
        return true;
    struct error error;
    if (event_decode(run->event, &error) != 0)
        return true;
    int answer = function->wants(function, &run->event->view);
    if (answer < 0)
        tally_add(&worker_tally(worker, function)->expression_errors);
    return answer > 0;
}

/* Whether the message's event is one of the function's: then there is a run of it, which is not admitted yet. Else *ret_state is what
 * the message is now. */
static bool take_event(struct worker *worker, enum message_state *ret_state)
{
    const struct job *job = &worker->job;

    *ret_state = MESSAGE_DROPPED;
    if (!message_begin(job->message) || worker_is_draining(worker))
        return false;
    begin_run(worker, job);
    *ret_state = MESSAGE_DONE;
    bool has_condition = worker->run->function->flow != NULL || worker->run->function->wants != NULL;
    if (has_condition && !is_wanted(worker, worker->run))
        return false;
    tally_add(&worker_tally(worker, worker->run->function)->consumed);
    return true;
}

bool admit_message(struct worker *worker, enum message_state *ret_state)
{
    return take_event(worker, ret_state) && may_start(worker, &worker->job, worker->run, ret_state);
}

/* Whether the window of its key is another run's. Without a key none is: what is called has an id of its own. */
static int find_window(struct worker *worker, const struct run *run, bool *ret_is_duplicate)
{
    struct flow_troubles troubles = { 0 };
    enum dedupe_answer answer = DEDUPE_FIRST;
    struct dedupe_id id;
    int status = 0;

    if (run->function->dedupe_ms > 0 && run->function->flow != NULL && run->function->flow->dedupe_key != NULL &&
        flow_dedupe_id(run->function, run->event, context_now_ms(&worker->ctx), &id, &troubles)) {
        status = worker->ctx.store->ops->remember(worker->ctx.store, run, &id, run->function->dedupe_ms, &answer);
        worker_look_at_clock(worker);
    }
    troubles_note(worker, run->function, &troubles);
    *ret_is_duplicate = answer == DEDUPE_DUPLICATE;
    return status;
}

bool admit_called(struct worker *worker)
{
    struct run *run = worker->run;
    struct function_tally *tally = worker_tally(worker, run->function);
    struct store *store = worker->ctx.store;
    enum flow_answer answer = FLOW_BEGINS;
    bool is_duplicate = false;
    struct flow_ask ask;

    assert(run->is_unasked && worker->job.claimed != NULL);
    run->is_unasked = false;
    tally_add(&tally->started);
    if (!function_asks(run->function)) {
        int found = find_window(worker, run, &is_duplicate);
        if (found != 0 || !is_duplicate)
            return found == 0;
    }
    flow_ask_init(&ask, run->function, run->event, context_now_ms(&worker->ctx));
    ask.is_duplicate = is_duplicate;
    troubles_note(worker, run->function, &ask.troubles);
    int status = store->ops->admit_called(store, run, &ask, &answer);
    flow_ask_done(&ask);
    worker_look_at_clock(worker);
    count_answer(tally, answer);
    return status == 0 && answer == FLOW_BEGINS;
}

bool admit_to_batch(struct worker *worker, enum message_state *ret_state)
{
    const struct known_runs *known = &worker->job.message->assignment->known;

    if (!take_event(worker, ret_state))
        return false;
    *ret_state = MESSAGE_KNOWN;
    return !is_taken(known, worker->run) && may_pass_window(worker, known, worker->run, ret_state);
}

bool admit_gathered(struct worker *worker, enum message_state *ret_state)
{
    struct gathered *gathered = worker->job.gathered;
    struct run *run = &worker->own_run;
    int status;

    assert(gathered->bundle.count > 0);
    *ret_state = MESSAGE_DROPPED;
    if (worker_is_draining(worker))
        return false;
    worker->job.message = gathered->messages[0];
    worker->job.event = gathered->bundle.events[0];
    begin_run(worker, &worker->job);
    if (gathered->bundle.count > 1) {
        run->bundle = &gathered->bundle;
        run->id = run_id_of_bundle(run->function, run->bundle);
    }
    *ret_state = MESSAGE_TAKEN;
    if (function_asks(run->function) && !may_pass_flow(worker, &worker->job.message->assignment->known, run, ret_state))
        return false;
    if (!function_has_breaker(run->function) || !breaker_holds_message(worker, &status))
        return true;
    *ret_state = status == 0 ? MESSAGE_TAKEN : MESSAGE_DROPPED;
    if (status == 0)
        tally_add(&worker_tally(worker, run->function)->started);
    return false;
}
