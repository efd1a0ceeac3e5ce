/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/handle.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/thread.h"

#define TRY_ENDS_MS 5000

struct ending {
    struct thread thread;
    rd_kafka_t *handle;
    int flags;
};

static void *end(void *argument)
{
    struct ending *ending = argument;

    rd_kafka_destroy_flags(ending->handle, ending->flags);
    return NULL;
}

bool handle_destroy(rd_kafka_t *handle, int flags, int64_t timeout_ms)
{
    struct ending *ending = xcalloc(1, sizeof(*ending));
    int64_t until_ms = clock_monotonic_ms() + timeout_ms;
    struct error error;

    assert(handle != NULL && timeout_ms >= 0);
    ending->handle = handle;
    ending->flags = flags;
    if (thread_start(&ending->thread, "kafka-end", 0, end, ending, &error) != 0)
        (void)end(ending);
    if (!thread_join_until(&ending->thread, until_ms)) {
        thread_leave(&ending->thread);
        return false;
    }
    free(ending);
    return true;
}

int handle_try(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct error *ret_error)
{
    const char *brokers[] = { "bootstrap.servers", "metadata.broker.list" };
    rd_kafka_conf_t *alone = rd_kafka_conf_dup_filter(conf, COUNT_OF(brokers), brokers);
    char why[150];

    rd_kafka_conf_destroy(conf);
    rd_kafka_conf_set_log_cb(alone, NULL);
    rd_kafka_t *handle = rd_kafka_new(type, alone, why, sizeof(why));
    if (handle == NULL) {
        rd_kafka_conf_destroy(alone);
        return error_set(ret_error, EINVAL, "%s", why);
    }
    (void)handle_destroy(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, TRY_ENDS_MS);
    return 0;
}
