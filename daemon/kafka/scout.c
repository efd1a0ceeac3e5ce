/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/scout.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

#define ASK_TIMEOUT_MS 5000
#define RETRY_MS 1000

enum errand_kind { ERRAND_LOAD, ERRAND_END };

struct errand {
    struct errand *next;
    struct partition *partition;
    enum errand_kind kind;
};

struct scout {
    rd_kafka_t *handle;
    const struct consumer_settings *settings;
    pthread_t thread;
    bool is_started;
    atomic_bool is_stopping;
    pthread_mutex_t lock;      /* guards what follows */
    pthread_cond_t wake;
    struct errand *errands;    /* in order */
    struct errand **last;
    struct errand *ended;
};

struct scout *scout_create(rd_kafka_t *handle, const struct consumer_settings *settings)
{
    struct scout *scout = xcalloc(1, sizeof(*scout));
    pthread_condattr_t attributes;

    scout->handle = handle;
    scout->settings = settings;
    scout->last = &scout->errands;
    (void)pthread_mutex_init(&scout->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&scout->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return scout;
}

/* Caller holds the lock. */
static void wait_ms(struct scout *scout, int64_t delay_ms)
{
    int64_t until_ms = clock_monotonic_ms() + delay_ms;
    struct timespec until = { .tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000 };

    if (!atomic_load(&scout->is_stopping))
        (void)pthread_cond_timedwait(&scout->wake, &scout->lock, &until);
}

static int load(struct scout *scout, struct partition *partition)
{
    struct assignment *assignment = &partition->assignment;

    if (scout->settings->load_partition == NULL || atomic_load(&assignment->is_revoked))
        return 0;
    return scout->settings->load_partition(scout->settings->context, assignment->topic, assignment->partition,
                                           assignment->parked_keys, &assignment->taken, &assignment->taken_count);
}

static void run_load(struct scout *scout, struct partition *partition)
{
    while (load(scout, partition) != 0 && !atomic_load(&scout->is_stopping)) {
        log_warn("what Redis has taken over of %s [%d] can't be read: tried again", partition->assignment.topic,
                 (int)partition->assignment.partition);
        pthread_mutex_lock(&scout->lock);
        wait_ms(scout, RETRY_MS);
        pthread_mutex_unlock(&scout->lock);
    }
    if (!atomic_load(&scout->is_stopping))
        atomic_store(&partition->is_loaded, true);
}

static void run_end(struct scout *scout, struct partition *partition)
{
    int64_t low;
    int64_t high;

    if (rd_kafka_query_watermark_offsets(scout->handle, partition->assignment.topic, partition->assignment.partition, &low, &high,
                                         ASK_TIMEOUT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
        atomic_store(&partition->end, high);
}

static void *scout_main(void *argument)
{
    struct scout *scout = argument;

    pthread_mutex_lock(&scout->lock);
    while (!atomic_load(&scout->is_stopping)) {
        struct errand *errand = scout->errands;
        if (errand == NULL) {
            (void)pthread_cond_wait(&scout->wake, &scout->lock);
            continue;
        }
        scout->errands = errand->next;
        if (scout->errands == NULL)
            scout->last = &scout->errands;
        pthread_mutex_unlock(&scout->lock);
        if (errand->kind == ERRAND_LOAD)
            run_load(scout, errand->partition);
        else
            run_end(scout, errand->partition);
        pthread_mutex_lock(&scout->lock);
        errand->next = scout->ended;
        scout->ended = errand;
    }
    pthread_mutex_unlock(&scout->lock);
    return NULL;
}

int scout_start(struct scout *scout, struct error *ret_error)
{
    int failed = pthread_create(&scout->thread, NULL, scout_main, scout);

    if (failed != 0)
        return error_set(ret_error, failed, "no thread for the scout: %s", strerror(failed));
    (void)pthread_setname_np(scout->thread, "stepd-scout");
    scout->is_started = true;
    return 0;
}

static void send_off(struct scout *scout, struct partition *partition, enum errand_kind kind)
{
    struct errand *errand = xcalloc(1, sizeof(*errand));

    errand->partition = partition;
    errand->kind = kind;
    pthread_mutex_lock(&scout->lock);
    if (kind == ERRAND_LOAD) { /* nothing comes before it is done */
        errand->next = scout->errands;
        scout->errands = errand;
        if (errand->next == NULL)
            scout->last = &errand->next;
    } else {
        *scout->last = errand;
        scout->last = &errand->next;
    }
    pthread_cond_signal(&scout->wake);
    pthread_mutex_unlock(&scout->lock);
}

void scout_load(struct scout *scout, struct partition *partition)
{
    send_off(scout, partition, ERRAND_LOAD);
}

void scout_ask_end(struct scout *scout, struct partition *partition)
{
    send_off(scout, partition, ERRAND_END);
}

struct partition *scout_take_back(struct scout *scout)
{
    struct partition *partition = NULL;

    pthread_mutex_lock(&scout->lock);
    struct errand *errand = scout->ended;
    if (errand != NULL)
        scout->ended = errand->next;
    pthread_mutex_unlock(&scout->lock);
    if (errand != NULL)
        partition = errand->partition;
    free(errand);
    return partition;
}

bool scout_stop(struct scout *scout, int64_t timeout_ms)
{
    int64_t until_ms = clock_monotonic_ms() + timeout_ms;
    struct timespec until = { .tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000 };

    if (!scout->is_started)
        return true;
    pthread_mutex_lock(&scout->lock);
    atomic_store(&scout->is_stopping, true);
    pthread_cond_signal(&scout->wake);
    pthread_mutex_unlock(&scout->lock);
    if (pthread_clockjoin_np(scout->thread, NULL, CLOCK_MONOTONIC, &until) != 0)
        return false;
    scout->is_started = false;
    return true;
}

static void errands_free(struct errand *errand)
{
    while (errand != NULL) {
        struct errand *next = errand->next;
        free(errand);
        errand = next;
    }
}

void scout_destroy(struct scout *scout)
{
    if (scout == NULL)
        return;
    errands_free(scout->errands);
    errands_free(scout->ended);
    (void)pthread_mutex_destroy(&scout->lock);
    (void)pthread_cond_destroy(&scout->wake);
    free(scout);
}
