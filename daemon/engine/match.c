/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/match.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "engine/answers.h"

#define ASKED_MOST 1024 /* at once; past it a worker waits for the answer */

struct matches {
    struct answers answers; /* first; its task asks for the rest of those that were not answered as a whole */
};

struct matched {
    struct answer answer; /* first */
    struct matches *matches;
    struct job job;
    size_t ended;
};

static_assert(offsetof(struct matches, answers) == 0, "ask_rest() is given the task");
static_assert(offsetof(struct matched, answer) == 0, "the list is of these");

struct job match_job(struct message *message, struct event *event)
{
    return (struct job){ .message = message, .event = event, .is_match = true };
}

/* What it has ended the store may lose: its message counts as taken. */
static void end(struct message *message, int status, size_t ended)
{
    message_end_run(message, status != 0 ? MESSAGE_DROPPED : ended > 0 ? MESSAGE_TAKEN : MESSAGE_DONE);
}

/* ---- nobody waits for the answer ------------------------------------------------------------------- */

/* A lane's thread. */
static void answered(void *context, int status, bool is_whole, size_t ended)
{
    struct matched *matched = context;
    struct matches *matches = matched->matches;

    matched->ended = ended;
    if (status != 0 || is_whole) {
        end(matched->job.message, status, ended);
        free(matched);
        answers_end(&matches->answers);
    } else {
        answers_add(&matches->answers, &matched->answer);
    }
    answers_heard(&matches->answers);
}

/* False: it is the worker's still. */
static bool leave(struct worker *worker)
{
    struct matches *matches = worker->dispatch->matches_asked;

    if (answers_asked(&matches->answers) >= ASKED_MOST)
        return false;
    struct matched *matched = xmalloc(sizeof(*matched));
    *matched = (struct matched){ .matches = matches, .job = worker->job };
    answers_ask(&matches->answers);
    if (matching_match_later(worker->dispatch->settings.matching, worker->job.event, answered, matched))
        return true;
    answers_take_back(&matches->answers);
    free(matched);
    return false;
}

static struct task *ask_rest(struct task *task, struct pool_thread *thread)
{
    struct matches *matches = (struct matches *)task;
    struct worker *worker = worker_of(thread);

    for (struct answer *answer = answers_take(&matches->answers), *next; answer != NULL; answer = next) {
        struct matched *matched = (struct matched *)answer;
        size_t ended = 0;
        next = answer->next;
        int status = matching_match(worker->dispatch->settings.matching, matched->job.event, &ended);
        end(matched->job.message, status, matched->ended + ended);
        free(matched);
        answers_end(&matches->answers);
    }
    worker_look_at_clock(worker);
    return NULL;
}

struct matches *matches_create(struct dispatch *dispatch)
{
    struct matches *matches = xcalloc(1, sizeof(*matches));

    answers_init(&matches->answers, dispatch, ask_rest);
    return matches;
}

size_t matches_count(struct matches *matches)
{
    return answers_count(&matches->answers);
}

bool matches_await(struct matches *matches)
{
    return answers_await(&matches->answers);
}

void matches_destroy(struct matches *matches)
{
    for (struct answer *answer = answers_take(&matches->answers), *next; answer != NULL; answer = next) {
        next = answer->next;
        free((struct matched *)answer);
    }
    answers_done(&matches->answers);
    free(matches);
}

/* ---- a worker's job -------------------------------------------------------------------------------- */

void match_run_job(struct worker *worker)
{
    struct message *message = worker->job.message;
    bool may_begin = message_begin(message) && !worker_is_draining(worker);
    size_t ended = 0;

    assert(worker->job.is_match && worker->job.function == NULL);
    if (!may_begin) {
        message_end_run(message, MESSAGE_DROPPED);
        return;
    }
    if (leave(worker))
        return;
    int status = matching_match(worker->dispatch->settings.matching, worker->job.event, &ended);
    worker_look_at_clock(worker);
    end(message, status, ended);
}
