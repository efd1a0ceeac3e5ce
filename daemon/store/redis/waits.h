/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that wait for events: what the scripts await, match and confirm are asked. docs/inside/waits.md. */
#ifndef STEPD_STORE_REDIS_WAITS_H
#define STEPD_STORE_REDIS_WAITS_H

#include <msgpack.h>

#include "run/ports.h"

/* As await.lua reads it. `place` as the script's own; used where the store does not know the run yet. */
void waits_pack_ask(msgpack_sbuffer *buffer, const struct run *run, const struct wait_ask *ask, const char *place);
/* One of the wishes that admit.lua makes. */
void waits_pack_wish(msgpack_packer *packer, const struct run *run, const struct flow_wish *wish, struct bytes value);
/* Of run/ports.h: store_ops.match, match_later and list_kept */
int waits_match(struct store *port, const struct wait_match *match, struct wait_counts *ret_counts);
void waits_match_later(struct store *port, struct pending_match *pending);
int waits_list_kept(struct store *port, const struct run *run, const char *event,
                    void (*each)(void *context, const char *name, struct bytes outcome), void *context);

#endif
