/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two queues of librdkafka's are served here. Rebalances, errors and answers come on its own; messages
 * of all partitions are forwarded to one of ours, which is left alone while enough is in flight: no
 * partition is ever paused, so none of what pausing does (it throws away what was fetched, fetches it
 * again a second later, and some versions skip or repeat offsets) can happen.
 */
#include "kafka/consumer.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <librdkafka/rdkafka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "kafka/commits.h"
#include "kafka/conf.h"
#include "kafka/ends.h"
#include "kafka/group.h"
#include "kafka/handle.h"
#include "kafka/loads.h"
#include "kafka/partition.h"
#include "kafka/scout.h"
#include "kafka/takings.h"

#define ASK_TIMEOUT_MS 5000
#define DESTROY_MS 3000
#define IDLE_WAIT_MS 50          /* for a message, when nothing is in flight: how late a rebalance is seen */
#define OPEN_WAIT_MS 5           /* … when something is: how late its end is seen */
#define IDLE_COMMIT_MS 100       /* nothing came for that long: what is done is committed */
#define ROUND_MESSAGES 4096      /* served before anything else is looked at */
#define BURST_MESSAGES 32        /* as many wait: large loads */
#define SLEEP_MESSAGES 1000      /* with fewer no queue is full */
#define ASK_MS 5000              /* where partitions end */
#define MEMORY_MIN ((size_t)64 << 20)
#define WATCH_MS 1000
#define BURST_EVENTS 10000      /* so many leave enough free memory behind to give it back */
#define TEND_MS 20
#define DROPPED_MS 2000
#define FORWARD_MS 10000         /* a partition's stop is over by then */
#define STALLED_MS 30000         /* lag, nothing in flight, and no move for that long */
#define BACKOFF_MIN_US 50
#define BACKOFF_MAX_US 2000

struct partition_list {
    struct partition **items;
    size_t count;
    size_t room;
};

enum reset { RESET_EARLIEST, RESET_LATEST, RESET_REFUSED };

struct consumer {
    struct consumer_settings settings;
    enum reset reset;                /* where no offset is committed, or it is gone */
    rd_kafka_t *handle;
    rd_kafka_queue_t *messages;      /* of all partitions */
    struct group_watch group;
    struct scout *scout;
    pthread_t thread;
    bool is_started;
    bool is_left_behind;             /* a thread hangs in librdkafka: everything stays */

    atomic_bool must_rewind;         /* any thread sets */
    atomic_bool must_pause;          /* any thread sets */
    atomic_bool must_stop;           /* any thread sets */
    _Atomic(int64_t) stop_until_ms;  /* monotonic */

    /* Consumer thread only. */
    struct pulse *pulse;
    struct commits *commits;
    struct loads loads;
    struct load *open;               /* oldest first: what dispatch has */
    struct load **open_last;
    struct load *filling;            /* NULL: none */
    size_t in_flight;                /* at the last sweep, and what was pushed since */
    bool is_full;                    /* by either of these two */
    size_t memory;                   /* of open loads */
    size_t memory_max;
    size_t round;                    /* messages of this round */
    bool is_burst;
    struct partition_list assigned;
    struct partition *revoked;       /* those that something still names */
    struct takings takings;
    size_t loading;                  /* assigned ones that the scout has not ended with */
    bool must_count_loading;
    int64_t asked_ms;                /* the scout, for ends */
    size_t most_queued;              /* since the scout was last asked: librdkafka may sleep since then */
    struct {                         /* the partition of the last message */
        const rd_kafka_topic_t *topic;
        int32_t id;
        struct partition *partition;
    } last;
    int64_t now_ms;                  /* monotonic, of this round */
    int64_t committed_ms;
    int64_t came_ms;                 /* a message came */
    int64_t watched_ms;
    uint64_t given_back_at;          /* events_consumed then */
    int64_t backoff_us;
    bool must_tend;
    int64_t tended_ms;
    bool is_down;                    /* no broker answers; said once */
    int64_t down_ms;
    bool is_joined;
    bool is_closed;
    struct consumer_counts counts;

    pthread_mutex_t lock;            /* guards what follows */
    struct consumer_counts published;
    struct partition_view *views;
    size_t view_count;
};

/* ---- partitions ------------------------------------------------------------------------------- */

static void list_add(struct partition_list *list, struct partition *partition)
{
    if (list->count == list->room) {
        list->room = list->room == 0 ? 16 : list->room * 2;
        list->items = xrealloc(list->items, list->room * sizeof(list->items[0]));
    }
    list->items[list->count++] = partition;
}

static struct partition *find(const struct partition_list *list, const char *topic, int32_t id)
{
    for (size_t i = 0; i < list->count; i++) {
        struct partition *partition = list->items[i];
        if (partition->assignment.partition == id && strcmp(partition->assignment.topic, topic) == 0)
            return partition;
    }
    return NULL;
}

static struct partition *partition_of_message(struct consumer *consumer, const rd_kafka_message_t *message)
{
    if (consumer->last.topic == message->rkt && consumer->last.id == message->partition && message->rkt != NULL)
        return consumer->last.partition;
    if (message->rkt == NULL)
        return NULL;
    struct partition *partition = find(&consumer->assigned, rd_kafka_topic_name(message->rkt), message->partition);
    consumer->last.topic = message->rkt;
    consumer->last.id = message->partition;
    consumer->last.partition = partition;
    return partition;
}

static struct log_fields fields_of(const struct partition *partition, int64_t offset)
{
    struct log_fields fields = LOG_FIELDS_NONE;

    fields.topic = partition->assignment.topic;
    fields.partition = partition->assignment.partition;
    fields.offset = offset;
    return fields;
}

/* From here on its messages wait in our queue; its place in librdkafka is its own. */
static void forward(struct consumer *consumer, const struct partition *partition)
{
    rd_kafka_queue_t *queue =
        rd_kafka_queue_get_partition(consumer->handle, partition->assignment.topic, partition->assignment.partition);

    assert(queue != NULL);
    rd_kafka_queue_forward(queue, consumer->messages);
    rd_kafka_queue_destroy(queue);
}

