/* SPDX-License-Identifier: Apache-2.0 */
/* A librdkafka handle's trial, and its end, which can hang in some versions: bounded. */
#ifndef STEPD_KAFKA_HANDLE_H
#define STEPD_KAFKA_HANDLE_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"

/* rd_kafka_destroy_flags() within timeout_ms. False: it hangs, on a thread of its own, and all that the
 * handle's callbacks use must stay. */
bool handle_destroy(rd_kafka_t *handle, int flags, int64_t timeout_ms);

/* Whether a handle can be made of it, which looks at what settings say together, and at files that they name. Connects to
 * nothing. Takes `conf`. 0, or -EINVAL with librdkafka's reason. */
int handle_try(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct error *ret_error) MUST_CHECK;

#endif
