/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that wait for events: what all of intake, engine and store share of it. docs/inside/waits.md. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/array.h"
#include "base/memory.h"
#include "engine/dispatch.h"
#include "intake/kafka/consumer.h"
#include "parts/families.h"
#include "parts/part.h"
#include "run/matching.h"
#include "store/store.h"

#define NO_CONSUMER_US 20000

struct waits {
    struct boundary_port boundary; /* first */
    struct matching matching;
    struct daemon *daemon;
    atomic_bool is_over;
};

static_assert(offsetof(struct waits, boundary) == 0, "ask_boundary() is given the port");

struct waits_counts {
    uint64_t ended, late, expression_errors, watches;
};

struct matching *part_matching(struct daemon *daemon)
{
    return &daemon->waits->matching;
}

struct boundary_port *part_boundary(struct daemon *daemon)
{
    return &daemon->waits->boundary;
}

/* Runs that were due may begin before the consumer has started. */
static int ask_boundary(struct boundary_port *port, msgpack_sbuffer *ret_boundary)
{
    struct waits *waits = (struct waits *)port;
    struct consumer *consumer;

    while ((consumer = atomic_load(&waits->daemon->consumer)) == NULL) {
        if (atomic_load(&waits->is_over))
            return -ESHUTDOWN;
        (void)usleep(NO_CONSUMER_US);
    }
    return consumer_ask_boundary(consumer, ret_boundary);
}

static int start(struct daemon *daemon, struct error *ret_error)
{
    struct waits *waits = xcalloc(1, sizeof(*waits));

    (void)ret_error;
    waits->boundary.ask = ask_boundary;
    waits->matching.store = store_port(daemon->store);
    waits->matching.watches = watches_create(store_shards(daemon->store));
    waits->daemon = daemon;
    daemon->waits = waits;
    return 0;
}

static void halt(struct daemon *daemon)
{
    if (daemon->waits != NULL)
        atomic_store(&daemon->waits->is_over, true);
}

static void end(struct daemon *daemon)
{
    if (daemon->waits == NULL)
        return;
    watches_destroy(daemon->waits->matching.watches);
    free(daemon->waits);
    daemon->waits = NULL;
}

static const struct family waits_families[] = {
    COUNTER("waits_ended_total", "Waits of runs that an event has ended.", waits_counts, ended),
    COUNTER("waits_late_total", "Events that came in time for a wait, and were read too late.", waits_counts, late),
    COUNTER("waits_expression_errors_total", "Conditions of waits that failed for an event.", waits_counts, expression_errors),
    GAUGE("watches", "Ways in which runs wait for events, of which this daemon has heard.", waits_counts, watches),
};

static void write_metrics(struct daemon *daemon, struct metrics_page *page)
{
    const struct matching *matching = part_matching(daemon);
    const struct waits_counts counts = {
        .ended = atomic_load(&matching->ended),
        .late = atomic_load(&matching->late),
        .expression_errors = atomic_load(&matching->expression_errors),
        .watches = watches_count(matching->watches),
    };

    families_put(page, waits_families, COUNT_OF(waits_families), &counts);
}

const struct part PART_WAITS = { .name = "waits", .start = start, .halt = halt, .end = end, .write_metrics = write_metrics };