static void take_up(struct consumer *consumer, struct partition *partition)
{
    list_add(&consumer->assigned, partition);
    consumer->last.topic = NULL;
    consumer->loading++;
    partition->holders++;
    scout_load(consumer->scout, partition);
}

/* Its messages that have not started are dropped by who comes to them. */
static void let_go(struct consumer *consumer, struct partition *partition)
{
    for (size_t i = 0; i < consumer->assigned.count; i++) {
        if (consumer->assigned.items[i] != partition)
            continue;
        consumer->assigned.items[i] = consumer->assigned.items[--consumer->assigned.count];
        break;
    }
    atomic_store(&partition->assignment.is_revoked, true);
    partition->next = consumer->revoked;
    consumer->revoked = partition;
    consumer->last.topic = NULL;
    consumer->must_count_loading = true;
}

static void free_unnamed(struct consumer *consumer)
{
    for (struct partition **at = &consumer->revoked; *at != NULL;) {
        struct partition *partition = *at;
        if (partition->holders > 0) {
            at = &partition->next;
            continue;
        }
        *at = partition->next;
        partition_destroy(partition);
    }
}

static void hear_scout(struct consumer *consumer)
{
    struct partition *partition;

    while ((partition = scout_take_back(consumer->scout)) != NULL) {
        partition->holders--;
        consumer->must_count_loading = true;
    }
    if (!consumer->must_count_loading)
        return;
    consumer->must_count_loading = false;
    consumer->loading = 0;
    for (size_t i = 0; i < consumer->assigned.count; i++)
        consumer->loading += !atomic_load(&consumer->assigned.items[i]->is_loaded);
}

static rd_kafka_topic_partition_list_t *list_all(const struct partition_list *partitions)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)partitions->count);

    for (size_t i = 0; i < partitions->count; i++)
        rd_kafka_topic_partition_list_add(list, partitions->items[i]->assignment.topic, partitions->items[i]->assignment.partition);
    return list;
}

static void ask_ends(struct consumer *consumer)
{
    rd_kafka_topic_partition_list_t *list = list_all(&consumer->assigned);

    scout_ask_ends(consumer->scout, &list);
    consumer->asked_ms = consumer->now_ms;
}

static void hear_ends(struct consumer *consumer)
{
    rd_kafka_topic_partition_list_t *list = scout_take_ends(consumer->scout);

    if (list == NULL)
        return;
    for (int i = 0; i < list->cnt; i++) {
        struct partition *partition = find(&consumer->assigned, list->elems[i].topic, list->elems[i].partition);
        if (partition != NULL && list->elems[i].offset > partition->end)
            partition->end = list->elems[i].offset;
    }
    rd_kafka_topic_partition_list_destroy(list);
}

/* ---- what has ended --------------------------------------------------------------------------- */

/* Until when the store is known to have kept what it acknowledged. */
static int64_t store_kept_ms(const struct consumer *consumer)
{
    int64_t lag_ms = consumer->settings.durability_lag_ms;

    if (consumer->settings.store_seen_ms == NULL)
        return consumer->now_ms - lag_ms;
    return consumer->settings.store_seen_ms(consumer->settings.context) - lag_ms;
}

static void finish_takings(struct consumer *consumer)
{
    if (consumer->takings.count == 0)
        return;
    int64_t kept_ms = store_kept_ms(consumer);
    if (!atomic_load(&consumer->must_rewind)) /* looked at after: who asks for it does so before the store answers again */
        takings_finish(&consumer->takings, kept_ms);
}

static void note_dropped(const struct consumer *consumer, struct partition *partition)
{
    if (!atomic_load(&partition->assignment.is_revoked) && partition->again_ms == 0)
        partition->again_ms = consumer->now_ms + DROPPED_MS;
}

static void settle(struct consumer *consumer, struct message *message)
{
    enum message_state state = atomic_load_explicit(&message->state, memory_order_acquire);

    if (message->is_settled || state < MESSAGE_DONE)
        return;
    message->is_settled = true;
    if (state == MESSAGE_DONE)
        offsets_finish(partition_of(message)->offsets, message->event.view.offset);
    else if (state == MESSAGE_TAKEN)
        takings_add(&consumer->takings, partition_of(message), message->event.view.offset, consumer->now_ms);
    else
        note_dropped(consumer, partition_of(message));
}

static void settle_all(struct consumer *consumer, struct load *load)
{
    for (unsigned i = 0; i < load->batch.count; i++)
        settle(consumer, &load->batch.messages[i]);
}

static void load_ended(struct consumer *consumer, struct load *load)
{
    if (atomic_load_explicit(&load->batch.is_mixed, memory_order_relaxed)) {
        settle_all(consumer, load);
    } else {
        for (unsigned i = 0; i < load->span_count; i++)
            offsets_finish_range(load->spans[i].partition->offsets, load->spans[i].first, load->spans[i].last);
    }
    for (unsigned i = 0; i < load->span_count; i++)
        load->spans[i].partition->holders--;
    consumer->memory -= load->size;
    loads_give(&consumer->loads, load);
}

/* Full until a quarter has ended: messages come in large loads then, not one for each that ends. */
static void look_whether_full(struct consumer *consumer)
{
    size_t queue = (size_t)consumer->settings.queue;
    size_t memory = consumer->memory_max;

    if (consumer->is_full)
        consumer->is_full = consumer->in_flight > queue - (queue + 3) / 4 || consumer->memory > memory - memory / 4;
    else
        consumer->is_full = consumer->in_flight >= queue || consumer->memory >= memory;
}

static bool is_held_back(const struct consumer *consumer)
{
    return consumer->is_full || consumer->loading > 0 || atomic_load(&consumer->must_pause) || atomic_load(&consumer->must_rewind);
}

