/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/kafka/look.h"

#include <stdlib.h>

#include "base/memory.h"
#include "intake/kafka/ends.h"

struct look *look_create(rd_kafka_topic_partition_list_t *ends, int64_t now_ms)
{
    struct look *look = xcalloc(1, sizeof(*look));

    look->asked_ms = now_ms;
    look->ends = ends;
    return look;
}

static void list_destroy(rd_kafka_topic_partition_list_t *list)
{
    if (list != NULL)
        rd_kafka_topic_partition_list_destroy(list);
}

void look_destroy(struct look *look)
{
    if (look == NULL)
        return;
    list_destroy(look->ends);
    list_destroy(look->beginnings);
    list_destroy(look->since);
    free(look->topics);
    free(look);
}

static void ask_topics(struct look *look, rd_kafka_t *handle, const char *const *names, int timeout_ms)
{
    size_t count = 0;

    while (names[count] != NULL)
        count++;
    look->topics = xcalloc(count + 1, sizeof(*look->topics));
    if (topic_ids_ask(handle, names, look->topics, timeout_ms))
        return;
    free(look->topics);
    look->topics = NULL;
}

void look_run(struct look *look, rd_kafka_t *handle, rd_kafka_t *by_id, const char *const *names, int timeout_ms)
{
    if (look->wants_topics)
        ask_topics(look, by_id, names, timeout_ms);
    ends_ask(handle, look->ends, RD_KAFKA_OFFSET_END, timeout_ms);
    if (look->beginnings != NULL)
        ends_ask(handle, look->beginnings, RD_KAFKA_OFFSET_BEGINNING, timeout_ms);
    if (look->since != NULL)
        ends_ask_since(handle, look->since, timeout_ms);
}
