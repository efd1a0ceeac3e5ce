/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/kafka/boundaries.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "intake/kafka/aside.h"
#include "intake/kafka/ends.h"
#include "kafka/handle.h"

#define ASK_MS 5000
#define PARTITIONS_MS 10000 /* so long a topic has the partitions that it had; a new one has no end that counts */
#define PAUSE_MS 200
#define END_MS 3000

void boundaries_init(struct boundaries *boundaries, const struct setting *kafka, const char *const *topics)
{
    boundaries->kafka = kafka;
    boundaries->topics = topics;
    lock_init(&boundaries->lock);
    condition_init(&boundaries->answered);
    msgpack_sbuffer_init(&boundaries->answer);
}

void boundaries_done(struct boundaries *boundaries)
{
    {
        LOCK_GUARD(&boundaries->lock);
        if (boundaries->is_asking)
            return; /* the thread of an attempt that was left behind is still in there */
    }
    if (boundaries->handle != NULL)
        (void)handle_destroy(boundaries->handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, END_MS);
    if (boundaries->known != NULL)
        rd_kafka_topic_partition_list_destroy(boundaries->known);
    msgpack_sbuffer_destroy(&boundaries->answer);
    condition_done(&boundaries->answered);
    lock_done(&boundaries->lock);
}

void boundaries_stop(struct boundaries *boundaries)
{
    LOCK_GUARD(&boundaries->lock);
    boundaries->is_stopping = true;
    condition_wake_all(&boundaries->answered);
}

/* ---- the question (whoever asks, alone) ----------------------------------------------------------- */

static bool open_handle(struct boundaries *boundaries)
{
    struct error error = { 0 };

    if (boundaries->handle != NULL || aside_open(boundaries->kafka, &boundaries->handle, &error) == 0)
        return true;
    log_error("runs can't begin to wait for events: %s", error.text);
    return false;
}

/* Nobody reads by it: what librdkafka says there of brokers that are away, the live one hears as well. */
static void drop_news(const struct boundaries *boundaries)
{
    rd_kafka_message_t *message;

    while ((message = rd_kafka_consumer_poll(boundaries->handle, 0)) != NULL)
        rd_kafka_message_destroy(message);
}

static void add_partitions(const struct boundaries *boundaries, const struct rd_kafka_metadata *metadata,
                           rd_kafka_topic_partition_list_t *list)
{
    for (const char *const *topic = boundaries->topics; *topic != NULL; topic++) {
        for (int i = 0; i < metadata->topic_cnt; i++) {
            if (strcmp(metadata->topics[i].topic, *topic) != 0)
                continue;
            for (int32_t id = 0; id < metadata->topics[i].partition_cnt; id++)
                rd_kafka_topic_partition_list_add(list, *topic, id);
        }
    }
}

static bool look_for_partitions(struct boundaries *boundaries)
{
    const struct rd_kafka_metadata *metadata = NULL;

    assert(!lock_is_held(&boundaries->lock)); /* the brokers may take their time */
    if (boundaries->known != NULL && clock_monotonic_ms() - boundaries->known_ms < PARTITIONS_MS)
        return true;
    if (rd_kafka_metadata(boundaries->handle, 1, NULL, &metadata, ASK_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    if (boundaries->known != NULL)
        rd_kafka_topic_partition_list_destroy(boundaries->known);
    boundaries->known = rd_kafka_topic_partition_list_new(8);
    add_partitions(boundaries, metadata, boundaries->known);
    boundaries->known_ms = clock_monotonic_ms();
    rd_kafka_metadata_destroy(metadata);
    return true;
}

static size_t count_of_topic(const rd_kafka_topic_partition_list_t *list, int from)
{
    size_t count = 0;

    assert(from < list->cnt);
    for (int i = from; i < list->cnt && strcmp(list->elems[i].topic, list->elems[from].topic) == 0; i++)
        count++;
    return count;
}

static void pack(const rd_kafka_topic_partition_list_t *list, msgpack_sbuffer *answer)
{
    size_t topics = 0;
    msgpack_packer packer;

    for (int i = 0; i < list->cnt; i += (int)count_of_topic(list, i))
        topics++;
    msgpack_sbuffer_clear(answer);
    msgpack_packer_init(&packer, answer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, topics);
    for (int i = 0; i < list->cnt;) {
        size_t count = count_of_topic(list, i);
        msgpack_pack_str_with_body(&packer, list->elems[i].topic, strlen(list->elems[i].topic));
        msgpack_pack_array(&packer, count);
        for (; count > 0; count--)
            msgpack_pack_int64(&packer, list->elems[i++].offset);
    }
}

static bool are_all_known(const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++)
        if (list->elems[i].offset < 0)
            return false;
    return true;
}

/* False: some broker does not answer now. */
static bool ask_brokers(struct boundaries *boundaries, msgpack_sbuffer *answer)
{
    if (!open_handle(boundaries))
        return false;
    drop_news(boundaries);
    if (!look_for_partitions(boundaries))
        return false;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_copy(boundaries->known);
    ends_ask(boundaries->handle, list, RD_KAFKA_OFFSET_END, ASK_MS);
    bool is_whole = are_all_known(list);
    if (is_whole)
        pack(list, answer);
    rd_kafka_topic_partition_list_destroy(list);
    return is_whole;
}

/* ---- those who ask -------------------------------------------------------------------------------- */

/* The lock is let go of meanwhile. */
static void ask_for_all(struct boundaries *boundaries)
{
    msgpack_sbuffer answer;

    assert(!boundaries->is_asking);
    assert_held(&boundaries->lock);
    boundaries->is_asking = true;
    uint64_t question = ++boundaries->begun;
    lock_give(&boundaries->lock);
    msgpack_sbuffer_init(&answer);
    bool is_answered = ask_brokers(boundaries, &answer);
    lock_take(&boundaries->lock);
    boundaries->is_asking = false;
    if (is_answered) {
        boundaries->ended = question;
        msgpack_sbuffer_clear(&boundaries->answer);
        msgpack_sbuffer_write(&boundaries->answer, answer.data, answer.size);
    }
    msgpack_sbuffer_destroy(&answer);
    condition_wake_all(&boundaries->answered);
    if (!is_answered && !boundaries->is_stopping)
        (void)condition_wait_until(&boundaries->answered, &boundaries->lock, clock_monotonic_ms() + PAUSE_MS);
}

int boundaries_ask(struct boundaries *boundaries, msgpack_sbuffer *ret_boundary)
{
    LOCK_GUARD(&boundaries->lock);
    uint64_t before = boundaries->begun; /* what has begun by now may be too old */

    while (boundaries->ended <= before && !boundaries->is_stopping) {
        if (boundaries->is_asking)
            condition_wait(&boundaries->answered, &boundaries->lock);
        else
            ask_for_all(boundaries);
    }
    if (boundaries->is_stopping)
        return -ESHUTDOWN;
    msgpack_sbuffer_write(ret_boundary, boundaries->answer.data, boundaries->answer.size);
    return 0;
}
