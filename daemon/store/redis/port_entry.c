/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/port_entry.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "event/event_again.h"
#include "store/redis/port_flow.h"
#include "store/redis/record.h"

#define MS_MOST 9999999999999 /* thirteen digits, and as µs sixteen */
#define DIGITS 70             /* behind the head, with the NUL that is not sent */

static_assert(PORT_ENTRY_SIZE == CHANGE_HEAD_SIZE + DIGITS - 1, "the entry is head and digits");

/* By one of the rules that decide before a run is in line, or that watch it from then on. */
static bool is_asked(const struct run *run, const struct flow_ask *ask)
{
    const struct flow_settings *flow = run->function->flow;
    bool is_timed = flow->given.start_timeout_ms > 0 || flow->given.finish_timeout_ms > 0;

    return run->function->dedupe_ms > 0 || ask->is_duplicate || ask->has_rate_limit || ask->has_singleton || ask->has_debounce ||
           ask->is_held || is_timed || flow->wishes.count > 0 || flow->has_tried_cancels;
}

bool port_is_plain_entry(const struct run *run, const struct flow_ask *ask)
{
    bool has_place_in_kafka = run->event->view.partition >= 0 && !event_is_again(run->event);

    return function_is_lined(run->function) && !is_asked(run, ask) && has_place_in_kafka && run->bundle == NULL && !run_is_ordered(run) &&
           run->created_ms > 0 && run->created_ms <= MS_MOST;
}

void port_entry_init(struct port_entry *entry)
{
    msgpack_sbuffer_init(&entry->name);
    msgpack_sbuffer_init(&entry->flow);
}

/* Its place in line by arrival: as admit.lua has it. */
static int64_t arrived_us(const struct run *run)
{
    return run->created_ms * 1000 + run->event->view.offset % 1000;
}

void port_pack_entry(struct port_entry *entry, const struct run *run, const struct flow_ask *ask, const struct change_times *times,
                     size_t body_size)
{
    static const struct transition QUEUED = { .kind = TRANSITION_PARK, .status = RUN_QUEUED };
    const char *function = run->function->id;

    assert(port_is_plain_entry(run, ask));
    (void)change_pack_head(run, &QUEUED, times, body_size, entry->bytes);
    entry->bytes[3] |= RECORD_FLOW;
    (void)snprintf(entry->bytes + CHANGE_HEAD_SIZE, DIGITS, "%019lld%016" PRId64 "%017" PRId64 "%017" PRId64,
                   (long long)run->event->view.offset, run->created_ms, arrived_us(run), arrived_us(run) - ask->priority_ms * 1000);
    port_add_part(&entry->name, (struct bytes){ function, strlen(function) });
    port_add_line(&entry->name, run, ask);
    port_pack_queued(&entry->flow, run, ask, arrived_us(run));
}

void port_entry_done(struct port_entry *entry)
{
    msgpack_sbuffer_destroy(&entry->name);
    msgpack_sbuffer_destroy(&entry->flow);
}
