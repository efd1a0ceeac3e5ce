/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run as one Redis string, `PREFIX{shard}:run:<id>`: header, body, tail. One string and not a hash,
 * since a hash with one value over 64 B costs some 400 B more a waiting run; the header has fixed
 * places, so that scripts read and write it in place (GETRANGE, SETRANGE) and never touch the body.
 *
 *   at  size  header, little-endian                      at  size
 *    0   1    version, 1 to 3                            24   8   changed_ms: due, or ended, or owned since
 *    1   1    status, a letter of enum run_status        32   4   body size
 *    2   1    phase                                      36   4   tail size
 *    3   1    flags: enum record_flag       40   4   state bytes: of its checkpoints
 *    4   2    attempt                                    44   2   unclean: daemons that died holding it, in a row
 *    6   2    takeovers                                  46   2   version 2: checkpoints in `steps:<id>`; else 0
 *    8   4    epoch                                      48  16   owner (the last one, when not owned)
 *   12   4    checkpoints                                64       body, then tail
 *   16   8    created_ms
 *
 * The version is that of header, body and tail, and of the run's checkpoints (run/checkpoints.h). Version and status stand at the
 * same place in every version: 1 to 31, and a letter. docs/recipes.md says what goes with another one.
 *
 * Of version 2 is a run that is owned, or has completed, with its newest checkpoints in a list that its owner adds to by himself
 * (scripts/added.lua): those that were in the list when the header was written are counted in it, and those added since set the
 * attempt to 0. Of version 3 is a run of several events. All other runs are of version 1.
 *
 * Body, msgpack, never changes: [function, topic, partition, offset, timestamp_ms, key or nil, value
 * or nil, [name, value or nil, …] headers]. Of version 3 it has a ninth, its further events in an array,
 * each an array of the same without the function. Tail, msgpack, replaced whole: run/attempt_log.h. It may be
 * followed by bytes of a longer earlier tail, which mean nothing.
 */
#ifndef STEPD_STORE_REDIS_RECORD_H
#define STEPD_STORE_REDIS_RECORD_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "store/record.h"

#define RECORD_VERSION 1
#define RECORD_VERSION_ADDED 2
#define RECORD_VERSION_SEVERAL 3
#define RECORD_HEADER_SIZE 64

/* Appends the body of a run that the store is to take over. */
void record_pack_body(msgpack_packer *packer, const struct run *run);
/* Of a record's header: since when it is what its status says; until when it waits. */
int64_t record_changed_ms(const char header[static RECORD_HEADER_SIZE]);
/* 0, or -EBADMSG with the reason. `data` may be damaged: nothing in it is trusted. */
int record_decode(struct bytes data, msgpack_zone *zone, struct record *ret_record, struct error *ret_error);
/* The same of a record's first bytes alone, half a KiB or more: its header and what comes before its value, as
 * far as it is all there; what is not stays empty. */
int record_decode_head(struct bytes data, msgpack_zone *zone, struct record *ret_record, struct error *ret_error);

#endif
