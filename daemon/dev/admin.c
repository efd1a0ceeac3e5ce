/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/admin.h"

#include <string.h>

#include "base/array.h"
#include "base/memory.h"
#include "dev/apis.h"

enum {
    DEFAULT_PARTITIONS = 4, /* of a topic that makes itself, too */
    PARTITIONS_MOST = 10000,
    RESOURCE_TOPIC = 2,
    SOURCE_DEFAULT = 5, /* DescribeConfigs: nobody has set it */
    TYPE_STRING = 2
};

/* ---- topics ---- */

struct new_topic {
    struct wire_span name;
    int32_t partitions;
    int16_t replicas;
};

static void skip_configs(struct wire_reader *request)
{
    for (int32_t count = wire_read_i32(request); count > 0 && !request->is_short; count--) {
        (void)wire_read_string(request);
        (void)wire_read_string(request);
    }
}

/* How many partitions are assigned to brokers by hand. */
static int32_t skip_assignments(struct wire_reader *request)
{
    const int32_t assigned = wire_read_i32(request);

    for (int32_t left = assigned; left > 0 && !request->is_short; left--) {
        (void)wire_read_i32(request); /* partition */
        for (int32_t brokers = wire_read_i32(request); brokers > 0 && !request->is_short; brokers--)
            (void)wire_read_i32(request);
    }
    return assigned;
}

static struct new_topic read_new_topic(struct wire_reader *request)
{
    struct new_topic topic = { .name = wire_read_string(request) };

    topic.partitions = wire_read_i32(request);
    topic.replicas = wire_read_i16(request);
    const int32_t assigned = skip_assignments(request);
    if (assigned > 0)
        topic = (struct new_topic){ topic.name, assigned, 1 };
    if (topic.partitions == -1)
        topic.partitions = DEFAULT_PARTITIONS;
    skip_configs(request);
    return topic;
}

/* Kafka's rule for names. */
static bool is_topic_name(struct wire_span name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    if (name.size == 0 || name.size > 249 || wire_equals(name, ".") || wire_equals(name, ".."))
        return false;
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] == '\0' || strchr(allowed, name.data[i]) == NULL)
            return false;
    return true;
}

static int16_t check_topic(const struct new_topic *topic)
{
    if (!is_topic_name(topic->name))
        return INVALID_TOPIC;
    if (topic->partitions < 1 || topic->partitions > PARTITIONS_MOST)
        return INVALID_PARTITIONS;
    return topic->replicas == 1 || topic->replicas == -1 ? OK : INVALID_REPLICATION_FACTOR;
}

static int16_t create_topic(const struct admin *admin, const struct new_topic *topic)
{
    AUTO_FREE char *name = wire_span_text(topic->name);

    return admin->create_topic(admin->opaque, name, topic->partitions);
}

static const char *words_for(int16_t code)
{
    switch (code) {
    case INVALID_TOPIC:
        return "a topic's name is 1 to 249 letters, digits, '.', '_' and '-'";
    case INVALID_PARTITIONS:
        return "a topic has 1 to 10000 partitions";
    case INVALID_REPLICATION_FACTOR:
        return "there is one broker: a topic's replication factor is 1";
    case TOPIC_ALREADY_EXISTS:
        return "the topic is there already";
    default:
        return NULL;
    }
}

/* Whether topics are only to be checked stands behind them all. */
static bool is_check_only(struct wire_reader request, int16_t version)
{
    for (int32_t count = wire_read_i32(&request); count > 0 && !request.is_short; count--)
        (void)read_new_topic(&request);
    (void)wire_read_i32(&request); /* timeout */
    return version >= 1 && wire_read_i8(&request) != 0;
}

static void create_topics(const struct admin *admin, int16_t version, struct wire_reader request, struct wire_buffer *reply)
{
    const bool only_checks = is_check_only(request, version);
    int32_t count = wire_read_i32(&request);

    wire_put_throttle(reply, version, 2);
    wire_put_i32(reply, count);
    for (; count > 0 && !request.is_short; count--) {
        const struct new_topic topic = read_new_topic(&request);
        int16_t code = check_topic(&topic);
        if (code == OK && !only_checks)
            code = create_topic(admin, &topic);
        wire_put_string_span(reply, topic.name);
        wire_put_i16(reply, code);
        if (version >= 1)
            wire_put_string(reply, words_for(code));
    }
}

/* The mock broker can't let go of a topic. */
static void delete_topics(int16_t version, struct wire_reader request, struct wire_buffer *reply)
{
    int32_t count = wire_read_i32(&request);

    wire_put_throttle(reply, version, 1);
    wire_put_i32(reply, count);
    for (; count > 0 && !request.is_short; count--) {
        wire_put_string_span(reply, wire_read_string(&request));
        wire_put_i16(reply, TOPIC_DELETION_DISABLED);
    }
}

/* ---- configs ---- */

static const struct config {
    const char *name, *value;
} TOPIC_CONFIGS[] = { { "cleanup.policy", "delete" },
                      { "retention.bytes", "5242880" },
                      { "retention.ms", "-1" },
                      { "min.insync.replicas", "1" },
                      { "message.timestamp.type", "CreateTime" } },
  BROKER_CONFIGS[] = { { "auto.create.topics.enable", "true" },
                       { "delete.topic.enable", "false" },
                       { "num.partitions", "4" },
                       { "default.replication.factor", "1" } };

