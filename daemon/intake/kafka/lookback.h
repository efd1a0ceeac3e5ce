/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hears of all that runs wait for, and reads what was read before that was known once more: docs/inside/waits.md. A thread
 * of its own, with a consumer of its own that belongs to no group and commits nothing.
 */
#ifndef STEPD_INTAKE_KAFKA_LOOKBACK_H
#define STEPD_INTAKE_KAFKA_LOOKBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"

struct consumer_settings;
struct lookback;
struct positions;

/* Both outlive it. */
struct lookback *lookback_create(const struct consumer_settings *settings, struct positions *positions);
int lookback_start(struct lookback *lookback, struct error *ret_error) MUST_CHECK;
/* Its thread ends soon, at the latest when the store has stopped. NULL is fine, as below. */
void lookback_stop(struct lookback *lookback);
/* False: its thread hangs, and it stays. */
bool lookback_destroy(struct lookback *lookback) MUST_CHECK;

#endif
