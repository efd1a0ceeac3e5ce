/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/kafka/consumer_internal.h"

#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"

void partition_list_add(struct partition_list *list, struct partition *partition)
{
    assert(list->count <= list->room);
    if (list->count == list->room) {
        list->room = list->room == 0 ? 16 : list->room * 2;
        list->items = xrealloc(list->items, list->room * sizeof(list->items[0]));
    }
    list->items[list->count++] = partition;
}

struct partition *partition_list_find(const struct partition_list *list, const char *topic, int32_t id)
{
    for (size_t i = 0; i < list->count; i++) {
        struct partition *partition = list->items[i];
        if (partition->assignment.partition == id && strcmp(partition->assignment.topic, topic) == 0)
            return partition;
    }
    return NULL;
}

struct partition *assigned_partition_of(struct consumer *consumer, const rd_kafka_message_t *message)
{
    assert_thread(&consumer->thread);
    if (consumer->last.topic == message->rkt && consumer->last.id == message->partition && message->rkt != NULL)
        return consumer->last.partition;
    if (message->rkt == NULL)
        return NULL;
    struct partition *partition = partition_list_find(&consumer->assigned, rd_kafka_topic_name(message->rkt), message->partition);
    consumer->last.topic = message->rkt;
    consumer->last.id = message->partition;
    consumer->last.partition = partition;
    return partition;
}

struct log_fields assigned_log_fields(const struct partition *partition, int64_t offset)
{
    struct log_fields fields = LOG_FIELDS_NONE;

    fields.topic = partition->assignment.topic;
    fields.partition = partition->assignment.partition;
    fields.offset = offset;
    return fields;
}

void assigned_forward(struct consumer *consumer, const struct partition *partition)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(consumer->handle, partition->assignment.topic, partition->assignment.partition);

    assert_thread(&consumer->thread);
    assert(queue != NULL);
    rd_kafka_queue_forward(queue, consumer->messages);
    rd_kafka_queue_destroy(queue);
}

void assigned_take_off(struct consumer *consumer, const struct partition *partition)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(consumer->handle, partition->assignment.topic, partition->assignment.partition);

    assert_thread(&consumer->thread);
    assert(queue != NULL);
    rd_kafka_queue_forward(queue, NULL);
    rd_kafka_queue_destroy(queue);
}

static bool is_framed(const struct consumer *consumer, const struct partition *partition)
{
    const struct schema_port *port = &consumer->settings.schemas;

    return port->reads_topic != NULL && port->reads_topic(port->context, partition->assignment.topic);
}

void assigned_take_up(struct consumer *consumer, struct partition *partition)
{
    assert_thread(&consumer->thread);
    partition->is_framed = is_framed(consumer, partition);
    partition->assignment.must_rewind = &consumer->must_rewind;
    partition_list_add(&consumer->assigned, partition);
    consumer->last.topic = NULL;
    consumer->asked_all_ms = 0; /* soon: whether it is made anew shows by what it was at first */
    consumer->loading++;
    partition->holders++;
    lookups_load(consumer->lookups, partition);
}

void assigned_let_go(struct consumer *consumer, struct partition *partition)
{
    assert_thread(&consumer->thread);
    for (size_t i = 0; i < consumer->assigned.count; i++) {
        if (consumer->assigned.items[i] != partition)
            continue;
        consumer->assigned.items[i] = consumer->assigned.items[--consumer->assigned.count];
        break;
    }
    schemas_let_go(consumer, partition);
    room_let_go(consumer, partition);
    assignment_revoke(&partition->assignment);
    consumer->settings.batches->ops->drop_revoked(consumer->settings.batches);
    partition->next = consumer->revoked;
    consumer->revoked = partition;
    consumer->last.topic = NULL;
    consumer->must_count_loading = true;
}

void assigned_free_unnamed(struct consumer *consumer)
{
    assert_thread(&consumer->thread);
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

void assigned_hear_lookups(struct consumer *consumer)
{
    struct partition *partition;

    assert_thread(&consumer->thread);
    while ((partition = lookups_take_back(consumer->lookups)) != NULL) {
        assert(partition->holders > 0);
        partition->holders--;
        consumer->must_count_loading = true;
    }
    if (!consumer->must_count_loading)
        return;
    consumer->must_count_loading = false;
    consumer->loading = 0;
    for (size_t i = 0; i < consumer->assigned.count; i++)
        consumer->loading += !atomic_load(&consumer->assigned.items[i]->is_loaded);
    consumer->loaded_ms = consumer->now_ms;
}

rd_kafka_topic_partition_list_t *partition_list_names(const struct partition_list *partitions)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)partitions->count);

    for (size_t i = 0; i < partitions->count; i++)
        rd_kafka_topic_partition_list_add(list, partitions->items[i]->assignment.topic, partitions->items[i]->assignment.partition);
    return list;
}

static struct look *look_of(struct consumer *consumer)
{
    return look_create(partition_list_names(&consumer->assigned), consumer->now_ms);
}

void assigned_ask_ends(struct consumer *consumer)
{
    struct look *look = look_of(consumer);

    assert_thread(&consumer->thread);
    (void)lookups_ask(consumer->lookups, &look);
    consumer->asked_ms = consumer->now_ms;
}

void assigned_ask_all(struct consumer *consumer)
{
    struct look *look = look_of(consumer);

    assert_thread(&consumer->thread);
    anew_prepare(consumer, look);
    if (!lookups_ask(consumer->lookups, &look))
        return; /* at the next watch */
    anew_asked(consumer);
    consumer->asked_ms = consumer->asked_all_ms = consumer->now_ms;
}

void assigned_hear_answer(struct consumer *consumer)
{
    struct look *look = lookups_take_answer(consumer->lookups);

    assert_thread(&consumer->thread);
    if (look == NULL)
        return;
    for (int i = 0; i < look->ends->cnt; i++) {
        const rd_kafka_topic_partition_t *entry = &look->ends->elems[i];
        struct partition *partition = partition_list_find(&consumer->assigned, entry->topic, entry->partition);
        if (partition != NULL && entry->offset > partition->end)
            partition->end = entry->offset;
    }
    anew_hear(consumer, look);
    look_destroy(look);
}
