/* SPDX-License-Identifier: Apache-2.0 */
/* The step ids used in one attempt: the second `id` is `id:1`, the third `id:2`. One thread. */
#ifndef STEPD_RUN_STEP_IDS_H
#define STEPD_RUN_STEP_IDS_H

#include <stddef.h>
#include <stdint.h>

struct step_ids {
    struct step_id_use *uses; /* open addressing, at most half full */
    size_t capacity;          /* 0, or a power of two */
    size_t count;
};

void step_ids_clear(struct step_ids *ids);
void step_ids_done(struct step_ids *ids);
/* Writes the name that this use of `id` has to `ret_name`, which has room for STEP_ID_SIZE bytes. */
void step_ids_next(struct step_ids *ids, const char *id, char *ret_name);

#endif
