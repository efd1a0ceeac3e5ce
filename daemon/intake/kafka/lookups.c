/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/kafka/lookups.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "base/thread.h"

#define ASK_TIMEOUT_MS 5000
#define RETRY_MS 1000

struct partition_read {
    struct partition_read *next;
    struct partition *partition;
};

struct lookups {
    rd_kafka_t *handle;
    rd_kafka_t *by_id;
    const struct consumer_settings *settings;
    struct thread thread;
    atomic_bool is_stopping;
    struct lock lock; /* guards what follows */
    struct condition wake;
    struct partition_read *reads;
    struct partition_read *ended;
    struct look *question; /* NULL: none */
    struct look *answer;
    bool is_asking;
};

struct lookups *lookups_create(rd_kafka_t *handle, rd_kafka_t *by_id, const struct consumer_settings *settings)
{
    struct lookups *lookups = xcalloc(1, sizeof(*lookups));

    lookups->handle = handle;
    lookups->by_id = by_id;
    lookups->settings = settings;
    lock_init(&lookups->lock);
    condition_init(&lookups->wake);
    return lookups;
}

static void wait_ms(struct lookups *lookups, int64_t delay_ms)
{
    int64_t until_ms = clock_monotonic_ms() + delay_ms;

    assert_held(&lookups->lock);
    pulse_rest_here();
    if (!atomic_load(&lookups->is_stopping))
        (void)condition_wait_until(&lookups->wake, &lookups->lock, until_ms);
    pulse_beat_here();
}

/* The same, for as long as there is nothing to do. */
static void wait_for_work(struct lookups *lookups)
{
    assert_held(&lookups->lock);
    pulse_rest_here();
    condition_wait(&lookups->wake, &lookups->lock);
    pulse_beat_here();
}

static int read_taken(struct lookups *lookups, struct partition *partition)
{
    struct assignment *assignment = &partition->assignment;

    if (lookups->settings->load_partition == NULL || atomic_load(&assignment->is_revoked))
        return 0;
    return lookups->settings->load_partition(lookups->settings->context, assignment->topic, assignment->partition, assignment->parked_keys,
                                             &assignment->known);
}

static void read_until_known(struct lookups *lookups, struct partition *partition)
{
    assert_thread(&lookups->thread);
    while (read_taken(lookups, partition) != 0 && !atomic_load(&lookups->is_stopping)) {
        log_warn("Redis does not say which runs of %s [%d] it has: stepd asks again", partition->assignment.topic,
                 (int)partition->assignment.partition);
        lock_take(&lookups->lock);
        wait_ms(lookups, RETRY_MS);
        lock_give(&lookups->lock);
    }
    if (!atomic_load(&lookups->is_stopping))
        atomic_store(&partition->is_loaded, true);
}

/* The lock is let go of meanwhile; so in run_question(). */
static void run_read(struct lookups *lookups)
{
    struct partition_read *read = lookups->reads;

    assert(read != NULL);
    assert_held(&lookups->lock);
    lookups->reads = read->next;
    lock_give(&lookups->lock);
    read_until_known(lookups, read->partition);
    lock_take(&lookups->lock);
    read->next = lookups->ended;
    lookups->ended = read;
}

static void run_question(struct lookups *lookups)
{
    struct look *look = lookups->question;

    assert(look != NULL && !lookups->is_asking);
    assert_held(&lookups->lock);
    lookups->question = NULL;
    lookups->is_asking = true;
    lock_give(&lookups->lock);
    look_run(look, lookups->handle, lookups->by_id, lookups->settings->topics, ASK_TIMEOUT_MS);
    lock_take(&lookups->lock);
    lookups->is_asking = false;
    look_destroy(lookups->answer);
    lookups->answer = look;
}

/* What a new partition waits for goes before. */
static void *lookups_main(void *argument)
{
    struct lookups *lookups = argument;

    lock_take(&lookups->lock);
    while (!atomic_load(&lookups->is_stopping)) {
        pulse_beat_here();
        if (lookups->reads != NULL)
            run_read(lookups);
        else if (lookups->question != NULL)
            run_question(lookups);
        else
            wait_for_work(lookups);
    }
    lock_give(&lookups->lock);
    return NULL;
}

int lookups_start(struct lookups *lookups, struct error *ret_error)
{
    return thread_start(&lookups->thread, "lookups", PULSE_LIMIT_MS, lookups_main, lookups, ret_error);
}

void lookups_load(struct lookups *lookups, struct partition *partition)
{
    struct partition_read *read = xcalloc(1, sizeof(*read));

    assert(partition->holders > 0);
    read->partition = partition;
    LOCK_GUARD(&lookups->lock);
    read->next = lookups->reads;
    lookups->reads = read;
    condition_wake_one(&lookups->wake);
}

bool lookups_ask(struct lookups *lookups, struct look **look)
{
    struct look *unused = *look;

    *look = NULL;
    lock_take(&lookups->lock);
    if (lookups->question == NULL && !lookups->is_asking) {
        lookups->question = unused;
        unused = NULL;
        condition_wake_one(&lookups->wake);
    }
    lock_give(&lookups->lock);
    look_destroy(unused);
    return unused == NULL;
}

struct look *lookups_take_answer(struct lookups *lookups)
{
    LOCK_GUARD(&lookups->lock);
    struct look *answer = lookups->answer;
    lookups->answer = NULL;
    return answer;
}

struct partition *lookups_take_back(struct lookups *lookups)
{
    struct partition *partition = NULL;

    lock_take(&lookups->lock);
    struct partition_read *read = lookups->ended;
    if (read != NULL)
        lookups->ended = read->next;
    lock_give(&lookups->lock);
    if (read != NULL)
        partition = read->partition;
    free(read);
    return partition;
}

bool lookups_stop(struct lookups *lookups, int64_t timeout_ms)
{
    int64_t until_ms = clock_monotonic_ms() + timeout_ms;

    lock_take(&lookups->lock);
    atomic_store(&lookups->is_stopping, true);
    condition_wake_one(&lookups->wake);
    lock_give(&lookups->lock);
    return thread_join_until(&lookups->thread, until_ms);
}

static void reads_free(struct partition_read *read)
{
    while (read != NULL) {
        struct partition_read *next = read->next;
        free(read);
        read = next;
    }
}

void lookups_destroy(struct lookups *lookups)
{
    if (lookups == NULL)
        return;
    reads_free(lookups->reads);
    reads_free(lookups->ended);
    look_destroy(lookups->question);
    look_destroy(lookups->answer);
    lock_done(&lookups->lock);
    condition_done(&lookups->wake);
    free(lookups);
}