/* Takes back the loads that have ended, and counts what is in flight in the others. */
static void sweep(struct consumer *consumer)
{
    size_t in_flight = 0;
    struct load **at = &consumer->open;

    while (*at != NULL) {
        struct load *load = *at;
        unsigned open = atomic_load_explicit(&load->batch.open, memory_order_acquire);
        if (open > 0) {
            in_flight += open;
            at = &load->next;
            continue;
        }
        *at = load->next;
        load_ended(consumer, load);
    }
    consumer->open_last = at;
    consumer->in_flight = in_flight;
    look_whether_full(consumer);
}

/* Before a commit: what has ended in loads that have not. */
static void settle_open(struct consumer *consumer)
{
    sweep(consumer);
    for (struct load *load = consumer->open; load != NULL; load = load->next)
        settle_all(consumer, load);
    finish_takings(consumer);
}

/* ---- what comes ------------------------------------------------------------------------------- */

static void push_filling(struct consumer *consumer)
{
    struct load *load = consumer->filling;

    if (load == NULL)
        return;
    consumer->filling = NULL;
    for (unsigned i = 0; i < load->span_count; i++)
        load->spans[i].partition->holders++;
    consumer->memory += load->size;
    load->next = NULL;
    *consumer->open_last = load;
    consumer->open_last = &load->next;
    atomic_store_explicit(&load->batch.open, load->batch.count, memory_order_relaxed);
    dispatch_push(consumer->settings.dispatch, &load->batch);
}

static void on_partition_error(struct consumer *consumer, const rd_kafka_message_t *message);

/* Runs on: consumer thread, within rd_kafka_consume_callback_queue(). */
static void on_message(rd_kafka_message_t *message, void *opaque)
{
    struct consumer *consumer = opaque;

    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        on_partition_error(consumer, message);
        return;
    }
    struct partition *partition = partition_of_message(consumer, message);
    if (partition == NULL || partition->is_seeking)
        return; /* no longer ours, or comes again */
    if (!offsets_start(partition->offsets, message->offset)) {
        consumer->counts.seen_again++;
        return;
    }

    rd_kafka_headers_t *headers;
    size_t bytes = load_bytes_of(message, &headers);
    if (consumer->filling != NULL && !load_has_room(consumer->filling, bytes))
        push_filling(consumer);
    if (consumer->filling == NULL)
        consumer->filling = loads_take(&consumer->loads, bytes, consumer->is_burst);
    load_add(consumer->filling, partition, &partition->assignment, message, headers);
    consumer->in_flight++;
    if (++consumer->round >= ROUND_MESSAGES || consumer->in_flight >= (size_t)consumer->settings.queue ||
        consumer->memory >= consumer->memory_max)
        rd_kafka_yield(consumer->handle);
}

/*
 * A librdkafka that does not know fetch.queue.backoff.ms (before 2.2) sleeps for a second once its queue
 * is full, however fast it is emptied then. A question to the leaders wakes it.
 */
static void keep_awake(struct consumer *consumer, size_t queued)
{
    if (queued > consumer->most_queued)
        consumer->most_queued = queued;
    if (consumer->most_queued < SLEEP_MESSAGES || queued > consumer->most_queued / 2 || consumer->now_ms == consumer->asked_ms)
        return;
    consumer->most_queued = queued;
    ask_ends(consumer);
}

/* Hands on what is there, waiting up to wait_ms for the first. */
static void serve_messages(struct consumer *consumer, int wait_ms)
{
    size_t queued = rd_kafka_queue_length(consumer->messages);

    consumer->round = 0;
    consumer->is_burst = queued >= BURST_MESSAGES && consumer->memory < consumer->memory_max / 2;
    keep_awake(consumer, queued);
    (void)rd_kafka_consume_callback_queue(consumer->messages, wait_ms, on_message, consumer);
    push_filling(consumer);
    consumer->counts.events_consumed += consumer->round;
    if (consumer->round > 0)
        consumer->came_ms = consumer->now_ms;
}

/* ---- what others see --------------------------------------------------------------------------- */

static void publish_counts(struct consumer *consumer)
{
    struct commits_counts commits = commits_counts(consumer->commits);
    struct consumer_counts *counts = &consumer->counts;

    counts->commits = commits.done;
    counts->commits_failed = commits.failed;
    counts->partitions = consumer->assigned.count;
    counts->in_flight = consumer->in_flight;
    counts->has_joined = consumer->is_joined;
    counts->is_paused = is_held_back(consumer);
    counts->last_loop_ms = consumer->now_ms;
    pthread_mutex_lock(&consumer->lock);
    consumer->published = *counts;
    pthread_mutex_unlock(&consumer->lock);
}

/* ---- where reading begins --------------------------------------------------------------------- */

static enum reset reset_of(const struct setting *kafka)
{
    const char *text = conf_text(kafka, "auto.offset.reset", "earliest");

    if (strcasecmp(text, "latest") == 0 || strcasecmp(text, "largest") == 0 || strcasecmp(text, "end") == 0)
        return RESET_LATEST;
    return strcasecmp(text, "error") == 0 || strcasecmp(text, "none") == 0 ? RESET_REFUSED : RESET_EARLIEST;
}

/* Where partitions begin and end. */
struct places {
    rd_kafka_topic_partition_list_t *beginnings;
    rd_kafka_topic_partition_list_t *ends;
};

static struct places places_ask(struct consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
    struct places places = { rd_kafka_topic_partition_list_copy(list), rd_kafka_topic_partition_list_copy(list) };

    ends_ask(consumer->handle, places.beginnings, RD_KAFKA_OFFSET_BEGINNING, ASK_TIMEOUT_MS);
    ends_ask(consumer->handle, places.ends, RD_KAFKA_OFFSET_END, ASK_TIMEOUT_MS);
    return places;
}

static void places_done(struct places *places)
{
    rd_kafka_topic_partition_list_destroy(places->beginnings);
    rd_kafka_topic_partition_list_destroy(places->ends);
}

