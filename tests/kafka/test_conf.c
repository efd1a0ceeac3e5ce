/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/conf.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "kafka/handle.h"
#include "kafka/protocol.h"

static struct config_faults faults;

static struct setting text(const char *name, const char *value, int line)
{
    const struct place place = { .file = place_file("stepd.yaml"), .line = line, .column = 3 };

    return (struct setting){
        .name = (char *)(uintptr_t)name, .kind = SETTING_SCALAR, .text = (char *)(uintptr_t)value, .place = place, .value_place = place
    };
}

static void teardown(void)
{
    config_faults_done(&faults);
}

TestSuite(conf, .fini = teardown);

Test(conf, takes_what_librdkafka_knows_of_any_kind_of_client)
{
    struct setting items[] = { text("bootstrap.servers", "k:9092", 1), text("auto.offset.reset", "latest", 2), text("linger.ms", "5", 3) };
    const struct setting kafka = { .kind = SETTING_MAP, .items = items, .count = 3 };
    rd_kafka_conf_t *conf = NULL;

    conf_check(&kafka, &faults);
    cr_assert_eq(faults.count, 0);
    cr_assert_eq(conf_create(&kafka, &conf, NULL), 0);
    rd_kafka_conf_destroy(conf);
}

Test(conf, tells_every_setting_that_is_wrong_and_what_was_meant)
{
    struct setting items[] = { text("fetch.wait.max.mz", "5", 1),
                               text("security.protocol", "sslx", 2),
                               text("zebra", "1", 3),
                               { .name = (char *)(uintptr_t) "client.id", .kind = SETTING_MISSING } };
    const struct setting kafka = { .kind = SETTING_MAP, .items = items, .count = 4 };

    conf_check(&kafka, &faults);
    cr_assert_eq(faults.count, 3);
    cr_assert_str_eq(faults.items[0].text, "librdkafka has no setting 'fetch.wait.max.mz', did you mean 'fetch.wait.max.ms'?");
    cr_assert_eq(faults.items[0].place.line, 1);
    cr_assert_str_eq(faults.items[1].text, "librdkafka does not take 'sslx' for 'security.protocol'");
    cr_assert_str_eq(faults.items[2].text, "librdkafka has no setting 'zebra'");
}

Test(conf, suggests_what_has_no_value_of_its_own)
{
    struct setting item = text("bootstrap.server", "k:9092", 1);
    const struct setting kafka = { .kind = SETTING_MAP, .items = &item, .count = 1 };

    conf_check(&kafka, &faults);
    cr_assert_str_eq(faults.items[0].text, "librdkafka has no setting 'bootstrap.server', did you mean 'bootstrap.servers'?");
}

Test(conf, shows_a_value_as_it_is_written)
{
    struct setting item = text("security.protocol", "hunter2", 1);
    const struct setting kafka = { .kind = SETTING_MAP, .items = &item, .count = 1 };

    item.shown = (char *)(uintptr_t) "${PROTOCOL}";
    conf_check(&kafka, &faults);
    cr_assert_str_eq(faults.items[0].text, "librdkafka does not take '${PROTOCOL}' for 'security.protocol'");
}

Test(conf, the_setting_that_a_reason_names_first_is_found)
{
    struct setting items[] = { text("session.timeout.ms", "1", 1), text("max.poll.interval.ms", "2", 2), text("max.poll", "3", 3) };
    const struct setting kafka = { .kind = SETTING_MAP, .items = items, .count = 3 };

    cr_assert_eq(conf_named(&kafka, "`max.poll.interval.ms` must be >= `session.timeout.ms`"), &items[1]);
    cr_assert_null(conf_named(&kafka, "there is no keytab"));
}

Test(conf, a_handle_is_tried_without_its_brokers)
{
    struct setting items[] = { text("bootstrap.servers", "127.0.0.1:1", 1), text("session.timeout.ms", "400000", 2) };
    struct setting kafka = { .kind = SETTING_MAP, .items = items, .count = 2 };
    struct error error = { 0 };
    rd_kafka_conf_t *conf = NULL;

    cr_assert_eq(conf_create(&kafka, &conf, NULL), 0);
    cr_assert_eq(handle_try(RD_KAFKA_CONSUMER, conf, &error), -EINVAL);
    cr_assert(strstr(error.text, "session.timeout.ms") != NULL, "%s", error.text);
    kafka.count = 1;
    cr_assert_eq(conf_create(&kafka, &conf, NULL), 0);
    cr_assert_eq(handle_try(RD_KAFKA_CONSUMER, conf, &error), 0);
}

/* ---- the group's protocol ------------------------------------------------------------------------- */

#define TWELVE 0x020c00ff

static const struct setting *protocol_of(struct setting *items, size_t count)
{
    static struct setting kafka;

    kafka = (struct setting){ .kind = SETTING_MAP, .items = items, .count = count };
    return &kafka;
}

Test(conf, the_consumer_protocol_wants_a_librdkafka_that_has_it)
{
    struct setting items[] = { text("group.protocol", "Consumer", 1) };

    protocol_check(protocol_of(items, 1), TWELVE, &faults);
    cr_assert_eq(faults.count, 0);
    protocol_check(protocol_of(items, 1), 0x020b01ff, &faults);
    cr_assert_eq(faults.count, 1);
    cr_assert_not_null(strstr(faults.items[0].text, "wants librdkafka 2.12 or newer, and 2.11.1 was found"), "%s", faults.items[0].text);
}

Test(conf, what_is_no_setting_of_the_consumer_protocol_is_refused_with_it_alone)
{
    struct setting items[] = { text("group.protocol", "consumer", 1), text("session.timeout.ms", "6000", 2),
                               text("group.instance.id", "a", 3), text("group.remote.assignor", "uniform", 4) };

    protocol_check(protocol_of(items, 4), TWELVE, &faults);
    cr_assert_eq(faults.count, 2);
    cr_assert_eq(faults.items[0].place.line, 2);
    cr_assert_eq(faults.items[1].place.line, 3);
    protocol_check(protocol_of(items + 1, 3), TWELVE, &faults);
    cr_assert_eq(faults.count, 3, "with the classic one the assignor alone");
    cr_assert_str_eq(faults.items[2].text, "'group.remote.assignor' goes with 'group.protocol: consumer' alone");
}

Test(conf, there_are_two_protocols)
{
    struct setting items[] = { text("group.protocol", "share", 1) };

    protocol_check(protocol_of(items, 1), TWELVE, &faults);
    cr_assert_eq(faults.count, 1);
    cr_assert_str_eq(faults.items[0].text, "'group.protocol' is classic or consumer, not 'share'");
}

Test(conf, the_classic_protocol_is_named_to_no_librdkafka)
{
    struct setting items[] = { text("group.protocol", "classic", 1) };
    rd_kafka_conf_t *conf = NULL;

    conf_check(protocol_of(items, 1), &faults);
    cr_assert_eq(faults.count, 0);
    cr_assert_eq(conf_create(protocol_of(items, 1), &conf, NULL), 0);
    cr_assert_eq(protocol_set(protocol_of(items, 1), conf, NULL), 0);
    rd_kafka_conf_destroy(conf);
}
