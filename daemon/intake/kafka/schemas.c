/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Partitions whose next message names a schema that nobody knows yet. Such a partition is taken off the queue of
 * messages, so that it is not read on, while the others go on; once the schema is there it is read again from that
 * message on.
 */
#include "intake/kafka/consumer_internal.h"

#include <assert.h>

#include "base/log.h"
#include "intake/kafka/message_schema.h"

#define SAY_MS 1000 /* a registry that answers does so before */

static void hold(struct consumer *consumer, struct partition *partition, const struct schema_key *key, int64_t offset)
{
    assert(!partition->is_awaiting);
    assigned_take_off(consumer, partition);
    partition->awaited = *key;
    partition->is_awaiting = true;
    partition->is_waiting_said = false;
    partition->awaits_since_ms = consumer->now_ms;
    partition->is_seeking = true;
    partition->seek_to = offset;
    consumer->awaiting++;
}

bool schemas_may_take(struct consumer *consumer, struct partition *partition, const rd_kafka_message_t *message,
                      const rd_kafka_headers_t *headers, struct schema **ret_schema)
{
    const struct schema_port *port = &consumer->settings.schemas;
    struct schema_key key;

    assert_thread(&consumer->thread);
    *ret_schema = NULL;
    if (!partition->is_framed || !message_schema_key(message, headers, &key))
        return true;
    *ret_schema = port->find(port->context, &key);
    if (*ret_schema != NULL)
        return true;
    hold(consumer, partition, &key, message->offset);
    return false;
}

void schemas_let_go(struct consumer *consumer, struct partition *partition)
{
    assert(!partition->is_awaiting || consumer->awaiting > 0);
    assert_thread(&consumer->thread);
    consumer->awaiting -= partition->is_awaiting;
    partition->is_awaiting = false;
}

static void say_that_it_waits(const struct consumer *consumer, struct partition *partition)
{
    const struct schema_port *port = &consumer->settings.schemas;
    struct log_fields fields = assigned_log_fields(partition, partition->seek_to);
    char id[SCHEMA_TEXT_SIZE];
    char why[300];

    if (partition->is_waiting_said || consumer->now_ms - partition->awaits_since_ms < SAY_MS)
        return;
    partition->is_waiting_said = true;
    schema_key_text(&partition->awaited, id);
    port->say_why(port->context, why, sizeof(why));
    log_event(LOG_LEVEL_WARN, &fields, "this partition waits for schema %s: %s; the others go on", id, why);
}

static void go_on(struct consumer *consumer, struct partition *partition)
{
    struct log_fields fields = assigned_log_fields(partition, partition->seek_to);

    assert(partition->is_awaiting);
    if (partition->is_waiting_said)
        log_event(LOG_LEVEL_INFO, &fields, "the schema has come: this partition goes on");
    schemas_let_go(consumer, partition);
    if (!partition->is_crowded)
        assigned_forward(consumer, partition);
    consumer->must_tend = true;
}

void schemas_tend(struct consumer *consumer)
{
    const struct schema_port *port = &consumer->settings.schemas;

    assert_thread(&consumer->thread);
    for (size_t i = 0; consumer->awaiting > 0 && i < consumer->assigned.count; i++) {
        struct partition *partition = consumer->assigned.items[i];
        if (!partition->is_awaiting)
            continue;
        struct schema *schema = port->find(port->context, &partition->awaited);
        if (schema == NULL) {
            say_that_it_waits(consumer, partition);
            continue;
        }
        schema_release(schema);
        go_on(consumer, partition);
    }
}
