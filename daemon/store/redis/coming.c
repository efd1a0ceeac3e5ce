/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/coming.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"

struct coming_run {
    struct coming_run *next;
    struct claimed *claimed;
    int64_t at_us;
};

void coming_add(struct coming *coming, struct claimed *claimed, int64_t at_us)
{
    struct coming_run *run = xmalloc(sizeof(*run));
    struct coming_run **link = &coming->first;

    assert(claimed != NULL);
    while (*link != NULL && (*link)->at_us <= at_us)
        link = &(*link)->next;
    *run = (struct coming_run){ .next = *link, .claimed = claimed, .at_us = at_us };
    *link = run;
    coming->last_us = at_us > coming->last_us ? at_us : coming->last_us;
}

struct claimed *coming_take(struct coming *coming, int64_t now_us)
{
    struct coming_run *first = coming->first;

    if (first == NULL || first->at_us > now_us)
        return NULL;
    struct claimed *claimed = first->claimed;
    coming->first = first->next;
    free(first);
    return claimed;
}

int64_t coming_first_us(const struct coming *coming)
{
    return coming->first != NULL ? coming->first->at_us : INT64_MAX;
}