static int64_t place_find(const rd_kafka_topic_partition_list_t *list, const char *topic, int32_t id)
{
    const rd_kafka_topic_partition_t *entry =
        rd_kafka_topic_partition_list_find((rd_kafka_topic_partition_list_t *)(uintptr_t)list, topic, id);

    return entry != NULL ? entry->offset : ENDS_UNKNOWN;
}

static void refuse_reset(struct consumer *consumer, const char *topic, int32_t id, const char *why)
{
    AUTO_FREE char *text = xasprintf("%s [%d]: %s, and auto.offset.reset says that this is an error", topic, (int)id, why);

    consumer->settings.fatal(text);
}

/* An offset, so that a commit can be made before the first message; logical where no broker says. */
static int64_t reset_offset(const struct consumer *consumer, const struct places *places, const char *topic, int32_t id)
{
    const rd_kafka_topic_partition_list_t *list = consumer->reset == RESET_LATEST ? places->ends : places->beginnings;
    int64_t offset = place_find(list, topic, id);

    if (offset >= 0)
        return offset;
    return consumer->reset == RESET_LATEST ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING;
}

static struct partition *begin(struct consumer *consumer, const rd_kafka_topic_partition_t *committed, const struct places *places)
{
    struct partition_begin begin = {
        .start = committed->offset,
        .metadata = { committed->metadata, committed->metadata_size },
        .end = place_find(places->ends, committed->topic, committed->partition),
    };
    bool is_unread;

    if (committed->offset < 0) {
        if (consumer->reset == RESET_REFUSED)
            refuse_reset(consumer, committed->topic, committed->partition, "the group has no offset there");
        begin.start = reset_offset(consumer, places, committed->topic, committed->partition);
        begin.metadata.size = 0;
    }
    struct partition *partition = partition_create(committed->topic, committed->partition, &begin, &is_unread);
    partition->committed = committed->offset >= 0 ? committed->offset : OFFSETS_UNKNOWN;
    consumer->counts.metadata_unread += is_unread;
    return partition;
}

static rd_kafka_topic_partition_list_t *list_of(const struct partition *partition)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(list, partition->assignment.topic, partition->assignment.partition)->offset = partition->start;
    return list;
}

static void say_refused(const char *what, rd_kafka_error_t *error)
{
    if (error == NULL)
        return;
    log_warn("%s: %s", what, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
}

/* What was fetched before is void from here on. */
static void seek(struct consumer *consumer, struct partition *partition)
{
    rd_kafka_topic_partition_list_t *list = list_of(partition);
    rd_kafka_error_t *failed = rd_kafka_seek_partitions(consumer->handle, list, ASK_TIMEOUT_MS);

    partition->is_seeking = failed != NULL || list->elems[0].err != RD_KAFKA_RESP_ERR_NO_ERROR;
    if (partition->is_seeking) {
        struct log_fields fields = fields_of(partition, partition->start);
        consumer->must_tend = true;
        log_event(LOG_LEVEL_DEBUG, &fields, "the partition can't go back yet: %s",
                  failed != NULL ? rd_kafka_error_string(failed) : rd_kafka_err2str(list->elems[0].err));
    }
    if (failed != NULL)
        rd_kafka_error_destroy(failed);
    rd_kafka_topic_partition_list_destroy(list);
}

/*
 * librdkafka reads a partition no more after an offset that was out of range, and does not seek in it.
 * Its stop, which it finishes some time later, takes the partition's queue off ours again.
 */
static void restart(struct consumer *consumer, struct partition *partition)
{
    rd_kafka_topic_partition_list_t *list = list_of(partition);

    say_refused("can't stop reading", rd_kafka_incremental_unassign(consumer->handle, list));
    say_refused("can't go on reading", rd_kafka_incremental_assign(consumer->handle, list));
    rd_kafka_topic_partition_list_destroy(list);
    partition->forward_until_ms = consumer->now_ms + FORWARD_MS;
    consumer->must_tend = true;
}

/* What seek() and restart() have left to do. */
static void tend(struct consumer *consumer)
{
    if (!consumer->must_tend || consumer->now_ms - consumer->tended_ms < TEND_MS)
        return;
    consumer->must_tend = false;
    consumer->tended_ms = consumer->now_ms;
    for (size_t i = 0; i < consumer->assigned.count; i++) {
        struct partition *partition = consumer->assigned.items[i];
        if (partition->is_seeking)
            seek(consumer, partition);
        if (partition->forward_until_ms > consumer->now_ms) {
            forward(consumer, partition);
            consumer->must_tend = true;
        }
    }
}

static void on_out_of_range(struct consumer *consumer, struct partition *old)
{
    const char *topic = old->assignment.topic;
    int32_t id = old->assignment.partition;
    struct partition_begin begin = { .end = OFFSETS_UNKNOWN };
    struct log_fields fields = fields_of(old, offsets_next(old->offsets));
    bool is_unread;

    if (consumer->reset == RESET_REFUSED)
        refuse_reset(consumer, topic, id, "the offset to read next is not there any more");
    rd_kafka_topic_partition_list_t *list = list_of(old);
    struct places places = places_ask(consumer, list);
    begin.start = reset_offset(consumer, &places, topic, id);
    begin.end = place_find(places.ends, topic, id);
    places_done(&places);
    rd_kafka_topic_partition_list_destroy(list);
    log_event(LOG_LEVEL_WARN, &fields,
              "the offset to read next is not there any more (deleted by retention, or the topic was made anew): going on at the %s, %" PRId64,
              consumer->reset == RESET_LATEST ? "end" : "beginning", begin.start);
    struct partition *partition = partition_create(topic, id, &begin, &is_unread);
    let_go(consumer, old);
    take_up(consumer, partition);
    restart(consumer, partition);
}

static void on_partition_error(struct consumer *consumer, const rd_kafka_message_t *message)
{
    struct partition *partition = partition_of_message(consumer, message);

    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF || partition == NULL)
        return;
    if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
        push_filling(consumer);
        on_out_of_range(consumer, partition);
        rd_kafka_yield(consumer->handle);
        return;
    }
    struct log_fields fields = fields_of(partition, -1);
    log_event(LOG_LEVEL_WARN, &fields, "can't be read now: %s", rd_kafka_message_errstr(message));
}

