/* SPDX-License-Identifier: Apache-2.0 */
/* Many runs changed as one is: their records are read in one call, the calls that change them go out together. */
#include <assert.h>
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "store/redis/runs_change.h"
#include "store/redis/store_internal.h"
#include "store/runs.h"

#define WHOLE_MOST 16384 /* bytes; a run with a larger record is changed by itself */

struct many_call {
    struct request request; /* first */
    struct script_call call;
    struct many *many;
};

struct many {
    struct redis_store *store;
    enum runs_deed deed;
    struct many_call calls[RUNS_PEEK_MOST];
    size_t sent;
    struct run_id alone[RUNS_PEEK_MOST]; /* more has to be read of these */
    size_t alone_count;
    sem_t answered; /* once for each that was sent */
};

static_assert(offsetof(struct many_call, request) == 0, "on_answer() is given the request");

/* On the lane's thread. */
static void on_answer(struct request *request)
{
    (void)sem_post(&((struct many_call *)request)->many->answered);
}

static bool send_one(void *context, size_t index, const struct loaded_run *run, bool is_whole)
{
    struct many *many = context;

    (void)index;
    if (!is_whole || (many->deed == RUNS_RETRY && run->record.checkpoints > 0)) {
        memcpy(many->alone[many->alone_count++].text, run->id, sizeof(run->id));
        return true;
    }
    assert(many->sent < RUNS_PEEK_MOST && many->alone_count <= RUNS_PEEK_MOST);
    struct many_call *call = &many->calls[many->sent++];
    AUTO_FREE char *place = NULL;
    call->many = many;
    if (many->deed == RUNS_RETRY)
        runs_begin_retry(&call->call, many->store, run, "", &place);
    else
        runs_begin_cancel(&call->call, many->store, run, &place);
    store_call_later(many->store, &call->call, &call->request, on_answer); /* what it holds has been copied */
    return true;
}

static void count_change(enum runs_change change, struct runs_changed *changed)
{
    changed->changed += change == RUNS_CHANGED;
    changed->asked += change == RUNS_ASKED;
}

/* The answers of all that were sent: each is waited for, whatever the others say. */
static int take_answers(struct many *many, struct runs_changed *changed)
{
    int status = 0;

    for (size_t i = 0; i < many->sent; i++)
        while (sem_wait(&many->answered) != 0)
            assert(errno == EINTR);
    for (size_t i = 0; i < many->sent; i++) {
        AUTO_REPLY reply = many->calls[i].request.status == 0 ? many->calls[i].request.reply : NULL;
        if (reply != NULL)
            count_change(runs_change_of(reply), changed);
        else
            status = many->calls[i].request.status;
    }
    return status;
}

static int change_alone(struct many *many, struct runs_changed *changed)
{
    for (size_t i = 0; i < many->alone_count; i++) {
        enum runs_change change = RUNS_IN_VAIN;
        const char *id = many->alone[i].text;
        int status = many->deed == RUNS_RETRY ? runs_retry(many->store, id, &change, NULL) : runs_cancel(many->store, id, &change, NULL);
        if (status != 0 && status != -ENOENT && status != -EBADMSG)
            return status;
        if (status == 0)
            count_change(change, changed);
    }
    return 0;
}

int runs_change_many(struct redis_store *store, enum runs_deed deed, int shard, const struct run_id *ids, size_t count,
                     struct runs_changed *changed)
{
    const struct runs_peek peek = { .whole_most = WHOLE_MOST };
    struct many *many = xcalloc(1, sizeof(*many));

    many->store = store;
    many->deed = deed;
    (void)sem_init(&many->answered, 0, 0);
    int status = runs_peek(store, shard, ids, count, &peek, send_one, many);
    int answered = take_answers(many, changed);
    if (status == 0)
        status = answered;
    if (status == 0)
        status = change_alone(many, changed);
    (void)sem_destroy(&many->answered);
    free(many);
    return status;
}
