/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A step has two names: the SDK's, the SHA-1 of what its author called it, and ours, that very text,
 * which is what people want to see. Each is made of the other's source, so nothing else is kept. Pure.
 */
#ifndef STEPD_SDK_STEP_NAME_H
#define STEPD_SDK_STEP_NAME_H

#include <stdint.h>

#include "run/run.h"

#define STEP_HASH_SIZE 41 /* hex digits and the NUL */

struct step_hash {
    char text[STEP_HASH_SIZE];
};

/* The SDK's name of our step `name`. */
struct step_hash step_name_hash(const char *name);
/* Our name of the step that the SDK calls `hash` and its author `author_id`, the `index`th (0: first)
 * of that id: "ID", "ID:INDEX", or the hash itself where those do not lead back to it. */
void step_name_of(const char *hash, const char *author_id, int64_t index, char ret_name[STEP_ID_SIZE]);

#endif
