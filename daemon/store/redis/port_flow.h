/* SPDX-License-Identifier: Apache-2.0 */
/* What a run's flow control asks, as the scripts read it: admit.lua, flow.lua and turns.lua say what each member is. */
#ifndef STEPD_STORE_REDIS_PORT_FLOW_H
#define STEPD_STORE_REDIS_PORT_FLOW_H

#include "store/redis/store_internal.h"

/* As admit.lua reads it. `older_id` is empty where the run's function has no dedupe window. */
void port_pack_ask(msgpack_packer *packer, const struct redis_store *store, const struct run *run, const struct flow_ask *ask,
                   const struct run_id *older_id);
/* What the run waits for in line, as flow.lua reads it. */
void port_pack_flow(msgpack_sbuffer *flow, const struct run *run, const struct flow_ask *ask);
/* The same of one that arrived then and goes into its line as it is. */
void port_pack_queued(msgpack_sbuffer *flow, const struct run *run, const struct flow_ask *ask, int64_t arrived_us);
/* The values that its turn hangs on, behind what is in `text`. */
void port_add_line(msgpack_sbuffer *text, const struct run *run, const struct flow_ask *ask);
/* One more part of a key, with a NUL before all but the first. */
void port_add_part(msgpack_sbuffer *text, struct bytes part);
/* What the run is of, in one text, since the ids of functions and runs are hashes. The caller frees. */
char *port_origin_of(const struct run *run);

#endif
