/* SPDX-License-Identifier: Apache-2.0 */
/* What the consumer is made for and with. */
#ifndef STEPD_INTAKE_KAFKA_CONSUMER_SETTINGS_H
#define STEPD_INTAKE_KAFKA_CONSUMER_SETTINGS_H

#include <stdint.h>

#include "config/setting.h"
#include "flow/key_set.h"
#include "intake/schema_port.h"
#include "run/confirmation.h"
#include "run/known_runs.h"
#include "run/matching.h"
#include "run/taker.h"

struct consumer_settings {
    const struct setting *kafka; /* a map of scalars, for librdkafka */
    const char *const *topics;   /* NULL-ended; each once */
    struct batch_taker *batches;
    int queue; /* messages in flight at most */
    int64_t commit_interval_ms;
    int64_t durability_lag_ms; /* a TAKEN message is committed that much later */
    struct schema_port schemas;
    int64_t drain_timeout_ms; /* on revoke: how long running attempts may take to end */
    /* A thread of the consumer's own, on assignment; may take any time. Runs of the partition that the store knows, and
     * into `keys` the ordered keys that have a run there. 0, or negative errno. */
    int (*load_partition)(void *context, const char *topic, int32_t partition, struct key_set *keys, struct known_runs *ret_known);
    /* Any thread: a moment (monotonic ms) at which the store was still the one that had acknowledged all it
     * did before; stands still while it does not answer. NULL: always now. A rewind must be asked for
     * before it moves on under another incarnation. */
    int64_t (*store_seen_ms)(void *context);
    /* Events on which runs wait; NULL: nobody does. */
    struct matching *matching;
    /* A thread of the consumer's own, waits: as store/store.h's store_confirm(). */
    int (*confirm)(void *context, int shard, struct confirmation *known, struct matched_place *places, size_t count,
                   const struct watch_listener *listener);
    /* Consumer thread, waits for nothing: offsets below `committed` are committed. */
    void (*committed)(void *context, const char *topic, int32_t partition, int64_t committed);
    /* Any of its threads: it can't go on. Ends the process. */
    void (*fatal)(const char *why);
    void *context;
};

#endif
