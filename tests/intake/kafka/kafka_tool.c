/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests ask of a broker and kcat can't do, or not in one go:
 *   kafka_tool BROKER create TOPIC PARTITIONS [KEY=VALUE]...
 *   kafka_tool BROKER delete TOPIC
 *   kafka_tool BROKER delete-before TOPIC PARTITION OFFSET      the records below it
 *   kafka_tool BROKER produce TOPIC PARTITION FIRST COUNT SIZE  values FIRST, FIRST+1 …, padded to SIZE
 *   kafka_tool BROKER transaction TOPIC PARTITION FIRST COUNT commit|abort
 *   kafka_tool BROKER committed GROUP TOPIC                     lines: PARTITION OFFSET METADATA
 *   kafka_tool BROKER commit GROUP TOPIC PARTITION OFFSET [METADATA]
 *   kafka_tool BROKER ends TOPIC                                lines: PARTITION LOW HIGH
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_MS 30000
#define PARTITIONS_MAX 64

static const char *the_broker;

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "kafka_tool: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static void check(const char *what, rd_kafka_resp_err_t error)
{
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        die(what, rd_kafka_err2str(error));
}

static void check_error(const char *what, rd_kafka_error_t *error)
{
    if (error != NULL)
        die(what, rd_kafka_error_string(error));
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[200];

    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK)
        die(name, why);
}

static void on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    (void)handle;
    (void)opaque;
    if (message->err != RD_KAFKA_RESP_ERR__PURGE_QUEUE && message->err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        check("delivery", message->err);
}

static rd_kafka_t *open_handle(rd_kafka_type_t type, const char *name, const char *value)
{
    char why[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    set(conf, "bootstrap.servers", the_broker);
    set(conf, "log_level", "2");
    if (name != NULL)
        set(conf, name, value);
    if (type == RD_KAFKA_PRODUCER) {
        set(conf, "enable.idempotence", "true");
        set(conf, "queue.buffering.max.messages", "1000000");
        set(conf, "queue.buffering.max.kbytes", "1048576");
        set(conf, "message.max.bytes", "100000000");
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    }
    rd_kafka_t *handle = rd_kafka_new(type, conf, why, sizeof(why));
    if (handle == NULL)
        die("rd_kafka_new", why);
    return handle;
}

/* ---- admin ------------------------------------------------------------------------------------ */

static void check_topics(const char *what, const rd_kafka_topic_result_t **results, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check(what, rd_kafka_topic_result_error(results[i]));
}

static rd_kafka_event_t *answer(rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, TIMEOUT_MS);

    if (event == NULL)
        die("admin", "no answer");
    check("admin", rd_kafka_event_error(event));
    return event;
}

static void create(const char *topic, int partitions, char *const *settings, int count)
{
    char why[200];
    size_t results;
    rd_kafka_t *handle = open_handle(RD_KAFKA_PRODUCER, NULL, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(handle);
    rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(topic, partitions, -1, why, sizeof(why)); /* replicas: the broker's default */

    for (int i = 0; i < count; i++) {
        char *value = strchr(settings[i], '=');
        if (value == NULL)
            die(settings[i], "wants KEY=VALUE");
        *value = '\0';
        check(settings[i], rd_kafka_NewTopic_set_config(wanted, settings[i], value + 1));
    }
    rd_kafka_CreateTopics(handle, &wanted, 1, NULL, queue);
    rd_kafka_event_t *event = answer(queue);
    const rd_kafka_topic_result_t **made = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &results);
    check_topics("create", made, results);
    rd_kafka_event_destroy(event);
    rd_kafka_NewTopic_destroy(wanted);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(handle);
}

static void delete_topic(const char *topic)
{
    size_t results;
    rd_kafka_t *handle = open_handle(RD_KAFKA_PRODUCER, NULL, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(handle);
    rd_kafka_DeleteTopic_t *unwanted = rd_kafka_DeleteTopic_new(topic);

    rd_kafka_DeleteTopics(handle, &unwanted, 1, NULL, queue);
    rd_kafka_event_t *event = answer(queue);
    const rd_kafka_topic_result_t **gone = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &results);
    check_topics("delete", gone, results);
    rd_kafka_event_destroy(event);
    rd_kafka_DeleteTopic_destroy(unwanted);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(handle);
}

