/* SPDX-License-Identifier: Apache-2.0 */
/* The schema registry, where the config names one. */
#include "registry/schema_registry.h"

#include "base/array.h"
#include "config/config.h"
#include "parts/families.h"
#include "parts/part.h"

#define ROOM 1000 /* schemas that are kept */

static int start(struct daemon *daemon, struct error *ret_error)
{
    const struct config *config = daemon->config;

    if (!config->schema_registry.is_on)
        return 0;
    const struct schema_registry_settings settings = {
        .address = registry_address_of(config),
        .topics = config->schema_registry.topics,
        .room = ROOM,
    };
    daemon->registry = schema_registry_create(&settings);
    return schema_registry_start(daemon->registry, ret_error);
}

static void end(struct daemon *daemon)
{
    schema_registry_destroy(daemon->registry);
}

/* ---- metrics -------------------------------------------------------------------------------------- */

static const struct family registry_families[] = {
    COUNTER("schema_requests_total", "Questions to the schema registry.", schema_registry_counts, asked),
    COUNTER("schema_requests_failed_total", "Questions to the schema registry that it could not answer, or refused.",
            schema_registry_counts, failed),
    GAUGE("schemas_kept", "Schemas that are kept.", schema_registry_counts, schemas),
    GAUGE("schema_registry_up", "1: the schema registry answered when it was last asked.", schema_registry_counts, up),
};

static void write_metrics(struct daemon *daemon, struct metrics_page *page)
{
    struct schema_registry_counts counts;

    if (daemon->registry == NULL)
        return;
    schema_registry_counts(daemon->registry, &counts);
    families_put(page, registry_families, COUNT_OF(registry_families), &counts);
}

const struct part PART_SCHEMAS = { .name = "schemas", .start = start, .end = end, .write_metrics = write_metrics };
