/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offsets by time, which the mock broker has no answer to: the first message of a partition that is as young as a
 * time. A thread of its own reads the partition from its beginning, as a consumer of the mock broker; it is small.
 * All that is asked along with a time is answered here.
 */
#ifndef STEPD_DEV_OFFSET_TIMES_H
#define STEPD_DEV_OFFSET_TIMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "dev/wire.h"

struct offset_times;

/* Asks the mock broker at 127.0.0.1:`broker_port`. */
int offset_times_start(uint16_t broker_port, struct offset_times **ret_times, struct error *ret_error) MUST_CHECK;
void offset_times_stop(struct offset_times *times); /* waits for the question that is being answered */

/* Does this ListOffsets request (what follows its header) ask for a time? */
bool offset_times_are_asked(int16_t version, struct wire_reader request);
void offset_times_ask(struct offset_times *times, void *ticket, int16_t version, struct wire_reader request);

/* Readable while there are answers. */
int offset_times_fd(const struct offset_times *times);
/* The ticket of the next answer, and what follows its correlation id; NULL: there is none. The caller owns the answer. */
void *offset_times_take(struct offset_times *times, struct wire_buffer *ret_answer);

#endif
