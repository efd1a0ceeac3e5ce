/* SPDX-License-Identifier: Apache-2.0 */
/* Reads parts of partitions once more, and matches what is in them; nothing is run, nothing is committed. One thread's. */
#ifndef STEPD_INTAKE_KAFKA_REREAD_H
#define STEPD_INTAKE_KAFKA_REREAD_H

#include <stdint.h>

#include "base/memory.h"

struct consumer_settings;
struct position;
struct reread;

struct reread *reread_create(const struct consumer_settings *settings);
void reread_destroy(struct reread *reread);
/* From `first` up to position->next. */
void reread_add(struct reread *reread, const struct position *position, int64_t first);
/* All that was added. 0; -ESHUTDOWN; else it is to be tried again. */
int reread_all(struct reread *reread) MUST_CHECK;
/* Any thread. */
void reread_stop(struct reread *reread);

#endif
