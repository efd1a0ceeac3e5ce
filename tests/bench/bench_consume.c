/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_consume BROKER TOPIC COUNT [poll|callback|stepd|all] [WORK_NS]: reads COUNT messages of TOPIC from
 * its beginning and prints how many a second, and the CPU seconds of a million. `poll` and `callback` are
 * bare loops over librdkafka; `stepd` is the consumer, with a dispatch that ends what it gets on one
 * thread. Each message costs WORK_NS beside.
 */
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "intake/kafka/consumer.h"
#include "run/taker.h"

#define QUEUE 4096

static int64_t work_ns;

static void work(void)
{
    int64_t until_ns = work_ns > 0 ? clock_monotonic_ns() + work_ns : 0;

    while (work_ns > 0 && clock_monotonic_ns() < until_ns)
        ;
}

/* ---- a dispatch that ends everything at once -------------------------------------------------- */

struct dispatch {
    struct batch_taker taker; /* first */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct batch *first;
    struct batch **last;
    bool is_stopping;
    atomic_size_t ended;
    pthread_t thread;
};

static void *dispatch_main(void *argument)
{
    struct dispatch *dispatch = argument;

    pthread_mutex_lock(&dispatch->lock);
    while (!dispatch->is_stopping) {
        struct batch *batch = dispatch->first;
        if (batch == NULL) {
            pthread_cond_wait(&dispatch->wake, &dispatch->lock);
            continue;
        }
        dispatch->first = NULL;
        dispatch->last = &dispatch->first;
        pthread_mutex_unlock(&dispatch->lock);
        while (batch != NULL) {
            struct batch *next = batch->next;
            unsigned count = batch->count;
            for (unsigned i = 0; i < count; i++) {
                bool is_ours = message_begin(&batch->messages[i]);
                work();
                message_end(&batch->messages[i], is_ours ? MESSAGE_DONE : MESSAGE_DROPPED);
            }
            atomic_fetch_add(&dispatch->ended, count);
            batch = next;
        }
        pthread_mutex_lock(&dispatch->lock);
    }
    pthread_mutex_unlock(&dispatch->lock);
    return NULL;
}

static void take_batch(struct batch_taker *taker, struct batch *batch)
{
    struct dispatch *dispatch = (struct dispatch *)taker;

    pthread_mutex_lock(&dispatch->lock);
    batch->next = NULL;
    bool was_empty = dispatch->first == NULL;
    *dispatch->last = batch;
    dispatch->last = &batch->next;
    pthread_mutex_unlock(&dispatch->lock);
    if (was_empty)
        pthread_cond_signal(&dispatch->wake);
}

static void nudge(struct batch_taker *taker)
{
    (void)taker;
}

static void drop_revoked(struct batch_taker *taker)
{
    (void)taker;
}

static const struct batch_taker_ops BATCH_TAKER_OPS = { .take_batch = take_batch, .nudge = nudge, .drop_revoked = drop_revoked };

/* ---- three ways to read a topic --------------------------------------------------------------- */

static const char *the_broker;
static const char *the_topic;
static size_t the_count;

static void die(const char *why)
{
    (void)fprintf(stderr, "bench_consume: %s\n", why);
    exit(EXIT_FAILURE);
}

struct bare {
    rd_kafka_t *handle;
    size_t count;
    size_t bytes;
};

static void on_message(rd_kafka_message_t *message, void *opaque)
{
    struct bare *bare = opaque;

    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    work();
    bare->bytes += message->len;
    if (++bare->count >= the_count)
        rd_kafka_yield(bare->handle);
}

static rd_kafka_t *bare_open(void)
{
    char group[64];
    char why[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *const settings[][2] = {
        { "bootstrap.servers", the_broker },        { "group.id", group },
        { "auto.offset.reset", "earliest" },        { "enable.auto.commit", "false" },
        { "enable.auto.offset.store", "false" },    { "queued.min.messages", "1000000" },
        { "queued.max.messages.kbytes", "131072" },
    };

    (void)snprintf(group, sizeof(group), "bench-%d-%lld", (int)getpid(), (long long)clock_monotonic_ns());
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why, sizeof(why)) != RD_KAFKA_CONF_OK)
            die(why);
    }
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    if (handle == NULL)
        die(why);
    (void)rd_kafka_poll_set_consumer(handle);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, the_topic, RD_KAFKA_PARTITION_UA);
    (void)rd_kafka_subscribe(handle, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return handle;
}

struct took {
    int64_t wall_ns;
    double cpu_s;
};

