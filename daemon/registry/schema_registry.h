/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schemas of a registry. Who wants one gets it at once, or hears that it is asked for; a thread asks, again and
 * again while the registry is away. What came is kept, the least used of it given up for others.
 */
#ifndef STEPD_REGISTRY_SCHEMA_REGISTRY_H
#define STEPD_REGISTRY_SCHEMA_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "registry/client.h"
#include "schema/schema.h"

struct schema_registry_settings {
    struct registry_address address;
    const char *const *topics; /* patterns with `*`, NULL-ended: whose values are framed. NULL: of all */
    size_t room;               /* schemas that are kept */
};

struct schema_registry_counts {
    uint64_t asked;  /* requests */
    uint64_t failed; /* of them, that the registry was away or refused */
    size_t schemas;  /* that are kept */
    uint64_t up;     /* 1: the last question was answered */
};

struct schema_registry;

/* Copies nothing. */
struct schema_registry *schema_registry_create(const struct schema_registry_settings *settings);
int schema_registry_start(struct schema_registry *registry, struct error *ret_error) MUST_CHECK;
/* Whoever asks from now on waits for ever. */
void schema_registry_stop(struct schema_registry *registry);
/* NULL is fine. */
void schema_registry_destroy(struct schema_registry *registry);

/* Any thread; waits for nothing. */
bool schema_registry_reads_topic(const struct schema_registry *registry, const char *topic);
/* A reference for the caller; NULL: asked for. */
struct schema *schema_registry_find(struct schema_registry *registry, const struct schema_key *key);
/* Why what was asked for is not there yet, in a line. */
void schema_registry_say_why(struct schema_registry *registry, char *text, size_t size);
void schema_registry_counts(struct schema_registry *registry, struct schema_registry_counts *ret_counts);

#endif