static void renew(struct consumer *consumer, struct partition *old)
{
    struct partition *partition = partition_renew(old);
    int64_t read_next = offsets_next(old->offsets) >= 0 ? offsets_next(old->offsets) : old->start;

    partition->is_seeking = old->is_seeking;
    partition->forward_until_ms = old->forward_until_ms;
    let_go(consumer, old);
    take_up(consumer, partition);
    if (partition->is_seeking || partition->start != read_next)
        seek(consumer, partition);
}

/* Redis lost its last moments: what it had taken since then comes again, under new assignments. */
static void rewind_all(struct consumer *consumer)
{
    struct partition_list old = { 0 };

    settle_open(consumer);
    takings_drop(&consumer->takings);
    atomic_store(&consumer->must_rewind, false);
    for (size_t i = 0; i < consumer->assigned.count; i++)
        list_add(&old, consumer->assigned.items[i]);
    for (size_t i = 0; i < old.count; i++)
        renew(consumer, old.items[i]);
    log_info("what was not done of %zu partitions is read again", old.count);
    free(old.items);
}

/* Who drops a message because its store refuses it, say, leaves it to whoever reads it next: to us. */
static void read_dropped_again(struct consumer *consumer)
{
    for (size_t i = 0; i < consumer->assigned.count; i++) {
        struct partition *partition = consumer->assigned.items[i];
        if (partition->again_ms == 0 || partition->again_ms > consumer->now_ms)
            continue;
        struct log_fields fields = fields_of(partition, offsets_committable(partition->offsets));
        log_event(LOG_LEVEL_WARN, &fields, "events of this partition could not be worked on: what is not done of it is read again");
        renew(consumer, partition);
        return; /* the list has another order now */
    }
}

static void go_back(struct consumer *consumer)
{
    if (commits_are_under_way(consumer->commits) || atomic_load(&consumer->must_pause))
        return;
    if (atomic_load(&consumer->must_rewind))
        rewind_all(consumer);
    else
        read_dropped_again(consumer);
}

/* ---- rebalances ------------------------------------------------------------------------------- */

static void log_partitions(const char *what, const rd_kafka_topic_partition_list_t *list)
{
    char text[400] = "";
    size_t used = 0;

    for (int i = 0; i < list->cnt && used < sizeof(text) - 1; i++) {
        const rd_kafka_topic_partition_t *entry = &list->elems[i];
        int written = snprintf(text + used, sizeof(text) - used, "%s%s [%d]", i > 0 ? ", " : "", entry->topic, (int)entry->partition);
        used += written > 0 ? (size_t)written : 0;
    }
    log_info("%s %d: %s%s", what, list->cnt, text, used >= sizeof(text) ? " …" : "");
}

/* Tries until the coordinator answers, or the partitions are not ours any more. */
static bool fetch_committed(struct consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
    while (!rd_kafka_assignment_lost(consumer->handle) && !atomic_load(&consumer->must_stop)) {
        rd_kafka_resp_err_t failed = rd_kafka_committed(consumer->handle, list, ASK_TIMEOUT_MS);
        for (int i = 0; failed == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++)
            failed = list->elems[i].err;
        if (failed == RD_KAFKA_RESP_ERR_NO_ERROR)
            return true;
        log_warn("committed offsets can't be read, and are asked for again: %s", rd_kafka_err2str(failed));
        pulse_beat(consumer->pulse);
        (void)nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
    }
    return false;
}

static void on_assigned(struct consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_topic_partition_list_t *committed = rd_kafka_topic_partition_list_copy(list);

    log_partitions("partitions assigned:", list);
    consumer->is_joined = true;
    if (list->cnt > 0 && fetch_committed(consumer, committed)) {
        struct places places = places_ask(consumer, list);
        for (int i = 0; i < list->cnt; i++) {
            const rd_kafka_topic_partition_t *from =
                rd_kafka_topic_partition_list_find(committed, list->elems[i].topic, list->elems[i].partition);
            struct partition *partition = begin(consumer, from, &places);
            list->elems[i].offset = partition->start;
            forward(consumer, partition);
            take_up(consumer, partition);
        }
        places_done(&places);
    }
    rd_kafka_topic_partition_list_destroy(committed);
    say_refused("assignment refused", rd_kafka_incremental_assign(consumer->handle, list));
}

static bool is_running(const struct consumer *consumer)
{
    for (const struct load *load = consumer->open; load != NULL; load = load->next) {
        for (unsigned i = 0; i < load->batch.count; i++) {
            const struct message *message = &load->batch.messages[i];
            if (atomic_load(&message->state) == MESSAGE_RUNNING && atomic_load(&message->assignment->is_revoked))
                return true;
        }
    }
    return false;
}

static void round_begin(struct consumer *consumer)
{
    consumer->now_ms = clock_monotonic_ms();
    pulse_beat(consumer->pulse);
}

