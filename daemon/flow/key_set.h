/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ordered keys of one assignment that have a run in the store: what comes for them must ask the
 * store before it starts. May hold a key whose run ended elsewhere (the store then answers
 * ORDER_FREE and the key is removed); never misses one. Any thread; takes its own lock.
 */
#ifndef STEPD_FLOW_KEY_SET_H
#define STEPD_FLOW_KEY_SET_H

#include <stdbool.h>

#include "base/bytes.h"

struct key_set;

struct key_set *key_set_create(void);
void key_set_destroy(struct key_set *set);
/* `function` is the function's id. Copies. */
void key_set_add(struct key_set *set, const char *function, struct bytes key);
void key_set_remove(struct key_set *set, const char *function, struct bytes key);
bool key_set_has(struct key_set *set, const char *function, struct bytes key);

#endif
