/* SPDX-License-Identifier: Apache-2.0 */
/* A librdkafka configuration from the config's `kafka:`, and its log as stepd writes one. */
#ifndef STEPD_KAFKA_CONF_H
#define STEPD_KAFKA_CONF_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/memory.h"
#include "config/setting.h"

/* `kafka` is a map of scalars. 0, and a configuration that is the caller's; or -EINVAL with the setting
 * that librdkafka refuses. Which protocol the group speaks is left to protocol_set(). */
int conf_create(const struct setting *kafka, rd_kafka_conf_t **ret_conf, struct error *ret_error) MUST_CHECK;
/* Adds to `faults` what librdkafka refuses of it, each with its place. */
void conf_check(const struct setting *kafka, struct config_faults *faults);
/* The setting that such a reason names first; NULL: none. */
const struct setting *conf_named(const struct setting *kafka, const char *reason);
/* A default of ours: what the user wrote wins, and a librdkafka that does not know it goes without. */
void conf_default(rd_kafka_conf_t *conf, const struct setting *kafka, const char *name, const char *value);
/* What correctness hangs on. */
void conf_force(rd_kafka_conf_t *conf, const char *name, const char *value);
/* The user's value, or `otherwise`. */
const char *conf_text(const struct setting *kafka, const char *name, const char *otherwise);

#endif
