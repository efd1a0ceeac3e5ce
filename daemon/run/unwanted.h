/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs that a person has cancelled while the store did not know them: should the first attempt of one be under way here,
 * nobody wants its result. Their attempts look themselves, so that one that nobody cancelled pays for a load at its end.
 * Locks itself.
 */
#ifndef STEPD_RUN_UNWANTED_H
#define STEPD_RUN_UNWANTED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct unwanted {
    atomic_size_t count; /* 0: there is none */
    struct unwanted_list *list;
};

void unwanted_init(struct unwanted *unwanted);
void unwanted_done(struct unwanted *unwanted);
/* For an hour from now on; of more than 1,000 the oldest goes. */
void unwanted_add(struct unwanted *unwanted, const char *run_id);
bool unwanted_find(struct unwanted *unwanted, const char *run_id);

/* NULL: there are none. */
static inline bool unwanted_has(struct unwanted *unwanted, const char *run_id)
{
    return unwanted != NULL && atomic_load_explicit(&unwanted->count, memory_order_relaxed) > 0 && unwanted_find(unwanted, run_id);
}

#endif