/* What is described of one topic or broker. */
struct description {
    int8_t type;
    struct wire_span name;
    struct wire_reader keys; /* at the names that are asked for */
    int32_t key_count;       /* -1: all */
};

static struct description read_description(struct wire_reader *request)
{
    struct description description = { .type = wire_read_i8(request), .name = wire_read_string(request) };

    description.key_count = wire_read_i32(request);
    description.keys = *request;
    for (int32_t left = description.key_count; left > 0 && !request->is_short; left--)
        (void)wire_read_string(request);
    return description;
}

static bool is_asked_for(const struct description *description, const char *name)
{
    struct wire_reader keys = description->keys;

    for (int32_t left = description->key_count; left > 0 && !keys.is_short; left--)
        if (wire_equals(wire_read_string(&keys), name))
            return true;
    return description->key_count < 0;
}

static void put_config(struct wire_buffer *reply, const struct config *config, int16_t version)
{
    wire_put_string(reply, config->name);
    wire_put_string(reply, config->value);
    wire_put_i8(reply, 1); /* read only */
    wire_put_i8(reply, version >= 1 ? SOURCE_DEFAULT : 1);
    wire_put_i8(reply, 0); /* no secret */
    if (version >= 1)
        wire_put_i32(reply, 0); /* synonyms */
    if (version >= 3) {
        wire_put_i8(reply, TYPE_STRING);
        wire_put_string(reply, NULL); /* documentation */
    }
}

static void describe(struct wire_buffer *reply, const struct description *description, int16_t version)
{
    const bool is_topic = description->type == RESOURCE_TOPIC;
    const struct config *configs = is_topic ? TOPIC_CONFIGS : BROKER_CONFIGS;
    const size_t count = is_topic ? COUNT_OF(TOPIC_CONFIGS) : COUNT_OF(BROKER_CONFIGS);
    int32_t wanted = 0;

    wire_put_i16(reply, OK);
    wire_put_string(reply, NULL); /* error message */
    wire_put_i8(reply, description->type);
    wire_put_string_span(reply, description->name);
    for (size_t i = 0; i < count; i++)
        wanted += is_asked_for(description, configs[i].name);
    wire_put_i32(reply, wanted);
    for (size_t i = 0; i < count; i++)
        if (is_asked_for(description, configs[i].name))
            put_config(reply, &configs[i], version);
}

static void describe_configs(int16_t version, struct wire_reader request, struct wire_buffer *reply)
{
    int32_t count = wire_read_i32(&request);

    wire_put_throttle(reply, version, 0);
    wire_put_i32(reply, count);
    for (; count > 0 && !request.is_short; count--) {
        const struct description description = read_description(&request);
        describe(reply, &description, version);
    }
}

/* ---- what can't be had ---- */

/* The mock broker writes no markers: what a transaction sent is there as soon as it was sent, and stays. */
static bool refuse_abort(struct wire_reader request, struct wire_buffer *reply)
{
    (void)wire_read_string(&request); /* transactional id */
    (void)wire_read_i64(&request);    /* producer id */
    (void)wire_read_i16(&request);    /* epoch */
    if (wire_read_i8(&request) != 0)
        return false;
    wire_put_throttle(reply, 0, 0);
    wire_put_i16(reply, UNSUPPORTED_VERSION);
    return true;
}

/* In a layout of newer versions: strings are their length plus one in a byte, and tagged fields end each struct. */
static void refuse_consumer_protocol(struct wire_buffer *reply)
{
    static const char words[] = "the broker of stepd dev has no groups of the consumer protocol: set group.protocol=classic";

    wire_put_i8(reply, 0); /* the header's tagged fields */
    wire_put_throttle(reply, 0, 0);
    wire_put_i16(reply, UNSUPPORTED_VERSION);
    wire_put_i8(reply, sizeof(words));
    wire_buffer_add(reply, words, sizeof(words) - 1);
    wire_put_i8(reply, 0);  /* member id: null */
    wire_put_i32(reply, 0); /* its epoch */
    wire_put_i32(reply, 0); /* heartbeat interval */
    wire_put_i8(reply, -1); /* assignment: null */
    wire_put_i8(reply, 0);
}

bool admin_answer(const struct admin *admin, int16_t api_key, int16_t version, struct wire_reader request, struct wire_buffer *reply)
{
    switch (api_key) {
    case API_VERSIONS:
        api_put_versions(reply, version);
        return true;
    case API_CREATE_TOPICS:
        create_topics(admin, version, request, reply);
        return true;
    case API_DELETE_TOPICS:
        delete_topics(version, request, reply);
        return true;
    case API_DESCRIBE_CONFIGS:
        describe_configs(version, request, reply);
        return true;
    case API_CONSUMER_GROUP_HEARTBEAT:
        refuse_consumer_protocol(reply);
        return true;
    case API_END_TXN:
        return refuse_abort(request, reply);
    default:
        return false;
    }
}