static double cpu_seconds(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* From the first message on. */
static struct took bare_poll(void)
{
    rd_kafka_t *handle = bare_open();
    struct bare bare = { .handle = handle };
    int64_t began_ns = 0;
    double cpu = 0;

    while (bare.count < the_count) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(handle, 100);
        if (message == NULL)
            continue;
        if (began_ns == 0) {
            began_ns = clock_monotonic_ns();
            cpu = cpu_seconds();
        }
        on_message(message, &bare);
        rd_kafka_message_destroy(message);
    }
    struct took took = { clock_monotonic_ns() - began_ns, cpu_seconds() - cpu };
    (void)rd_kafka_consumer_close(handle);
    rd_kafka_destroy(handle);
    return took;
}

static struct took bare_callback(void)
{
    rd_kafka_t *handle = bare_open();
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(handle);
    struct bare bare = { .handle = handle };
    int64_t began_ns = 0;
    double cpu = 0;

    while (bare.count < the_count) {
        size_t before = bare.count;
        int64_t now_ns = clock_monotonic_ns();
        double cpu_now = cpu_seconds();
        (void)rd_kafka_consume_callback_queue(queue, 100, on_message, &bare);
        if (before == 0 && bare.count > 0) {
            began_ns = now_ns;
            cpu = cpu_now;
        }
    }
    struct took took = { clock_monotonic_ns() - began_ns, cpu_seconds() - cpu };
    rd_kafka_queue_destroy(queue);
    (void)rd_kafka_consumer_close(handle);
    rd_kafka_destroy(handle);
    return took;
}

static void on_fatal(const char *why)
{
    die(why);
}

static struct setting scalar(const char *name, char *text)
{
    return (struct setting){ .name = (char *)(uintptr_t)name, .kind = SETTING_SCALAR, .text = text };
}

static struct took with_stepd(void)
{
    struct dispatch dispatch = { .taker = { &BATCH_TAKER_OPS }, .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER };
    char group[64];
    char broker[200];
    const char *topics[] = { the_topic, NULL };
    struct setting items[] = { scalar("bootstrap.servers", broker), scalar("group.id", group) };
    struct setting kafka = { .kind = SETTING_MAP, .items = items, .count = 2 };
    struct consumer_settings settings = {
        .kafka = &kafka,
        .topics = topics,
        .batches = &dispatch.taker,
        .queue = QUEUE,
        .commit_interval_ms = 1000,
        .durability_lag_ms = 2000,
        .drain_timeout_ms = 1000,
        .fatal = on_fatal,
    };
    struct consumer *consumer;
    struct error error;

    dispatch.last = &dispatch.first;
    (void)snprintf(broker, sizeof(broker), "%s", the_broker);
    (void)snprintf(group, sizeof(group), "bench-%d-%lld", (int)getpid(), (long long)clock_monotonic_ns());
    if (pthread_create(&dispatch.thread, NULL, dispatch_main, &dispatch) != 0)
        die("no thread");
    if (consumer_create(&settings, &consumer, &error) != 0 || consumer_start(consumer, &error) != 0)
        die(error.text);
    while (atomic_load(&dispatch.ended) == 0)
        (void)usleep(200);
    int64_t began_ns = clock_monotonic_ns();
    double cpu = cpu_seconds();
    while (atomic_load(&dispatch.ended) < the_count)
        (void)usleep(1000);
    struct took took = { clock_monotonic_ns() - began_ns, cpu_seconds() - cpu };
    consumer_stop(consumer, 10000);
    pthread_mutex_lock(&dispatch.lock);
    dispatch.is_stopping = true;
    pthread_mutex_unlock(&dispatch.lock);
    pthread_cond_signal(&dispatch.wake);
    (void)pthread_join(dispatch.thread, NULL);
    consumer_destroy(consumer);
    return took;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        struct took (*read)(void);
    } ways[] = { { "poll", bare_poll }, { "callback", bare_callback }, { "stepd", with_stepd } };

    if (argc < 4)
        die("usage: bench_consume BROKER TOPIC COUNT [poll|callback|stepd|all] [WORK_NS]");
    the_broker = argv[1];
    the_topic = argv[2];
    the_count = strtoull(argv[3], NULL, 10);
    work_ns = argc > 5 ? atoll(argv[5]) : 0;
    log_open(LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (argc > 4 && strcmp(argv[4], "all") != 0 && strcmp(argv[4], ways[i].name) != 0)
            continue;
        struct took took = ways[i].read();
        (void)printf("%-9s %7.0f k/s  %5.2f CPU s a million\n", ways[i].name, (double)the_count / (double)took.wall_ns * 1e6,
                     took.cpu_s / (double)the_count * 1e6);
        (void)fflush(stdout);
    }
    return EXIT_SUCCESS;
}
