/* SPDX-License-Identifier: Apache-2.0 */
/* Reads parts of partitions once more, and matches what is in them; nothing is run, nothing is committed. One thread's. */
#ifndef STEPD_INTAKE_KAFKA_REREAD_H
#define STEPD_INTAKE_KAFKA_REREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"

struct consumer_settings;
struct position;
struct reread;

struct reread *reread_create(const struct consumer_settings *settings);
void reread_destroy(struct reread *reread);
/* Of others from here on. */
void reread_begin(struct reread *reread);
/* From `first` up to `end`. */
void reread_add(struct reread *reread, const struct position *position, int64_t first, int64_t end);
/* What was added, as far as it comes in that time. 0; -ESHUTDOWN; else it is to be tried again. */
int reread_all(struct reread *reread, int64_t most_ms, bool *ret_is_whole) MUST_CHECK;
/* Below, all of that position that was added is matched; -1: nothing was. */
int64_t reread_next(const struct reread *reread, uint64_t serial);
/* Any thread. */
void reread_stop(struct reread *reread);

#endif
