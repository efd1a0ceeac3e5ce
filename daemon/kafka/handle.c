/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/handle.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"

struct ending {
    rd_kafka_t *handle;
    int flags;
};

static void *end(void *argument)
{
    struct ending *ending = argument;

    rd_kafka_destroy_flags(ending->handle, ending->flags);
    free(ending);
    return NULL;
}

bool handle_destroy(rd_kafka_t *handle, int flags, int64_t timeout_ms)
{
    struct ending *ending = xmalloc(sizeof(*ending));
    int64_t until_ms = clock_monotonic_ms() + timeout_ms;
    struct timespec until = { .tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000 };
    pthread_t thread;

    *ending = (struct ending){ .handle = handle, .flags = flags };
    if (pthread_create(&thread, NULL, end, ending) != 0) {
        (void)end(ending);
        return true;
    }
    if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0)
        return true;
    (void)pthread_detach(thread);
    return false;
}
