/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/group.h"

#include <errno.h>

#include "base/clock.h"

#define ANSWER_MS 15000
#define DOWN_MS 3000 /* no broker at all for that long: given up sooner */

/* ---- one question --------------------------------------------------------------------------------- */

/* NULL: nobody answers. What comes later goes with the queue. */
static rd_kafka_event_t *wait_for(struct kafka *kafka, rd_kafka_queue_t *queue)
{
    const int64_t began_ms = clock_monotonic_ms();

    for (;;) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 100);
        if (event != NULL)
            return event;
        (void)rd_kafka_poll(kafka->handle, 0);
        int64_t waited_ms = clock_monotonic_ms() - began_ms;
        if (waited_ms > ANSWER_MS || (kafka->is_down && waited_ms > DOWN_MS))
            return NULL;
    }
}

/* 0, and an event that answers; the caller destroys it. */
static int answer(struct kafka *kafka, rd_kafka_queue_t *queue, const char *id, rd_kafka_event_t **ret_event, struct error *ret_error)
{
    rd_kafka_event_t *event = wait_for(kafka, queue);

    if (event == NULL)
        return kafka_unreachable(kafka, ret_error);
    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        *ret_event = event;
        return 0;
    }
    int status = error_set(ret_error, EIO, "group %s: %s", id, rd_kafka_event_error_string(event));
    rd_kafka_event_destroy(event);
    return status;
}

static int refused(const char *id, const rd_kafka_error_t *error, struct error *ret_error)
{
    return error == NULL ? 0 : error_set(ret_error, EIO, "group %s: %s", id, rd_kafka_error_string(error));
}

/* ---- its members ----------------------------------------------------------------------------------- */

/* Brokers say of a group that they do not know either that it is dead, or that there is none. */
static bool is_unknown(const rd_kafka_error_t *error)
{
    return error != NULL && rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND;
}

static int members_of(const rd_kafka_event_t *event, const char *id, size_t *ret_count, struct error *ret_error)
{
    size_t count;
    const rd_kafka_ConsumerGroupDescription_t **groups = rd_kafka_DescribeConsumerGroups_result_groups(
        rd_kafka_event_DescribeConsumerGroups_result((rd_kafka_event_t *)(uintptr_t)event), &count);
    const rd_kafka_error_t *error = count > 0 ? rd_kafka_ConsumerGroupDescription_error(groups[0]) : NULL;

    if (count == 0 || is_unknown(error))
        *ret_count = 0;
    else if (error == NULL)
        *ret_count = rd_kafka_ConsumerGroupDescription_member_count(groups[0]);
    else
        return refused(id, error, ret_error);
    return 0;
}

int group_members(struct kafka *kafka, const char *id, size_t *ret_count, struct error *ret_error)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka->handle);
    rd_kafka_event_t *event;

    rd_kafka_DescribeConsumerGroups(kafka->handle, &id, 1, NULL, queue);
    int status = answer(kafka, queue, id, &event, ret_error);
    if (status == 0) {
        status = members_of(event, id, ret_count, ret_error);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    return status;
}

/* ---- its offsets ----------------------------------------------------------------------------------- */

/* Partitions without an offset are left out. */
static int list_of(const rd_kafka_group_result_t *group, const char *id, rd_kafka_topic_partition_list_t **ret_list,
                   struct error *ret_error)
{
    const rd_kafka_topic_partition_list_t *found = rd_kafka_group_result_partitions(group);
    int status = refused(id, rd_kafka_group_result_error(group), ret_error);

    if (status != 0)
        return status;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(found != NULL ? found->cnt : 0);
    for (int i = 0; found != NULL && i < found->cnt; i++) {
        const rd_kafka_topic_partition_t *from = &found->elems[i];
        if (from->err != RD_KAFKA_RESP_ERR_NO_ERROR || from->offset < 0)
            continue;
        rd_kafka_topic_partition_t *to = rd_kafka_topic_partition_list_add(list, from->topic, from->partition);
        to->offset = from->offset;
        if (from->metadata_size == 0)
            continue;
        to->metadata = xmemdup(from->metadata, from->metadata_size); /* the list frees it */
        to->metadata_size = from->metadata_size;
    }
    *ret_list = list;
    return 0;
}

int group_offsets(struct kafka *kafka, const char *id, rd_kafka_topic_partition_list_t **ret_list, struct error *ret_error)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka->handle);
    rd_kafka_ListConsumerGroupOffsets_t *question = rd_kafka_ListConsumerGroupOffsets_new(id, NULL);
    rd_kafka_event_t *event;

    rd_kafka_ListConsumerGroupOffsets(kafka->handle, &question, 1, NULL, queue);
    int status = answer(kafka, queue, id, &event, ret_error);
    if (status == 0) {
        size_t count;
        const rd_kafka_group_result_t **groups =
            rd_kafka_ListConsumerGroupOffsets_result_groups(rd_kafka_event_ListConsumerGroupOffsets_result(event), &count);
        status = count > 0 ? list_of(groups[0], id, ret_list, ret_error) : error_set(ret_error, EIO, "group %s: no answer", id);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_ListConsumerGroupOffsets_destroy(question);
    rd_kafka_queue_destroy(queue);
    return status;
}

/* The first partition that was refused. */
static int check_each(const rd_kafka_group_result_t *group, const char *id, struct error *ret_error)
{
    const rd_kafka_topic_partition_list_t *list = rd_kafka_group_result_partitions(group);
    int status = refused(id, rd_kafka_group_result_error(group), ret_error);

    for (int i = 0; list != NULL && i < list->cnt && status == 0; i++)
        if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR)
            status = error_set(ret_error, EIO, "group %s, %s [%d]: %s", id, list->elems[i].topic, (int)list->elems[i].partition,
                               rd_kafka_err2str(list->elems[i].err));
    return status;
}

int group_commit(struct kafka *kafka, const char *id, const rd_kafka_topic_partition_list_t *list, struct error *ret_error)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka->handle);
    rd_kafka_AlterConsumerGroupOffsets_t *change = rd_kafka_AlterConsumerGroupOffsets_new(id, list);
    rd_kafka_event_t *event;

    rd_kafka_AlterConsumerGroupOffsets(kafka->handle, &change, 1, NULL, queue);
    int status = answer(kafka, queue, id, &event, ret_error);
    if (status == 0) {
        size_t count;
        const rd_kafka_group_result_t **groups =
            rd_kafka_AlterConsumerGroupOffsets_result_groups(rd_kafka_event_AlterConsumerGroupOffsets_result(event), &count);
        status = count > 0 ? check_each(groups[0], id, ret_error) : error_set(ret_error, EIO, "group %s: no answer", id);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_AlterConsumerGroupOffsets_destroy(change);
    rd_kafka_queue_destroy(queue);
    return status;
}
