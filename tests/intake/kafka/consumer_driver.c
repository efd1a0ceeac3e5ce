/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consumer alone, around a dispatch that does what a test says:
 *   consumer_driver [--queue N] [--commit MS] [--lag MS] [--drain MS] [--auto] [--quiet] [--work US]
 *                   BROKER GROUP TOPIC[,TOPIC]... [KEY=VALUE]...
 * writes a line for each message that comes, "got TOPIC PARTITION OFFSET VALUE", unless --quiet, and
 * answers commands on standard input, each with one line:
 *   done P O | taken P O | drop P O    that message ends
 *   run P O                            it begins to run
 *   finish                             all that are held end; says how many
 *   auto | hold                        what comes ends at once, or is held (as at first)
 *   ledger                             by partition: messages ended, of these more than once, and missing
 *   store on | store off               whether the store is seen
 *   load on | load off                 whether load_partition() comes back
 *   rewind | pause | counts | partitions
 *   stop MS                            leaves the group; ends the program
 */
#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "intake/kafka/consumer.h"
#include "run/taker.h"

#define PARTITIONS_MAX 64
#define SETTINGS_MAX 32

struct held {
    struct held *next;
    struct message *message;
    bool is_running;
};

/* How often each offset ended as done or taken. */
struct ledger {
    unsigned char *ended;
    size_t room;
    int64_t first; /* -1: none */
};

struct dispatch {
    struct batch_taker taker; /* first */
    pthread_mutex_t lock;     /* guards all of it */
    pthread_cond_t wake;
    struct held *held;
    struct held **last;
    struct ledger ledgers[PARTITIONS_MAX];
    struct batch *waiting; /* auto: in order */
    struct batch **waiting_last;
};

static struct dispatch the_dispatch = { .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER };
static bool is_quiet;
static long work_us;
static atomic_bool is_auto;
static atomic_bool is_store_seen = true;
static atomic_bool is_load_on = true;
static _Atomic(int64_t) last_seen_ms;
static atomic_uint_fast64_t committed_calls;

/* ---- what comes ------------------------------------------------------------------------------- */

static void ledger_add(const struct message *message)
{
    struct ledger *ledger = &the_dispatch.ledgers[message->event.view.partition];
    size_t offset = (size_t)message->event.view.offset;

    if (offset >= ledger->room) {
        size_t room = (offset + 1) * 2;
        ledger->ended = xrealloc(ledger->ended, room);
        memset(ledger->ended + ledger->room, 0, room - ledger->room);
        ledger->room = room;
    }
    if (ledger->ended[offset] < 255)
        ledger->ended[offset]++;
}

static void work(void)
{
    int64_t until_ns = clock_monotonic_ns() + work_us * 1000;

    while (work_us > 0 && clock_monotonic_ns() < until_ns)
        ;
}

/* Caller holds the lock. */
static void end_one(struct message *message, enum message_state state)
{
    if (state == MESSAGE_DONE || state == MESSAGE_TAKEN)
        ledger_add(message);
    message_end(message, state);
}

static void say_got(const struct message *message)
{
    const struct stepd_event *view = &message->event.view;

    (void)printf("got %s %d %" PRId64 " %.*s", view->topic, (int)view->partition, view->offset, (int)strnlen(view->raw, view->raw_len),
                 (const char *)view->raw);
    for (size_t i = 0; i < message->event.header_count; i++)
        (void)printf(" %s=%.*s", message->event.headers[i].name, (int)message->event.headers[i].value.size,
                     (const char *)message->event.headers[i].value.data);
    (void)printf("\n");
}

static void end_batch(struct batch *batch)
{
    unsigned count = batch->count;

    for (unsigned i = 0; i < count; i++) {
        work();
        end_one(&batch->messages[i], message_begin(&batch->messages[i]) ? MESSAGE_DONE : MESSAGE_DROPPED);
    }
}

static void hold(struct message *message)
{
    struct held *held = xcalloc(1, sizeof(*held));

    held->message = message;
    *the_dispatch.last = held;
    the_dispatch.last = &held->next;
}

