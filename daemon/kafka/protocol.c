/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/protocol.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"

#define PROTOCOL "group.protocol"
#define ASSIGNOR "group.remote.assignor"
#define OLDEST 0x020c0000 /* 2.12: the first whose consumer protocol is for production */

/* What is no setting of a member of the consumer protocol, though librdkafka has it. */
static const struct {
    const char *name;
    const char *why;
} not_with_consumer[] = {
    { "session.timeout.ms", "the brokers have it: group.consumer.session.timeout.ms" },
    { "heartbeat.interval.ms", "the brokers have it: group.consumer.heartbeat.interval.ms" },
    { "group.protocol.type", "it is the classic protocol's" },
    { "group.instance.id", "a daemon that was killed would be refused by its own name until the brokers' session is over" },
};

/* NULL: it is not there. */
static const char *text_of(const struct setting *kafka, const char *name)
{
    const struct setting *setting = setting_find(kafka, name);

    return setting != NULL && setting->kind == SETTING_SCALAR ? setting->text : NULL;
}

bool protocol_is_consumer(const struct setting *kafka)
{
    const char *protocol = text_of(kafka, PROTOCOL);

    return protocol != NULL && strcasecmp(protocol, "consumer") == 0;
}

bool protocol_has(const char *name)
{
    return strcmp(name, PROTOCOL) == 0 || strcmp(name, ASSIGNOR) == 0;
}

static void check_consumer(const struct setting *kafka, struct config_faults *faults)
{
    for (size_t i = 0; i < COUNT_OF(not_with_consumer); i++) {
        const struct setting *setting = setting_find(kafka, not_with_consumer[i].name);
        if (setting != NULL)
            config_faults_add(faults, &setting->place, "'%s' does not go with '" PROTOCOL ": consumer': %s", setting->name,
                              not_with_consumer[i].why);
    }
}

void protocol_check(const struct setting *kafka, int version, struct config_faults *faults)
{
    const struct setting *protocol = setting_find(kafka, PROTOCOL);
    const struct setting *assignor = setting_find(kafka, ASSIGNOR);
    const bool is_consumer = protocol_is_consumer(kafka);

    if (protocol != NULL && protocol->kind == SETTING_SCALAR && !is_consumer && strcasecmp(protocol->text, "classic") != 0)
        config_faults_add(faults, &protocol->value_place, "'" PROTOCOL "' is classic or consumer, not '%s'", setting_shown(protocol));
    if (assignor != NULL && !is_consumer)
        config_faults_add(faults, &assignor->place, "'" ASSIGNOR "' goes with '" PROTOCOL ": consumer' alone");
    if (is_consumer && version < OLDEST)
        config_faults_add(faults, &protocol->value_place,
                          "'" PROTOCOL
                          ": consumer' wants librdkafka 2.12 or newer, and %d.%d.%d was found: leave it out, or install a newer one",
                          version >> 24 & 0xff, version >> 16 & 0xff, version >> 8 & 0xff);
    else if (is_consumer)
        check_consumer(kafka, faults);
}

static int set(const struct setting *kafka, const char *name, rd_kafka_conf_t *conf, struct error *ret_error)
{
    const char *value = text_of(kafka, name);
    char why[150];

    if (value != NULL && rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK)
        return error_set(ret_error, EINVAL, "%s (librdkafka %s)", why, rd_kafka_version_str());
    return 0;
}

int protocol_set(const struct setting *kafka, rd_kafka_conf_t *conf, struct error *ret_error)
{
    if (!protocol_is_consumer(kafka))
        return 0; /* the default; a librdkafka before 2.4 knows no word for it */
    int failed = set(kafka, PROTOCOL, conf, ret_error);
    return failed == 0 ? set(kafka, ASSIGNOR, conf, ret_error) : failed;
}
