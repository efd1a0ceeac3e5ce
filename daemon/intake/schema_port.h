/* SPDX-License-Identifier: Apache-2.0 */
/* What the consumer asks of whoever knows the schemas that values name. */
#ifndef STEPD_INTAKE_SCHEMA_PORT_H
#define STEPD_INTAKE_SCHEMA_PORT_H

#include <stdbool.h>
#include <stddef.h>

#include "schema/schema.h"

/* Zeroed: values name no schemas. Consumer thread; neither waits for anything. */
struct schema_port {
    /* Whether values of the topic are framed. */
    bool (*reads_topic)(void *context, const char *topic);
    /* The schema, a reference for the caller; NULL: not known yet, and asked for. */
    struct schema *(*find)(void *context, const struct schema_key *key);
    /* Why one is not known yet, in a line. */
    void (*say_why)(void *context, char *text, size_t size);
    void *context;
};

#endif