static void delete_before(const char *topic, int partition, int64_t offset)
{
    rd_kafka_t *handle = open_handle(RD_KAFKA_PRODUCER, NULL, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(handle);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
    rd_kafka_DeleteRecords_t *records = rd_kafka_DeleteRecords_new(list);
    rd_kafka_DeleteRecords(handle, &records, 1, NULL, queue);
    rd_kafka_event_destroy(answer(queue));
    rd_kafka_DeleteRecords_destroy(records);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(handle);
}

/* ---- producing -------------------------------------------------------------------------------- */

static void produce_one(rd_kafka_t *handle, const char *topic, int partition, long number, size_t size)
{
    char text[32];
    int length = snprintf(text, sizeof(text), "%ld", number);
    size_t padded = size > (size_t)length ? size : (size_t)length;
    char *value = malloc(padded);
    rd_kafka_resp_err_t refused;

    if (value == NULL)
        abort();
    memset(value, ' ', padded);
    memcpy(value, text, (size_t)length);
    do {
        refused = rd_kafka_producev(handle, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_KEY(text, (size_t)length),
                                    RD_KAFKA_V_VALUE(value, padded), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (refused == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            (void)rd_kafka_poll(handle, 10);
    } while (refused == RD_KAFKA_RESP_ERR__QUEUE_FULL);
    check("produce", refused);
    (void)rd_kafka_poll(handle, 0);
    free(value);
}

static void produce(const char *topic, int partition, long first, long count, size_t size)
{
    rd_kafka_t *handle = open_handle(RD_KAFKA_PRODUCER, NULL, NULL);

    for (long i = 0; i < count; i++)
        produce_one(handle, topic, partition, first + i, size);
    check("flush", rd_kafka_flush(handle, TIMEOUT_MS));
    rd_kafka_destroy(handle);
}

static void transaction(const char *topic, int partition, long first, long count, const char *end)
{
    char id[64];
    (void)snprintf(id, sizeof(id), "tool-%d", (int)getpid());
    rd_kafka_t *handle = open_handle(RD_KAFKA_PRODUCER, "transactional.id", id);

    check_error("init", rd_kafka_init_transactions(handle, TIMEOUT_MS));
    check_error("begin", rd_kafka_begin_transaction(handle));
    for (long i = 0; i < count; i++)
        produce_one(handle, topic, partition, first + i, 0);
    check("flush", rd_kafka_flush(handle, TIMEOUT_MS));
    if (strcmp(end, "commit") == 0)
        check_error("commit", rd_kafka_commit_transaction(handle, TIMEOUT_MS));
    else
        check_error("abort", rd_kafka_abort_transaction(handle, TIMEOUT_MS));
    rd_kafka_destroy(handle);
}

/* ---- a group's offsets ------------------------------------------------------------------------ */

static int partitions_of(rd_kafka_t *handle, const char *topic)
{
    const rd_kafka_metadata_t *metadata;
    rd_kafka_topic_t *wanted = rd_kafka_topic_new(handle, topic, NULL);

    check("metadata", rd_kafka_metadata(handle, 0, wanted, &metadata, TIMEOUT_MS));
    int count = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(wanted);
    return count;
}

static void committed(const char *group, const char *topic)
{
    rd_kafka_t *handle = open_handle(RD_KAFKA_CONSUMER, "group.id", group);
    int count = partitions_of(handle, topic);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);

    for (int i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, topic, i);
    check("committed", rd_kafka_committed(handle, list, TIMEOUT_MS));
    for (int i = 0; i < count; i++)
        (void)printf("%d %lld %.*s\n", i, (long long)list->elems[i].offset, (int)list->elems[i].metadata_size,
                     list->elems[i].metadata_size > 0 ? (const char *)list->elems[i].metadata : "");
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(handle);
}

static void commit(const char *group, const char *topic, int partition, int64_t offset, const char *metadata)
{
    rd_kafka_t *handle = open_handle(RD_KAFKA_CONSUMER, "group.id", group);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *entry = rd_kafka_topic_partition_list_add(list, topic, partition);

    entry->offset = offset;
    if (metadata != NULL) {
        entry->metadata = strdup(metadata);
        entry->metadata_size = strlen(metadata);
    }
    check("commit", rd_kafka_commit(handle, list, 0));
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(handle);
}

static void ends(const char *topic)
{
    rd_kafka_t *handle = open_handle(RD_KAFKA_CONSUMER, "group.id", "ends");
    int count = partitions_of(handle, topic);

    for (int i = 0; i < count; i++) {
        int64_t low;
        int64_t high;
        check("ends", rd_kafka_query_watermark_offsets(handle, topic, i, &low, &high, TIMEOUT_MS));
        (void)printf("%d %lld %lld\n", i, (long long)low, (long long)high);
    }
    rd_kafka_destroy(handle);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        die("usage", "kafka_tool BROKER COMMAND …");
    the_broker = argv[1];
    const char *command = argv[2];
    if (strcmp(command, "create") == 0 && argc >= 5)
        create(argv[3], atoi(argv[4]), argv + 5, argc - 5);
    else if (strcmp(command, "delete") == 0)
        delete_topic(argv[3]);
    else if (strcmp(command, "delete-before") == 0 && argc == 6)
        delete_before(argv[3], atoi(argv[4]), atoll(argv[5]));
    else if (strcmp(command, "produce") == 0 && argc == 8)
        produce(argv[3], atoi(argv[4]), atol(argv[5]), atol(argv[6]), (size_t)atol(argv[7]));
    else if (strcmp(command, "transaction") == 0 && argc == 8)
        transaction(argv[3], atoi(argv[4]), atol(argv[5]), atol(argv[6]), argv[7]);
    else if (strcmp(command, "committed") == 0 && argc == 5)
        committed(argv[3], argv[4]);
    else if (strcmp(command, "commit") == 0 && argc >= 7)
        commit(argv[3], argv[4], atoi(argv[5]), atoll(argv[6]), argc > 7 ? argv[7] : NULL);
    else if (strcmp(command, "ends") == 0)
        ends(argv[3]);
    else
        die("usage", command);
    return EXIT_SUCCESS;
}
