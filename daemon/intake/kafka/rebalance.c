/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions come and go. */
#include "intake/kafka/consumer_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"

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
        consumer_end_if_dead(consumer);
        rd_kafka_resp_err_t failed = rd_kafka_committed(consumer->handle, list, ASK_TIMEOUT_MS);
        for (int i = 0; failed == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++)
            failed = list->elems[i].err;
        if (failed == RD_KAFKA_RESP_ERR_NO_ERROR)
            return true;
        log_warn("the brokers do not tell the committed offsets (%s): stepd asks again", rd_kafka_err2str(failed));
        pulse_beat_here();
        (void)nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
    }
    return false;
}

static void on_assigned(struct consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_topic_partition_list_t *committed = rd_kafka_topic_partition_list_copy(list);

    assert_thread(&consumer->thread);
    log_partitions("partitions assigned:", list);
    consumer->is_joined = true;
    if (list->cnt > 0 && fetch_committed(consumer, committed)) {
        struct places places = reading_places_ask(consumer, list);
        for (int i = 0; i < list->cnt; i++) {
            const rd_kafka_topic_partition_t *from =
                rd_kafka_topic_partition_list_find(committed, list->elems[i].topic, list->elems[i].partition);
            struct partition *partition = reading_begin(consumer, from, &places);
            list->elems[i].offset = partition->start;
            assigned_forward(consumer, partition);
            assigned_take_up(consumer, partition);
        }
        reading_places_done(&places);
    }
    rd_kafka_topic_partition_list_destroy(committed);
    reading_say_refused("assignment refused", rd_kafka_incremental_assign(consumer->handle, list));
}

static bool is_running(const struct consumer *consumer)
{
    for (const struct load *load = consumer->open; load != NULL; load = load->next) {
        for (unsigned i = 0; i < load->batch.count; i++) {
            const struct message *message = &load->batch.messages[i];
            if (message_is_running(message) && atomic_load(&message->assignment->is_revoked))
                return true;
        }
    }
    return false;
}

/* What was handed over of other partitions goes on meanwhile; librdkafka fetches nothing until we answer. */
static void drain(struct consumer *consumer)
{
    int64_t until_ms = consumer->now_ms + consumer->settings.drain_timeout_ms;

    assert_thread(&consumer->thread);
    while (is_running(consumer) && consumer->now_ms < until_ms) {
        consumer->settings.batches->ops->nudge(consumer->settings.batches);
        (void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        consumer_round_begin(consumer);
        intake_sweep(consumer);
        consumer_publish_counts(consumer);
    }
    if (is_running(consumer))
        log_warn("attempts of revoked partitions still run after %" PRId64 " ms: their messages come again elsewhere",
                 consumer->settings.drain_timeout_ms);
}

static void on_revoked(struct consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
    bool is_lost = rd_kafka_assignment_lost(consumer->handle);
    struct partition_list gone = { 0 };

    assert_thread(&consumer->thread);
    log_partitions(is_lost ? "partitions lost:" : "partitions revoked:", list);
    for (int i = 0; i < list->cnt; i++) {
        struct partition *partition = partition_list_find(&consumer->assigned, list->elems[i].topic, list->elems[i].partition);
        if (partition == NULL)
            continue;
        assigned_let_go(consumer, partition);
        partition_list_add(&gone, partition);
    }
    if (!is_lost && gone.count > 0) {
        drain(consumer);
        intake_settle_open(consumer);
        commits_now(consumer->commits, gone.items, gone.count, ASK_TIMEOUT_MS);
    }
    free(gone.items);
    reading_say_refused("revocation refused", rd_kafka_incremental_unassign(consumer->handle, list));
}

void rebalance_on_change(rd_kafka_t *handle, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct consumer *consumer = opaque;

    (void)handle;
    consumer_round_begin(consumer);
    consumer->counts.rebalances++;
    if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        on_assigned(consumer, list);
    else
        on_revoked(consumer, list);
    consumer_round_begin(consumer);
    consumer->committed_ms = consumer->now_ms;
}
