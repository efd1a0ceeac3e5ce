/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/kafka/scout.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "intake/kafka/ends.h"

#define ASK_TIMEOUT_MS 5000
#define RETRY_MS 1000

struct errand {
    struct errand *next;
    struct partition *partition;
};

struct scout {
    rd_kafka_t *handle;
    const struct consumer_settings *settings;
    pthread_t thread;
    bool is_started;
    atomic_bool is_stopping;
    pthread_mutex_t lock;      /* guards what follows */
    pthread_cond_t wake;
    struct errand *loads;
    struct errand *ended;
    rd_kafka_topic_partition_list_t *question; /* NULL: none */
    rd_kafka_topic_partition_list_t *answer;
    bool is_asking;
};

struct scout *scout_create(rd_kafka_t *handle, const struct consumer_settings *settings)
{
    struct scout *scout = xcalloc(1, sizeof(*scout));
    pthread_condattr_t attributes;

    scout->handle = handle;
    scout->settings = settings;
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

    pulse_rest_here();
    if (!atomic_load(&scout->is_stopping))
        (void)pthread_cond_timedwait(&scout->wake, &scout->lock, &until);
    pulse_beat_here();
}

/* The same, for as long as there is nothing to do. */
static void wait_for_work(struct scout *scout)
{
    pulse_rest_here();
    (void)pthread_cond_wait(&scout->wake, &scout->lock);
    pulse_beat_here();
}

static int load(struct scout *scout, struct partition *partition)
{
    struct assignment *assignment = &partition->assignment;

    if (scout->settings->load_partition == NULL || atomic_load(&assignment->is_revoked))
        return 0;
    return scout->settings->load_partition(scout->settings->context, assignment->topic, assignment->partition,
                                           assignment->parked_keys, &assignment->known);
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

/* Caller holds the lock, which is let go of meanwhile; so in run_question(). */
static void run_errand(struct scout *scout)
{
    struct errand *errand = scout->loads;

    scout->loads = errand->next;
    pthread_mutex_unlock(&scout->lock);
    run_load(scout, errand->partition);
    pthread_mutex_lock(&scout->lock);
    errand->next = scout->ended;
    scout->ended = errand;
}

static void run_question(struct scout *scout)
{
    rd_kafka_topic_partition_list_t *list = scout->question;

    scout->question = NULL;
    scout->is_asking = true;
    pthread_mutex_unlock(&scout->lock);
    ends_ask(scout->handle, list, RD_KAFKA_OFFSET_END, ASK_TIMEOUT_MS);
    pthread_mutex_lock(&scout->lock);
    scout->is_asking = false;
    if (scout->answer != NULL)
        rd_kafka_topic_partition_list_destroy(scout->answer);
    scout->answer = list;
}

/* What a new partition waits for goes before. */
static void *scout_main(void *argument)
{
    struct scout *scout = argument;
    struct pulse *pulse = pulse_start("scout", PULSE_LIMIT_MS);

    pthread_mutex_lock(&scout->lock);
    while (!atomic_load(&scout->is_stopping)) {
        pulse_beat(pulse);
        if (scout->loads != NULL)
            run_errand(scout);
        else if (scout->question != NULL)
            run_question(scout);
        else
            wait_for_work(scout);
    }
    pthread_mutex_unlock(&scout->lock);
    pulse_stop(pulse);
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

void scout_load(struct scout *scout, struct partition *partition)
{
    struct errand *errand = xcalloc(1, sizeof(*errand));

    errand->partition = partition;
    pthread_mutex_lock(&scout->lock);
    errand->next = scout->loads;
    scout->loads = errand;
    pthread_cond_signal(&scout->wake);
    pthread_mutex_unlock(&scout->lock);
}

void scout_ask_ends(struct scout *scout, rd_kafka_topic_partition_list_t **list)
{
    rd_kafka_topic_partition_list_t *unused = *list;

    *list = NULL;
    pthread_mutex_lock(&scout->lock);
    if (scout->question == NULL && !scout->is_asking) {
        scout->question = unused;
        unused = NULL;
        pthread_cond_signal(&scout->wake);
    }
    pthread_mutex_unlock(&scout->lock);
    if (unused != NULL)
        rd_kafka_topic_partition_list_destroy(unused);
}

rd_kafka_topic_partition_list_t *scout_take_ends(struct scout *scout)
{
    pthread_mutex_lock(&scout->lock);
    rd_kafka_topic_partition_list_t *answer = scout->answer;
    scout->answer = NULL;
    pthread_mutex_unlock(&scout->lock);
    return answer;
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
    errands_free(scout->loads);
    errands_free(scout->ended);
    if (scout->question != NULL)
        rd_kafka_topic_partition_list_destroy(scout->question);
    if (scout->answer != NULL)
        rd_kafka_topic_partition_list_destroy(scout->answer);
    (void)pthread_mutex_destroy(&scout->lock);
    (void)pthread_cond_destroy(&scout->wake);
    free(scout);
}
