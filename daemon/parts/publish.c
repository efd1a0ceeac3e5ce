/* SPDX-License-Identifier: Apache-2.0 */
/* The producer of dead letters and emitted events. */
#include "base/array.h"
#include "config/config.h"
#include "parts/families.h"
#include "parts/part.h"
#include "publish/producer.h"
#include "run/emit.h"

#define END_MS 1000

static int start(struct daemon *daemon, struct error *ret_error)
{
    const struct config *config = daemon->config;
    int status = producer_create(config->kafka, &daemon->producer, ret_error);

    for (size_t i = 0; status == 0 && config->topics[i] != NULL; i++) {
        AUTO_FREE char *letters = emit_letter_topic(config->dead_letter_topic, config->topics[i]);
        producer_expect(daemon->producer, letters);
        producer_expect(daemon->producer, config->topics[i]);
    }
    return status;
}

static void halt(struct daemon *daemon)
{
    if (daemon->producer != NULL)
        producer_stop(daemon->producer);
}

static void end(struct daemon *daemon)
{
    producer_destroy(daemon->producer, END_MS);
}

static const char *trouble(struct daemon *daemon, char *room, size_t size)
{
    (void)room;
    (void)size;
    return producer_is_up(daemon->producer) ? NULL : "Kafka refuses what is to be produced: failed runs wait";
}

struct counts {
    uint64_t refused;
};

static const struct family FAMILIES[] = {
    COUNTER("producer_refused_total",
            "Dead letters and emitted events that Kafka refused, each try: too large, no such topic, no right to write.", counts, refused),
};

static void write_metrics(struct daemon *daemon, struct metrics_page *page)
{
    const struct counts counts = { .refused = producer_refused(daemon->producer) };

    families_put(page, FAMILIES, COUNT_OF(FAMILIES), &counts);
    families_put_gauge(page, "producer_up", "Whether Kafka takes dead letters and emitted events.", producer_is_up(daemon->producer));
}

const struct part PART_PUBLISH = {
    .name = "publish",
    .start = start,
    .halt = halt,
    .end = end,
    .trouble = trouble,
    .write_metrics = write_metrics,
};
