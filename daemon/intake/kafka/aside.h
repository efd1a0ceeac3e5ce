/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A consumer beside the live one: it joins no group and commits nothing. Brokers answer the requests of a connection one after the
 * other, and let a fetch wait for events (fetch.wait.max.ms): what is asked by the live one waits as long.
 */
#ifndef STEPD_INTAKE_KAFKA_ASIDE_H
#define STEPD_INTAKE_KAFKA_ASIDE_H

#include <librdkafka/rdkafka.h>

#include "base/error.h"
#include "base/memory.h"
#include "config/setting.h"

/* 0, or -EINVAL with librdkafka's reason. Whoever opens it destroys it: handle_destroy(). */
int aside_open(const struct setting *kafka, rd_kafka_t **ret_handle, struct error *ret_error) MUST_CHECK;

#endif