/* What was handed over of other partitions goes on meanwhile; librdkafka fetches nothing until we answer. */
static void drain(struct consumer *consumer)
{
    int64_t until_ms = consumer->now_ms + consumer->settings.drain_timeout_ms;

    while (is_running(consumer) && consumer->now_ms < until_ms) {
        dispatch_nudge(consumer->settings.dispatch);
        (void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        round_begin(consumer);
        sweep(consumer);
        publish_counts(consumer);
    }
    if (is_running(consumer))
        log_warn("attempts of revoked partitions still run after %" PRId64 " ms: their messages come again elsewhere",
                 consumer->settings.drain_timeout_ms);
}

static void on_revoked(struct consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
    bool is_lost = rd_kafka_assignment_lost(consumer->handle);
    struct partition_list gone = { 0 };

    log_partitions(is_lost ? "partitions lost:" : "partitions revoked:", list);
    for (int i = 0; i < list->cnt; i++) {
        struct partition *partition = find(&consumer->assigned, list->elems[i].topic, list->elems[i].partition);
        if (partition == NULL)
            continue;
        let_go(consumer, partition);
        list_add(&gone, partition);
    }
    if (!is_lost && gone.count > 0) {
        drain(consumer);
        settle_open(consumer);
        commits_now(consumer->commits, gone.items, gone.count, ASK_TIMEOUT_MS);
    }
    free(gone.items);
    say_refused("revocation refused", rd_kafka_incremental_unassign(consumer->handle, list));
}

/* Runs on: consumer thread, while it serves librdkafka's queue. */
static void on_rebalance(rd_kafka_t *handle, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct consumer *consumer = opaque;

    (void)handle;
    round_begin(consumer);
    consumer->counts.rebalances++;
    if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        on_assigned(consumer, list);
    else
        on_revoked(consumer, list);
    round_begin(consumer);
    consumer->committed_ms = consumer->now_ms;
}

/* ---- troubles --------------------------------------------------------------------------------- */

/* Runs on: consumer thread, while it serves librdkafka's queue. */
static void on_error(rd_kafka_t *handle, int code, const char *reason, void *opaque)
{
    struct consumer *consumer = opaque;
    char text[300];

    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        (void)rd_kafka_fatal_error(handle, text, sizeof(text));
        AUTO_FREE char *why = xasprintf("Kafka: %s", text);
        consumer->settings.fatal(why);
    } else if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        if (!consumer->is_down)
            log_warn("Kafka can't be reached (%s): tried until it can", conf_text(consumer->settings.kafka, "bootstrap.servers", "no bootstrap.servers"));
        consumer->is_down = true;
        consumer->down_ms = clock_monotonic_ms();
    } else if (code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__RESOLVE) {
        log_debug("librdkafka: %s", reason);
    } else {
        log_warn("Kafka: %s", reason);
    }
}

static void look_whether_back(struct consumer *consumer)
{
    if (!consumer->is_down || atomic_load_explicit(&consumer->group.answered_ms, memory_order_relaxed) <= consumer->down_ms)
        return;
    consumer->is_down = false;
    log_info("Kafka answers again");
}

static void on_group_error(struct consumer *consumer, const rd_kafka_message_t *message)
{
    const char *topic = message->rkt != NULL ? rd_kafka_topic_name(message->rkt) : "?";

    (void)consumer;
    switch (message->err) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        log_warn("topic '%s' does not exist: its events are taken once it does", topic);
        break;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        log_error("topic '%s' may not be read: %s", topic, rd_kafka_message_errstr(message));
        break;
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
        log_error("the group took us for dead (max.poll.interval.ms): %s", rd_kafka_message_errstr(message));
        break;
    default:
        log_warn("Kafka: %s", rd_kafka_message_errstr(message));
        break;
    }
}

/* Rebalances, errors and all else that is no message. */
static void serve_control(struct consumer *consumer)
{
    rd_kafka_message_t *message;

    while ((message = rd_kafka_consumer_poll(consumer->handle, 0)) != NULL) {
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            on_message(message, consumer);
        else
            on_group_error(consumer, message);
        rd_kafka_message_destroy(message);
    }
    push_filling(consumer);
}

/* ---- the watch -------------------------------------------------------------------------------- */

/* Until it does, its position is one of before. */
static bool reads_as_told(const struct consumer *consumer, const struct partition *partition)
{
    return !partition->is_seeking && partition->forward_until_ms <= consumer->now_ms;
}

/* Control records at the end of a partition never come; librdkafka's position says that it is past them. */
static void reach_positions(struct consumer *consumer)
{
    rd_kafka_topic_partition_list_t *list = list_all(&consumer->assigned);

    if (rd_kafka_position(consumer->handle, list) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (size_t i = 0; i < consumer->assigned.count; i++) {
            const struct partition *partition = consumer->assigned.items[i];
            if (list->elems[i].offset >= 0 && reads_as_told(consumer, partition))
                offsets_reach(partition->offsets, list->elems[i].offset);
        }
    }
    rd_kafka_topic_partition_list_destroy(list);
}

static void watch_partition(struct consumer *consumer, struct partition *partition)
{
    int64_t next = offsets_next(partition->offsets);
    int64_t low;
    int64_t high;

    if (rd_kafka_get_watermark_offsets(consumer->handle, partition->assignment.topic, partition->assignment.partition, &low, &high) ==
            RD_KAFKA_RESP_ERR_NO_ERROR && high > partition->end)
        partition->end = high;
    bool has_moved = next != partition->watched_next || offsets_in_flight(partition->offsets) > 0 || partition->end <= next || is_held_back(consumer);
    partition->watched_next = next;
    if (has_moved) {
        partition->moved_ms = consumer->now_ms;
        partition->is_stalled = false;
        return;
    }
    if (partition->is_stalled || consumer->now_ms - partition->moved_ms < STALLED_MS)
        return;
    partition->is_stalled = true;
    struct log_fields fields = fields_of(partition, next);
    log_event(LOG_LEVEL_WARN, &fields, "%" PRId64 " events wait in this partition, and none came for %d s", partition->end - next, STALLED_MS / 1000);
}

static int64_t lag_of(const struct partition *partition)
{
    int64_t from = partition->committed != OFFSETS_UNKNOWN ? partition->committed : partition->start;
    int64_t end = partition->end;

    return from < 0 || end == OFFSETS_UNKNOWN ? -1 : end > from ? end - from : 0;
}

