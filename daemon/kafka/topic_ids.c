/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/topic_ids.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

/* librdkafka's of 2.3, by names of ours: the header that this is compiled with may have them or not. */
struct describing {
    void *(*collection_of)(const char **names, size_t count);
    void (*collection_destroy)(void *collection);
    void (*describe)(rd_kafka_t *handle, const void *collection, const rd_kafka_AdminOptions_t *options, rd_kafka_queue_t *queue);
    const void *(*result_of)(rd_kafka_event_t *event);
    const void **(*topics_of)(const void *result, size_t *ret_count);
    const char *(*name_of)(const void *topic);
    const rd_kafka_error_t *(*error_of)(const void *topic);
    const void *(*id_of)(const void *topic);
    const void **(*partitions_of)(const void *topic, size_t *ret_count);
    int64_t (*high_of)(const void *id);
    int64_t (*low_of)(const void *id);
};

static struct describing the_calls;
static bool is_complete;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool find(const char *name, void *ret_call)
{
    void *call = dlsym(RTLD_DEFAULT, name);

    memcpy(ret_call, &call, sizeof(call)); /* ISO C has no cast from an object to a function */
    return call != NULL;
}

static void find_all(void)
{
    is_complete =
        find("rd_kafka_TopicCollection_of_topic_names", &the_calls.collection_of) &&
        find("rd_kafka_TopicCollection_destroy", &the_calls.collection_destroy) && find("rd_kafka_DescribeTopics", &the_calls.describe) &&
        find("rd_kafka_event_DescribeTopics_result", &the_calls.result_of) &&
        find("rd_kafka_DescribeTopics_result_topics", &the_calls.topics_of) && find("rd_kafka_TopicDescription_name", &the_calls.name_of) &&
        find("rd_kafka_TopicDescription_error", &the_calls.error_of) &&
        find("rd_kafka_TopicDescription_partitions", &the_calls.partitions_of) &&
        find("rd_kafka_TopicDescription_topic_id", &the_calls.id_of) && find("rd_kafka_Uuid_most_significant_bits", &the_calls.high_of) &&
        find("rd_kafka_Uuid_least_significant_bits", &the_calls.low_of);
}

bool topic_ids_are_told(void)
{
    (void)pthread_once(&once, find_all);
    return is_complete;
}

static void note(const void *topic, const char *const *names, struct topic_seen *seen)
{
    const rd_kafka_error_t *error = the_calls.error_of(topic);
    const void *id = the_calls.id_of(topic);
    size_t at = 0;

    while (names[at] != NULL && strcmp(names[at], the_calls.name_of(topic)) != 0)
        at++;
    if (names[at] == NULL)
        return;
    if (error != NULL && rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        seen[at].is_missing = true;
    if (error != NULL || id == NULL)
        return;
    seen[at].id = (struct topic_id){ the_calls.high_of(id), the_calls.low_of(id) };
    (void)the_calls.partitions_of(topic, &seen[at].partitions);
}

static bool note_all(rd_kafka_event_t *event, const char *const *names, struct topic_seen *seen)
{
    size_t count;

    if (event == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR || the_calls.result_of(event) == NULL)
        return false;
    const void **topics = the_calls.topics_of(the_calls.result_of(event), &count);
    for (size_t i = 0; i < count; i++)
        note(topics[i], names, seen);
    return true;
}

bool topic_ids_ask(rd_kafka_t *handle, const char *const *names, struct topic_seen *seen, int timeout_ms)
{
    size_t count = 0;

    if (!topic_ids_are_told())
        return false;
    while (names[count] != NULL)
        count++;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(handle);
    void *collection = the_calls.collection_of((const char **)(uintptr_t)names, count);
    the_calls.describe(handle, collection, NULL, queue);
    the_calls.collection_destroy(collection);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms);
    bool is_answered = note_all(event, names, seen);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    return is_answered;
}
