/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a librdkafka handle, which can hang in some versions: bounded. */
#ifndef STEPD_KAFKA_HANDLE_H
#define STEPD_KAFKA_HANDLE_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

/* rd_kafka_destroy_flags() within timeout_ms. False: it hangs, on a thread of its own, and all that the
 * handle's callbacks use must stay. */
bool handle_destroy(rd_kafka_t *handle, int flags, int64_t timeout_ms);

#endif