static void view_of(const struct partition *partition, struct partition_view *ret_view)
{
    *ret_view = (struct partition_view){
        .partition = partition->assignment.partition,
        .committed = partition->committed,
        .end = partition->end,
        .lag = lag_of(partition),
        .in_flight = offsets_in_flight(partition->offsets),
        .is_stalled = partition->is_stalled,
    };
    (void)snprintf(ret_view->topic, sizeof(ret_view->topic), "%s", partition->assignment.topic);
}

static void publish_views(struct consumer *consumer)
{
    size_t count = consumer->assigned.count;

    consumer->counts.stalled = 0;
    pthread_mutex_lock(&consumer->lock);
    consumer->views = xrealloc(consumer->views, (count + 1) * sizeof(consumer->views[0]));
    consumer->view_count = count;
    for (size_t i = 0; i < count; i++) {
        view_of(consumer->assigned.items[i], &consumer->views[i]);
        consumer->counts.stalled += consumer->assigned.items[i]->is_stalled;
    }
    pthread_mutex_unlock(&consumer->lock);
}

/* Librdkafka and loads take tens of MB for a burst, which malloc would keep for the next one. */
static void give_back_memory(struct consumer *consumer)
{
    loads_trim(&consumer->loads);
    if (consumer->in_flight > 0 || consumer->counts.events_consumed - consumer->given_back_at < BURST_EVENTS)
        return;
    consumer->given_back_at = consumer->counts.events_consumed;
    memory_give_back();
}

static void watch(struct consumer *consumer)
{
    if (consumer->now_ms - consumer->watched_ms < WATCH_MS)
        return;
    consumer->watched_ms = consumer->now_ms;
    look_whether_back(consumer);
    if (consumer->now_ms - consumer->asked_ms >= ASK_MS && consumer->assigned.count > 0)
        ask_ends(consumer);
    for (size_t i = 0; i < consumer->assigned.count; i++)
        watch_partition(consumer, consumer->assigned.items[i]);
    publish_views(consumer);
    give_back_memory(consumer);
}

/* ---- the thread ------------------------------------------------------------------------------- */

static void commit_if_due(struct consumer *consumer)
{
    int64_t since_ms = consumer->now_ms - consumer->committed_ms;
    bool is_idle = consumer->open == NULL && consumer->now_ms - consumer->came_ms >= IDLE_COMMIT_MS && since_ms >= IDLE_COMMIT_MS;

    if (since_ms < consumer->settings.commit_interval_ms && !is_idle)
        return;
    if (commits_are_under_way(consumer->commits) || atomic_load(&consumer->group.is_joining) || atomic_load(&consumer->must_rewind))
        return;
    consumer->committed_ms = consumer->now_ms;
    settle_open(consumer);
    reach_positions(consumer);
    commits_begin(consumer->commits, consumer->assigned.items, consumer->assigned.count);
}

/* All is in flight that may be: looks again after a while, longer each time. */
static void wait_for_room(struct consumer *consumer)
{
    consumer->backoff_us = consumer->backoff_us == 0 ? BACKOFF_MIN_US : consumer->backoff_us * 2;
    if (consumer->backoff_us > BACKOFF_MAX_US)
        consumer->backoff_us = BACKOFF_MAX_US;
    (void)nanosleep(&(struct timespec){ .tv_nsec = consumer->backoff_us * 1000 }, NULL);
}

static void round_of(struct consumer *consumer)
{
    round_begin(consumer);
    serve_control(consumer);
    hear_scout(consumer);
    hear_ends(consumer);
    sweep(consumer);
    if (consumer->open != NULL)
        dispatch_nudge(consumer->settings.dispatch);
    commits_poll(consumer->commits);
    go_back(consumer);
    tend(consumer);
    commit_if_due(consumer);
    watch(consumer);
    free_unnamed(consumer);
    if (is_held_back(consumer)) {
        wait_for_room(consumer);
    } else {
        consumer->backoff_us = 0;
        serve_messages(consumer, consumer->open != NULL ? OPEN_WAIT_MS : IDLE_WAIT_MS);
    }
    publish_counts(consumer);
}

/* Leaving commits what is done, in on_revoked(). Close may hang, in 2.0.2 for ever. */
static void leave(struct consumer *consumer)
{
    rd_kafka_queue_t *control = rd_kafka_queue_new(consumer->handle);
    int64_t until_ms = atomic_load(&consumer->stop_until_ms);
    rd_kafka_error_t *failed = rd_kafka_consumer_close_queue(consumer->handle, control);

    consumer->is_closed = failed != NULL;
    say_refused("the group can't be left", failed);
    while (!consumer->is_closed && clock_monotonic_ms() < until_ms) {
        round_begin(consumer);
        (void)rd_kafka_queue_poll_callback(control, 20);
        sweep(consumer);
        commits_poll(consumer->commits);
        consumer->is_closed = rd_kafka_consumer_closed(consumer->handle) == 1;
        publish_counts(consumer);
    }
    if (!consumer->is_closed)
        log_warn("the group does not let us go in time: it finds out by itself");
    rd_kafka_queue_destroy(control);
}

static void *consumer_main(void *argument)
{
    struct consumer *consumer = argument;

    consumer->pulse = pulse_start("consumer", PULSE_LIMIT_MS);
    while (!atomic_load(&consumer->must_stop))
        round_of(consumer);
    leave(consumer);
    pulse_stop(consumer->pulse);
    return NULL;
}

/* ---- its life --------------------------------------------------------------------------------- */

static void set_conf(struct consumer *consumer, rd_kafka_conf_t *conf)
{
    const struct setting *kafka = consumer->settings.kafka;

    conf_default(conf, kafka, "group.id", "stepd");
    conf_default(conf, kafka, "session.timeout.ms", "6000");
    conf_default(conf, kafka, "heartbeat.interval.ms", "2000");
    conf_default(conf, kafka, "topic.metadata.refresh.interval.ms", "10000");
    conf_default(conf, kafka, "queued.min.messages", "1000000");
    conf_default(conf, kafka, "queued.max.messages.kbytes", "131072");
    conf_default(conf, kafka, "fetch.queue.backoff.ms", "5");
    conf_default(conf, kafka, "fetch.wait.max.ms", "100");
    conf_force(conf, "enable.auto.commit", "false");
    conf_force(conf, "enable.auto.offset.store", "false");
    conf_force(conf, "enable.partition.eof", "false");
    conf_force(conf, "partition.assignment.strategy", "cooperative-sticky");
    conf_force(conf, "auto.offset.reset", "error"); /* told to us: a new assignment begins then */
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, consumer);
    group_watch_add(&consumer->group, conf);
}

