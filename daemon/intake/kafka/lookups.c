/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/kafka/lookups.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "base/thread.h"

#define ASK_TIMEOUT_MS 5000
#define RETRY_MS 1000

struct errand {
    struct errand *next;
    struct partition *partition;
};

struct scout {
    rd_kafka_t *handle;
    const struct consumer_settings *settings;
    struct thread thread;
    atomic_bool is_stopping;
    struct lock lock; /* guards what follows */
    struct condition wake;
    struct errand *loads;
    struct errand *ended;
    struct look *question; /* NULL: none */
    struct look *answer;
    bool is_asking;
};

struct scout *lookups_create(rd_kafka_t *handle, const struct consumer_settings *settings)
{
    struct scout *scout = xcalloc(1, sizeof(*scout));

    scout->handle = handle;
    scout->settings = settings;
    lock_init(&scout->lock);
    condition_init(&scout->wake);
    return scout;
}

static void wait_ms(struct scout *scout, int64_t delay_ms)
{
    int64_t until_ms = clock_monotonic_ms() + delay_ms;

    pulse_rest_here();
    if (!atomic_load(&scout->is_stopping))
        (void)condition_wait_until(&scout->wake, &scout->lock, until_ms);
    pulse_beat_here();
}

/* The same, for as long as there is nothing to do. */
static void wait_for_work(struct scout *scout)
{
    pulse_rest_here();
    condition_wait(&scout->wake, &scout->lock);
    pulse_beat_here();
}

static int load(struct scout *scout, struct partition *partition)
{
    struct assignment *assignment = &partition->assignment;

    if (scout->settings->load_partition == NULL || atomic_load(&assignment->is_revoked))
        return 0;
    return scout->settings->load_partition(scout->settings->context, assignment->topic, assignment->partition, assignment->parked_keys,
                                           &assignment->known);
}

static void run_load(struct scout *scout, struct partition *partition)
{
    while (load(scout, partition) != 0 && !atomic_load(&scout->is_stopping)) {
        log_warn("what Redis has taken over of %s [%d] can't be read: tried again", partition->assignment.topic,
                 (int)partition->assignment.partition);
        lock_take(&scout->lock);
        wait_ms(scout, RETRY_MS);
        lock_give(&scout->lock);
    }
    if (!atomic_load(&scout->is_stopping))
        atomic_store(&partition->is_loaded, true);
}

/* The lock is let go of meanwhile; so in run_question(). */
static void run_errand(struct scout *scout)
{
    struct errand *errand = scout->loads;

    assert_held(&scout->lock);
    scout->loads = errand->next;
    lock_give(&scout->lock);
    run_load(scout, errand->partition);
    lock_take(&scout->lock);
    errand->next = scout->ended;
    scout->ended = errand;
}

static void run_question(struct scout *scout)
{
    struct look *look = scout->question;

    assert_held(&scout->lock);
    scout->question = NULL;
    scout->is_asking = true;
    lock_give(&scout->lock);
    look_run(look, scout->handle, scout->settings->topics, ASK_TIMEOUT_MS);
    lock_take(&scout->lock);
    scout->is_asking = false;
    look_destroy(scout->answer);
    scout->answer = look;
}

/* What a new partition waits for goes before. */
static void *scout_main(void *argument)
{
    struct scout *scout = argument;

    lock_take(&scout->lock);
    while (!atomic_load(&scout->is_stopping)) {
        pulse_beat_here();
        if (scout->loads != NULL)
            run_errand(scout);
        else if (scout->question != NULL)
            run_question(scout);
        else
            wait_for_work(scout);
    }
    lock_give(&scout->lock);
    return NULL;
}

int lookups_start(struct scout *scout, struct error *ret_error)
{
    return thread_start(&scout->thread, "scout", PULSE_LIMIT_MS, scout_main, scout, ret_error);
}

void lookups_load(struct scout *scout, struct partition *partition)
{
    struct errand *errand = xcalloc(1, sizeof(*errand));

    errand->partition = partition;
    LOCK_GUARD(&scout->lock);
    errand->next = scout->loads;
    scout->loads = errand;
    condition_wake_one(&scout->wake);
}

bool lookups_ask(struct scout *scout, struct look **look)
{
    struct look *unused = *look;

    *look = NULL;
    lock_take(&scout->lock);
    if (scout->question == NULL && !scout->is_asking) {
        scout->question = unused;
        unused = NULL;
        condition_wake_one(&scout->wake);
    }
    lock_give(&scout->lock);
    look_destroy(unused);
    return unused == NULL;
}

struct look *lookups_take_answer(struct scout *scout)
{
    LOCK_GUARD(&scout->lock);
    struct look *answer = scout->answer;
    scout->answer = NULL;
    return answer;
}

struct partition *lookups_take_back(struct scout *scout)
{
    struct partition *partition = NULL;

    lock_take(&scout->lock);
    struct errand *errand = scout->ended;
    if (errand != NULL)
        scout->ended = errand->next;
    lock_give(&scout->lock);
    if (errand != NULL)
        partition = errand->partition;
    free(errand);
    return partition;
}

bool lookups_stop(struct scout *scout, int64_t timeout_ms)
{
    int64_t until_ms = clock_monotonic_ms() + timeout_ms;

    lock_take(&scout->lock);
    atomic_store(&scout->is_stopping, true);
    condition_wake_one(&scout->wake);
    lock_give(&scout->lock);
    return thread_join_until(&scout->thread, until_ms);
}

static void errands_free(struct errand *errand)
{
    while (errand != NULL) {
        struct errand *next = errand->next;
        free(errand);
        errand = next;
    }
}

void lookups_destroy(struct scout *scout)
{
    if (scout == NULL)
        return;
    errands_free(scout->loads);
    errands_free(scout->ended);
    look_destroy(scout->question);
    look_destroy(scout->answer);
    lock_done(&scout->lock);
    condition_done(&scout->wake);
    free(scout);
}