static void take_batch(struct batch_taker *taker, struct batch *batch)
{
    struct dispatch *dispatch = (struct dispatch *)taker;

    pthread_mutex_lock(&dispatch->lock);
    for (unsigned i = 0; !is_quiet && i < batch->count; i++)
        say_got(&batch->messages[i]);
    if (atomic_load(&is_auto)) {
        batch->next = NULL;
        *dispatch->waiting_last = batch;
        dispatch->waiting_last = &batch->next;
        pthread_cond_signal(&dispatch->wake);
    } else {
        for (unsigned i = 0; i < batch->count; i++)
            hold(&batch->messages[i]);
    }
    pthread_mutex_unlock(&dispatch->lock);
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

static void *auto_main(void *argument)
{
    struct dispatch *dispatch = argument;

    pthread_mutex_lock(&dispatch->lock);
    for (;;) {
        struct batch *batch = dispatch->waiting;
        if (batch == NULL) {
            (void)pthread_cond_wait(&dispatch->wake, &dispatch->lock);
            continue;
        }
        dispatch->waiting = batch->next;
        if (dispatch->waiting == NULL)
            dispatch->waiting_last = &dispatch->waiting;
        end_batch(batch);
        pthread_mutex_unlock(&dispatch->lock);
        pthread_mutex_lock(&dispatch->lock);
    }
    return NULL;
}

/* ---- commands --------------------------------------------------------------------------------- */

static struct held **find_held(int partition, long long offset)
{
    for (struct held **at = &the_dispatch.held; *at != NULL; at = &(*at)->next) {
        const struct stepd_event *view = &(*at)->message->event.view;
        if (view->partition == partition && view->offset == offset)
            return at;
    }
    return NULL;
}

static void remove_held(struct held **at)
{
    struct held *held = *at;

    *at = held->next;
    if (*at == NULL)
        the_dispatch.last = at;
    free(held);
}

/* A message that is to run drops out where its partition was revoked. */
static const char *begin_held(struct held **at)
{
    if ((*at)->is_running || message_begin((*at)->message)) {
        (*at)->is_running = true;
        return "ok";
    }
    end_one((*at)->message, MESSAGE_DROPPED);
    remove_held(at);
    return "dropped";
}

static enum message_state state_of(const char *command)
{
    return strcmp(command, "taken") == 0 ? MESSAGE_TAKEN : strcmp(command, "drop") == 0 ? MESSAGE_DROPPED : MESSAGE_DONE;
}

static const char *end_held(const char *command, int partition, long long offset)
{
    struct held **at = find_held(partition, offset);

    if (at == NULL)
        return "not held";
    const char *answer = begin_held(at);
    if (strcmp(answer, "ok") != 0 || strcmp(command, "run") == 0)
        return answer;
    end_one((*at)->message, state_of(command));
    remove_held(at);
    return answer;
}

static size_t finish_all(void)
{
    size_t count = 0;

    while (the_dispatch.held != NULL) {
        if (strcmp(begin_held(&the_dispatch.held), "ok") != 0)
            continue;
        end_one(the_dispatch.held->message, MESSAGE_DONE);
        remove_held(&the_dispatch.held);
        count++;
    }
    return count;
}

static void print_ledger(void)
{
    (void)printf("{");
    const char *comma = "";
    for (int i = 0; i < PARTITIONS_MAX; i++) {
        const struct ledger *ledger = &the_dispatch.ledgers[i];
        size_t ended = 0, twice = 0, top = 0;
        for (size_t offset = 0; offset < ledger->room; offset++) {
            ended += ledger->ended[offset] > 0;
            twice += ledger->ended[offset] > 1;
            if (ledger->ended[offset] > 0)
                top = offset + 1;
        }
        if (ended == 0)
            continue;
        (void)printf("%s\"%d\": {\"ended\": %zu, \"twice\": %zu, \"missing\": %zu, \"top\": %zu}", comma, i, ended, twice, top - ended,
                     top);
        comma = ", ";
    }
    (void)printf("}\n");
}

static void print_counts(struct consumer *consumer)
{
    struct consumer_counts counts;

    consumer_counts(consumer, &counts);
    (void)printf("{\"events\": %" PRIu64 ", \"commits\": %" PRIu64 ", \"failed\": %" PRIu64 ", \"rebalances\": %" PRIu64
                 ", \"unread\": %" PRIu64 ", \"partitions\": %zu, \"stalled\": %zu, \"in_flight\": %zu"
                 ", \"joined\": %s, \"told\": %" PRIuFAST64 "}\n",
                 counts.events_consumed, counts.commits, counts.commits_failed, counts.rebalances, counts.metadata_unread,
                 counts.partitions, counts.stalled, counts.in_flight, counts.has_joined ? "true" : "false", atomic_load(&committed_calls));
}

static void print_partitions(struct consumer *consumer)
{
    struct partition_view views[PARTITIONS_MAX];
    size_t count = consumer_partitions(consumer, views, PARTITIONS_MAX);

    (void)printf("[");
    for (size_t i = 0; i < count; i++)
        (void)printf("%s{\"topic\": \"%s\", \"partition\": %d, \"committed\": %" PRId64 ", \"end\": %" PRId64 ", \"in_flight\": %zu}",
                     i > 0 ? ", " : "", views[i].topic, (int)views[i].partition, views[i].committed, views[i].end, views[i].in_flight);
    (void)printf("]\n");
}

static void obey(struct consumer *consumer, char *line)
{
    char word[16] = "";
    int partition = 0;
    long long offset = 0;
    int words = sscanf(line, "%15s %d %lld", word, &partition, &offset);

    if (words == 3) {
        (void)printf("%s\n", end_held(word, partition, offset));
    } else if (strcmp(word, "finish") == 0) {
        (void)printf("%zu\n", finish_all());
    } else if (strcmp(word, "ledger") == 0) {
        print_ledger();
    } else if (strcmp(word, "counts") == 0) {
        print_counts(consumer);
    } else if (strcmp(word, "partitions") == 0) {
        print_partitions(consumer);
    } else {
        if (strcmp(word, "auto") == 0 || strcmp(word, "hold") == 0)
            atomic_store(&is_auto, word[0] == 'a');
        else if (strcmp(word, "store") == 0)
            atomic_store(&is_store_seen, strstr(line, "on") != NULL);
        else if (strcmp(word, "load") == 0)
            atomic_store(&is_load_on, strstr(line, "on") != NULL);
        else if (strcmp(word, "rewind") == 0)
            consumer_rewind(consumer);
        else if (strcmp(word, "pause") == 0)
            consumer_pause(consumer);
        (void)printf("ok\n");
    }
}

/* ---- the consumer ----------------------------------------------------------------------------- */

static void on_fatal(const char *why)
{
    (void)printf("fatal %s\n", why);
    (void)fflush(stdout);
    _exit(3);
}

static int64_t store_seen_ms(void *context)
{
    (void)context;
    if (atomic_load(&is_store_seen))
        atomic_store(&last_seen_ms, clock_monotonic_ms());
    return atomic_load(&last_seen_ms);
}

static int load_partition(void *context, const char *topic, int32_t partition, struct key_set *keys, struct known_runs *ret_known)
{
    (void)context, (void)topic, (void)partition, (void)keys;
    while (!atomic_load(&is_load_on))
        (void)usleep(10000);
    *ret_known = (struct known_runs){ 0 };
    return 0;
}

static void on_committed(void *context, const char *topic, int32_t partition, int64_t committed)
{
    (void)context, (void)topic, (void)partition, (void)committed;
    atomic_fetch_add(&committed_calls, 1);
}

static void add_setting(struct setting *map, const char *name, const char *text)
{
    assert(map->count < SETTINGS_MAX);
    map->items[map->count++] = (struct setting){ .name = xstrdup(name), .kind = SETTING_SCALAR, .text = xstrdup(text) };
}

static void serve(struct consumer *consumer)
{
    char line[200];

    while (fgets(line, sizeof(line), stdin) != NULL && strncmp(line, "stop", 4) != 0) {
        pthread_mutex_lock(&the_dispatch.lock);
        obey(consumer, line);
        pthread_mutex_unlock(&the_dispatch.lock);
    }
    consumer_stop(consumer, strncmp(line, "stop ", 5) == 0 ? atol(line + 5) : 10000);
    (void)printf("stopped\n");
    pthread_mutex_lock(&the_dispatch.lock);
    while (the_dispatch.held != NULL) {
        end_one(the_dispatch.held->message, MESSAGE_DROPPED);
        remove_held(&the_dispatch.held);
    }
    pthread_mutex_unlock(&the_dispatch.lock);
}

static int read_options(int argc, char **argv, struct consumer_settings *settings)
{
    int at = 1;

    for (; at < argc && argv[at][0] == '-'; at++) {
        const char *name = argv[at];
        if (strcmp(name, "--auto") == 0)
            atomic_store(&is_auto, true);
        else if (strcmp(name, "--quiet") == 0)
            is_quiet = true;
        else if (strcmp(name, "--queue") == 0)
            settings->queue = atoi(argv[++at]);
        else if (strcmp(name, "--commit") == 0)
            settings->commit_interval_ms = atol(argv[++at]);
        else if (strcmp(name, "--lag") == 0)
            settings->durability_lag_ms = atol(argv[++at]);
        else if (strcmp(name, "--drain") == 0)
            settings->drain_timeout_ms = atol(argv[++at]);
        else if (strcmp(name, "--work") == 0)
            work_us = atol(argv[++at]);
    }
    return at;
}

int main(int argc, char **argv)
{
    struct setting items[SETTINGS_MAX];
    struct setting kafka = { .kind = SETTING_MAP, .items = items };
    const char *topics[16] = { NULL };
    struct consumer_settings settings = {
        .kafka = &kafka,
        .topics = topics,
        .batches = &the_dispatch.taker,
        .queue = 4096,
        .commit_interval_ms = 200,
        .durability_lag_ms = 500,
        .drain_timeout_ms = 5000,
        .load_partition = load_partition,
        .store_seen_ms = store_seen_ms,
        .committed = on_committed,
        .fatal = on_fatal,
    };
    struct consumer *consumer;
    struct error error;
    pthread_t ender;
    int at = read_options(argc, argv, &settings);

    assert(argc - at >= 3);
    setvbuf(stdout, NULL, _IOLBF, 0);
    log_open(LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
    the_dispatch.taker.ops = &BATCH_TAKER_OPS;
    the_dispatch.last = &the_dispatch.held;
    the_dispatch.waiting_last = &the_dispatch.waiting;
    add_setting(&kafka, "bootstrap.servers", argv[at]);
    add_setting(&kafka, "group.id", argv[at + 1]);
    size_t count = 0;
    for (char *topic = strtok(argv[at + 2], ","); topic != NULL; topic = strtok(NULL, ","))
        topics[count++] = topic;
    for (int i = at + 3; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        assert(value != NULL);
        *value = '\0';
        add_setting(&kafka, argv[i], value + 1);
    }
    if (pthread_create(&ender, NULL, auto_main, &the_dispatch) != 0)
        return EXIT_FAILURE;
    if (consumer_create(&settings, &consumer, &error) != 0 || consumer_start(consumer, &error) != 0) {
        (void)printf("refused %s\n", error.text);
        return EXIT_FAILURE;
    }
    serve(consumer);
    consumer_destroy(consumer);
    for (size_t i = 0; i < kafka.count; i++) {
        free(items[i].name);
        free(items[i].text);
    }
    for (size_t i = 0; i < PARTITIONS_MAX; i++)
        free(the_dispatch.ledgers[i].ended);
    return EXIT_SUCCESS;
}