static int open_handle(struct consumer *consumer, struct error *ret_error)
{
    rd_kafka_conf_t *conf;
    char why[150];
    int failed = conf_create(consumer->settings.kafka, &conf, ret_error);

    if (failed != 0)
        return failed;
    set_conf(consumer, conf);
    consumer->handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    if (consumer->handle == NULL) {
        rd_kafka_conf_destroy(conf);
        return error_set(ret_error, EINVAL, "kafka: %s", why);
    }
    (void)rd_kafka_poll_set_consumer(consumer->handle);
    consumer->messages = rd_kafka_queue_new(consumer->handle);
    consumer->commits = commits_create(consumer->handle, &consumer->settings);
    consumer->scout = scout_create(consumer->handle, &consumer->settings);
    return 0;
}

int consumer_create(const struct consumer_settings *settings, struct consumer **ret_consumer, struct error *ret_error)
{
    struct consumer *consumer = xcalloc(1, sizeof(*consumer));

    consumer->settings = *settings;
    consumer->reset = reset_of(settings->kafka);
    consumer->open_last = &consumer->open;
    consumer->memory_max = (size_t)settings->queue * 4 * sizeof(struct message);
    if (consumer->memory_max < MEMORY_MIN)
        consumer->memory_max = MEMORY_MIN;
    (void)pthread_mutex_init(&consumer->lock, NULL);
    int failed = open_handle(consumer, ret_error);
    if (failed != 0) {
        consumer_destroy(consumer);
        return failed;
    }
    *ret_consumer = consumer;
    return 0;
}

static int subscribe(struct consumer *consumer, struct error *ret_error)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(4);

    for (const char *const *topic = consumer->settings.topics; *topic != NULL; topic++)
        rd_kafka_topic_partition_list_add(topics, *topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t failed = rd_kafka_subscribe(consumer->handle, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (failed != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error_set(ret_error, EINVAL, "topics: %s", rd_kafka_err2str(failed));
    return 0;
}

int consumer_start(struct consumer *consumer, struct error *ret_error)
{
    int failed = subscribe(consumer, ret_error);

    if (failed == 0)
        failed = scout_start(consumer->scout, ret_error);
    if (failed != 0)
        return failed;
    failed = pthread_create(&consumer->thread, NULL, consumer_main, consumer);
    if (failed != 0)
        return error_set(ret_error, failed, "no thread for the consumer: %s", strerror(failed));
    (void)pthread_setname_np(consumer->thread, "stepd-consumer");
    consumer->is_started = true;
    return 0;
}

void consumer_rewind(struct consumer *consumer)
{
    atomic_store(&consumer->must_rewind, true);
}

void consumer_pause(struct consumer *consumer)
{
    atomic_store(&consumer->must_pause, true);
}

void consumer_stop(struct consumer *consumer, int64_t timeout_ms)
{
    int64_t until_ms = clock_monotonic_ms() + timeout_ms;
    int64_t join_ms = until_ms + 1000;
    struct timespec until = { .tv_sec = join_ms / 1000, .tv_nsec = join_ms % 1000 * 1000000 };

    atomic_store(&consumer->stop_until_ms, until_ms);
    atomic_store(&consumer->must_stop, true);
    if (consumer->is_started && pthread_clockjoin_np(consumer->thread, NULL, CLOCK_MONOTONIC, &until) != 0)
        consumer->is_left_behind = true;
    else
        consumer->is_started = false;
    if (consumer->scout != NULL && !scout_stop(consumer->scout, 1000))
        consumer->is_left_behind = true;
    if (consumer->is_left_behind)
        log_warn("Kafka's client does not end in time: left behind");
}

/* Those that a thread stuck in a handler may still read stay. */
static void free_loads(struct consumer *consumer)
{
    sweep(consumer);
    if (consumer->open == NULL) {
        loads_done(&consumer->loads);
        takings_drop(&consumer->takings);
        hear_scout(consumer);
        while (consumer->assigned.count > 0)
            let_go(consumer, consumer->assigned.items[0]);
    }
    takings_done(&consumer->takings);
}

void consumer_destroy(struct consumer *consumer)
{
    if (consumer == NULL)
        return;
    if (consumer->is_started && !consumer->is_left_behind)
        consumer_stop(consumer, 0);
    if (consumer->is_left_behind)
        return;
    if (consumer->handle != NULL) {
        free_loads(consumer);
        commits_destroy(consumer->commits);
        scout_destroy(consumer->scout);
        free_unnamed(consumer);
        rd_kafka_queue_destroy(consumer->messages);
        if (!handle_destroy(consumer->handle, consumer->is_closed ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, DESTROY_MS))
            return; /* still used there */
    }
    free(consumer->assigned.items);
    free(consumer->views);
    (void)pthread_mutex_destroy(&consumer->lock);
    free(consumer);
}

void consumer_counts(struct consumer *consumer, struct consumer_counts *ret_counts)
{
    pthread_mutex_lock(&consumer->lock);
    *ret_counts = consumer->published;
    pthread_mutex_unlock(&consumer->lock);
}

size_t consumer_partitions(struct consumer *consumer, struct partition_view *out, size_t max)
{
    pthread_mutex_lock(&consumer->lock);
    size_t count = consumer->view_count;
    if (count > 0 && max > 0)
        memcpy(out, consumer->views, (count < max ? count : max) * sizeof(out[0]));
    pthread_mutex_unlock(&consumer->lock);
    return count;
}
