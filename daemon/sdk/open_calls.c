/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/open_calls.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/lock.h"

#define BUCKETS 1024

struct open_calls {
    char process[17]; /* what its tokens begin with: no other process's do */
    struct lock lock; /* of all below */
    uint64_t opened;
    struct open_call *buckets[BUCKETS];
    struct report *waiting; /* handed over, and not known to be answered */
    bool is_stopping;
};

struct open_calls *open_calls_create(void)
{
    struct open_calls *calls = xcalloc(1, sizeof(*calls));
    uint64_t process;

    if (getrandom(&process, sizeof(process), 0) != sizeof(process))
        abort();
    (void)snprintf(calls->process, sizeof(calls->process), "%016llx", (unsigned long long)process);
    lock_init(&calls->lock);
    return calls;
}

void open_calls_stop(struct open_calls *calls)
{
    LOCK_GUARD(&calls->lock);
    calls->is_stopping = true;
    for (struct report *report = calls->waiting; report != NULL; report = report->waiting_next)
        report_answer(report, REPORT_ELSEWHERE);
}

void open_calls_destroy(struct open_calls *calls)
{
    if (calls == NULL)
        return;
    lock_done(&calls->lock);
    free(calls);
}

/* ---- opening ---------------------------------------------------------------------------------------- */

/* Run ids are hashes. */
static struct open_call **bucket_of(struct open_calls *calls, const struct run_id *run)
{
    unsigned long place = 0;

    for (size_t i = RUN_ID_LENGTH - 8; i < RUN_ID_LENGTH; i++)
        place = place * 31 + (unsigned char)run->text[i];
    return &calls->buckets[place % BUCKETS];
}

void open_calls_add(struct open_calls *calls, struct open_call *call, const struct run_id *run)
{
    struct open_call **bucket = bucket_of(calls, run);

    assert(call->take != NULL && call->token[0] == '\0');
    call->run = *run;
    LOCK_GUARD(&calls->lock);
    (void)snprintf(call->token, sizeof(call->token), "%s-%llu", calls->process, (unsigned long long)++calls->opened);
    call->next = *bucket;
    *bucket = call;
}

void open_calls_remove(struct open_calls *calls, struct open_call *call)
{
    if (call->token[0] == '\0')
        return;
    lock_take(&calls->lock);
    struct open_call **link = bucket_of(calls, &call->run);
    while (*link != call) {
        assert(*link != NULL);
        link = &(*link)->next;
    }
    *link = call->next;
    lock_give(&calls->lock);
    call->token[0] = '\0';
}

/* ---- reports ---------------------------------------------------------------------------------------- */

/* NULL: there is none; *ret_is_ours: but the run is called by us, or that call was. */
static struct open_call *find(struct open_calls *calls, const struct run_id *run, const char *token, bool *ret_is_ours)
{
    assert_held(&calls->lock);
    *ret_is_ours = strncmp(token, calls->process, sizeof(calls->process) - 1) == 0;
    for (struct open_call *call = *bucket_of(calls, run); call != NULL; call = call->next) {
        if (strcmp(call->run.text, run->text) != 0)
            continue;
        if (strcmp(call->token, token) == 0)
            return call;
        *ret_is_ours = true;
    }
    return NULL;
}

static void forget(struct open_calls *calls, const struct report *report)
{
    struct report **link = &calls->waiting;

    assert_held(&calls->lock);
    while (*link != report) {
        assert(*link != NULL);
        link = &(*link)->waiting_next;
    }
    *link = report->waiting_next;
}

/* REPORT_OPEN: it is with the call's holder. */
static enum report_end hand_over(struct open_calls *calls, const struct run_id *run, struct report *report)
{
    enum report_end end = REPORT_OPEN;
    bool is_ours;

    LOCK_GUARD(&calls->lock);
    struct open_call *call = find(calls, run, report->token, &is_ours);
    if (calls->is_stopping || (call == NULL && !is_ours)) {
        end = REPORT_ELSEWHERE;
    } else if (call == NULL || !call->take(call, report)) {
        end = REPORT_STALE;
    } else {
        report->waiting_next = calls->waiting;
        calls->waiting = report;
    }
    return end;
}

enum report_end open_calls_deliver(struct open_calls *calls, const struct run_id *run, struct report *report)
{
    enum report_end end = hand_over(calls, run, report);

    if (end != REPORT_OPEN)
        return end;
    end = report_wait(report);
    LOCK_GUARD(&calls->lock);
    forget(calls, report);
    return end;
}
