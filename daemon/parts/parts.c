/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "intake/kafka/consumer.h"
#include "parts/part.h"

const struct part *const PARTS[] = {
    &PART_CRASH,     &PART_PROCESS, &PART_STORE,  &PART_PUBLISH,    &PART_CALLS,    &PART_SDK, &PART_PROGRAMS, &PART_SCHEMAS,
    &PART_MESSAGES,  &PART_TRACES,  &PART_ENGINE, &PART_OPERATIONS, &PART_RECOVERY, &PART_DUE, &PART_HTTP,     &PART_CALLS_OUT,
    &PART_SDK_CALLS, &PART_INTAKE,  NULL,
};

_Noreturn void part_fatal(const char *why)
{
    log_error("stepd ends: %s", why);
    log_close();
    _exit(EXIT_FAILURE);
}

static void say_ready(const struct daemon *daemon, char *ret_text, size_t size)
{
    struct consumer_counts counts;

    consumer_counts(atomic_load(&daemon->consumer), &counts);
    (void)snprintf(ret_text, size, "ready: %zu partitions, %zu events in flight%s%s", counts.partitions, counts.in_flight,
                   counts.awaiting > 0 ? "; some partitions wait for the schema registry" : "",
                   counts.stalled > 0 ? "; some partitions have lag and do not move" : "");
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
