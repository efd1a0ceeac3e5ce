/* SPDX-License-Identifier: Apache-2.0 */
/* A run that is to wait in line, where no other rule of flow control concerns it before it begins: what admit_many.lua has of it. */
#ifndef STEPD_STORE_REDIS_PORT_ENTRY_H
#define STEPD_STORE_REDIS_PORT_ENTRY_H

#include "store/redis/port_change.h"
#include "store/redis/store_internal.h"

#define PORT_ENTRY_SIZE 117

struct port_entry {
    char bytes[PORT_ENTRY_SIZE + 1];
    msgpack_sbuffer name; /* function, NUL, line */
    msgpack_sbuffer flow;
};

bool port_is_plain_entry(const struct run *run, const struct flow_ask *ask);
/* port_entry_done() it, packed or not. */
void port_entry_init(struct port_entry *entry);
void port_pack_entry(struct port_entry *entry, const struct run *run, const struct flow_ask *ask, const struct change_times *times,
                     size_t body_size);
void port_entry_done(struct port_entry *entry);

#endif
