/* SPDX-License-Identifier: Apache-2.0 */
/* What comes is handed over in loads; what has ended comes back out of them. */
#include "intake/kafka/consumer_internal.h"

#define DROPPED_MS 2000     /* until what was dropped is read again */
#define ROUND_MESSAGES 4096 /* served before anything else is looked at */
#define BURST_MESSAGES 256  /* as many wait: they fill a large load, whose memory is taken until the last of them has ended */
#define SWEPT_A_MS 1024     /* loads: more are not looked at so often that it takes much of the thread's time */
#define SLEEP_MESSAGES 1000 /* with fewer no queue is full */

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
    if (consumer->takings.count == 0 && consumer->knowns.count == 0)
        return;
    int64_t kept_ms = store_kept_ms(consumer);
    if (atomic_load(&consumer->must_rewind)) /* looked at after: who asks for it does so before the store answers again */
        return;
    takings_finish(&consumer->takings, kept_ms);
    takings_finish(&consumer->knowns, kept_ms);
}

static void note_dropped(const struct consumer *consumer, struct partition *partition)
{
    if (!atomic_load(&partition->assignment.is_revoked) && atomic_load(&partition->assignment.lacks) == 0 && partition->again_ms == 0)
        partition->again_ms = consumer->now_ms + DROPPED_MS;
}

static void settle(struct consumer *consumer, struct message *message)
{
    enum message_state state = message_state(message);

    if (message->is_settled || state < MESSAGE_DONE)
        return;
    message->is_settled = true;
    if (state == MESSAGE_DONE)
        offsets_finish(partition_of(message)->offsets, message->event.view.offset);
    else if (state == MESSAGE_KNOWN)
        takings_add(&consumer->knowns, partition_of(message), message->event.view.offset, consumer->loaded_ms);
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
    if (batch_is_mixed(&load->batch)) {
        settle_all(consumer, load);
    } else {
        for (unsigned i = 0; i < load->span_count; i++)
            offsets_finish_range(load->spans[i].partition->offsets, load->spans[i].first, load->spans[i].last);
    }
    for (unsigned i = 0; i < load->span_count; i++)
        load->spans[i].partition->holders--;
    consumer->memory -= load->size;
    loads_give(load);
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

bool intake_is_held_back(const struct consumer *consumer)
{
    return consumer->is_full || consumer->loading > 0 || atomic_load(&consumer->must_pause) || atomic_load(&consumer->must_rewind);
}

void intake_sweep(struct consumer *consumer)
{
    size_t in_flight = 0, away = 0, count = 0;
    struct load **at = &consumer->open;

    assert_thread(&consumer->thread);
    while (*at != NULL) {
        struct load *load = *at;
        unsigned open = batch_open_count(&load->batch);
        if (open > 0) {
            unsigned gone = batch_away_count(&load->batch);
            gone = gone < open ? gone : open;
            in_flight += open - gone;
            away += gone;
            count++;
            at = &load->next;
            continue;
        }
        *at = load->next;
        load_ended(consumer, load);
    }
    consumer->open_last = at;
    consumer->in_flight = in_flight;
    consumer->away = away;
    consumer->open_count = count;
    consumer->swept_ms = consumer->now_ms;
    look_whether_full(consumer);
}

/* Thousands of loads may be open, of runs that take their time, while every message that comes makes a round. */
void intake_sweep_at_times(struct consumer *consumer)
{
    if (consumer->is_full || consumer->now_ms - consumer->swept_ms >= (int64_t)(consumer->open_count / SWEPT_A_MS))
        intake_sweep(consumer);
}

void intake_settle_open(struct consumer *consumer)
{
    assert_thread(&consumer->thread);

    intake_sweep(consumer);
    for (struct load *load = consumer->open; load != NULL; load = load->next)
        settle_all(consumer, load);
    finish_takings(consumer);
}

/* ---- what comes ------------------------------------------------------------------------------- */

void intake_push(struct consumer *consumer)
{
    struct load *load = consumer->filling;

    assert_thread(&consumer->thread);
    if (load == NULL)
        return;
    consumer->filling = NULL;
    for (unsigned i = 0; i < load->span_count; i++)
        load->spans[i].partition->holders++;
    consumer->memory += load->size;
    load->next = NULL;
    *consumer->open_last = load;
    consumer->open_last = &load->next;
    batch_begin(&load->batch);
    consumer->settings.batches->ops->take_batch(consumer->settings.batches, &load->batch);
}

/* Of those that are not taken, too: they have been read. */
static void note_time(struct partition *partition, const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;
    int64_t time_ms = rd_kafka_message_timestamp(message, &type);

    if (time_ms > partition->youngest_ms)
        partition->youngest_ms = time_ms;
}

void intake_on_message(rd_kafka_message_t *message, void *opaque)
{
    struct consumer *consumer = opaque;

    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        reading_on_error(consumer, message);
        return;
    }
    struct partition *partition = assigned_partition_of(consumer, message);
    if (partition == NULL || partition->is_seeking)
        return; /* no longer ours, or comes again */
    note_time(partition, message);
    rd_kafka_headers_t *headers;
    struct schema *schema;
    size_t bytes = load_bytes_of(message, &headers);
    if (!schemas_may_take(consumer, partition, message, headers, &schema))
        return; /* comes again */
    if (!offsets_start(partition->offsets, message->offset)) {
        schema_release(schema);
        return; /* seen already */
    }
    if (consumer->filling != NULL && !load_has_room(consumer->filling, bytes))
        intake_push(consumer);
    if (consumer->filling == NULL)
        consumer->filling = loads_take(&consumer->loads, bytes, consumer->is_burst, consumer->round);
    load_add(consumer->filling, partition, message, headers, schema);
    schema_release(schema);
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
    assigned_ask_ends(consumer);
}

void intake_serve(struct consumer *consumer, int wait_ms)
{
    size_t queued = rd_kafka_queue_length(consumer->messages);

    assert_thread(&consumer->thread);
    consumer->round = 0;
    consumer->is_burst = queued >= BURST_MESSAGES && consumer->memory < consumer->memory_max / 2;
    keep_awake(consumer, queued);
    (void)rd_kafka_consume_callback_queue(consumer->messages, wait_ms, intake_on_message, consumer);
    intake_push(consumer);
    consumer->counts.events_consumed += consumer->round;
    if (consumer->round > 0)
        consumer->came_ms = consumer->now_ms;
}
