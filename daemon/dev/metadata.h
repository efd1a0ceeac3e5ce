/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metadata as clients are to see it: the mock broker answers versions up to 2, tells of its own port, and names a
 * controller that does not exist.
 */
#ifndef STEPD_DEV_METADATA_H
#define STEPD_DEV_METADATA_H

#include <stddef.h>
#include <stdint.h>

#include "dev/wire.h"

/* Adds a whole request frame of `version` to `out` as the mock broker knows it. */
void metadata_ask(struct wire_buffer *out, const uint8_t *frame, size_t size, int16_t version);

/* Adds the mock broker's whole answer, which is written over, to `reply` as a client that asked in `version` reads it. */
void metadata_answer(struct wire_buffer *reply, uint8_t *frame, size_t size, int16_t version, uint16_t port);

#endif
