/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "intake/kafka/consumer.h"
#include "parts/part.h"

const struct part *const PARTS[] = {
    &PART_CRASH,     &PART_PROCESS,   &PART_STORE,  &PART_WAITS,  &PART_PUBLISH,    &PART_CALLS,    &PART_SDK, &PART_PROGRAMS,
    &PART_SCHEMAS,   &PART_MESSAGES,  &PART_TRACES, &PART_ENGINE, &PART_OPERATIONS, &PART_RECOVERY, &PART_DUE, &PART_HTTP,
    &PART_CALLS_OUT, &PART_SDK_CALLS, &PART_INTAKE, NULL,
};

_Noreturn void part_fatal(const char *why)
{
    log_error("stepd ends: %s", why);
    log_close();
    _exit(EXIT_FAILURE);
}

/* The first of those that stop since a function has as many queued runs as it may. */
static void say_crowded(const struct daemon *daemon, char *ret_text, size_t size)
{
    struct consumer *consumer = atomic_load(&daemon->consumer);
    size_t room = consumer_partitions(consumer, NULL, 0);
    AUTO_FREE struct partition_view *views = xcalloc(room + 1, sizeof(*views));
    size_t count = consumer_partitions(consumer, views, room);
    char why[400];

    assert(consumer != NULL); /* one counted its crowded partitions */
    for (size_t i = 0; i < count && i < room; i++) {
        if (!views[i].is_crowded)
            continue;
        room_lack_text(&views[i].lack, why, sizeof(why));
        (void)snprintf(ret_text, size, "; %s [%d] and others like it stop: %s", views[i].topic, (int)views[i].partition, why);
        return;
    }
}

static void say_ready(const struct daemon *daemon, char *ret_text, size_t size)
{
    struct consumer_counts counts;
    char crowded[700] = "";

    consumer_counts(atomic_load(&daemon->consumer), &counts);
    if (counts.crowded > 0)
        say_crowded(daemon, crowded, sizeof(crowded));
    (void)snprintf(ret_text, size, "ready: %zu partitions, %zu events in flight%s%s%s%s", counts.partitions, counts.in_flight,
                   counts.awaiting > 0 ? "; some partitions wait for the schema registry" : "",
                   counts.stalled > 0 ? "; some partitions have lag and do not move" : "",
                   part_is_held() ? "; all functions are paused" : "", crowded);
}

bool parts_are_ready(void *context, char *ret_reason, size_t size)
{
    struct daemon *daemon = context;
    char room[160];

    for (const struct part *const *part = PARTS; *part != NULL; part++) {
        const char *trouble = (*part)->trouble != NULL ? (*part)->trouble(daemon, room, sizeof(room)) : NULL;
        if (trouble == NULL)
            continue;
        (void)snprintf(ret_reason, size, "%s", trouble);
        return false;
    }
    say_ready(daemon, ret_reason, size);
    return true;
}

void parts_write_metrics(void *context, struct metrics_page *page)
{
    for (const struct part *const *part = PARTS; *part != NULL; part++) {
        if ((*part)->write_metrics != NULL)
            (*part)->write_metrics(context, page);
    }
}
