/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which topic it is that has a name now: one that was deleted and made anew has another id. librdkafka tells it from 2.3 on; what it
 * offers is looked for at run time, since the one that stepd was built with may be older than the one that is found.
 */
#ifndef STEPD_KAFKA_TOPIC_IDS_H
#define STEPD_KAFKA_TOPIC_IDS_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Both 0: not known. */
struct topic_id {
    int64_t high, low;
};

struct topic_seen {
    struct topic_id id;
    size_t partitions; /* of that id */
    bool is_missing;
};

/* Whether it can be asked at all. */
bool topic_ids_are_told(void);
/* Asks for those of `names`, NULL-ended, into as many `seen`; one that nothing is known of stays as it is. Waits for the brokers, timeout_ms
 * at most. Makes no topic. False: no answer. */
bool topic_ids_ask(rd_kafka_t *handle, const char *const *names, struct topic_seen *seen, int timeout_ms);

static inline bool topic_id_is_known(const struct topic_id *id)
{
    return id->high != 0 || id->low != 0;
}

static inline bool topic_id_is(const struct topic_id *one, const struct topic_id *other)
{
    return one->high == other->high && one->low == other->low;
}

#endif
