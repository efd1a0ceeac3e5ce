/* SPDX-License-Identifier: Apache-2.0 */
#include "run/known_runs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define ROOM_MIN 64

void known_runs_add(struct known_runs *runs, enum known_as as, const char id[static RUN_ID_LENGTH], int64_t offset)
{
    if (runs->count == runs->room) {
        runs->room = runs->room != 0 ? runs->room * 2 : ROOM_MIN;
        runs->items = xrealloc(runs->items, runs->room * sizeof(*runs->items));
    }
    assert(runs->count < runs->room);
    struct known_run *run = &runs->items[runs->count++];
    *run = (struct known_run){ .as = as, .offset = offset };
    memcpy(run->id.text, id, RUN_ID_LENGTH);
}

static int compare(const void *a, const void *b)
{
    const struct known_run *one = a, *other = b;
    int order = memcmp(one->id.text, other->id.text, RUN_ID_LENGTH);

    return order != 0 ? order : (int)one->as - (int)other->as;
}

void known_runs_sort(struct known_runs *runs)
{
    if (runs->count > 0)
        qsort(runs->items, runs->count, sizeof(*runs->items), compare);
}

const struct known_run *known_runs_find(const struct known_runs *runs, enum known_as as, const struct run_id *id)
{
    if (runs->count == 0)
        return NULL;
    const struct known_run wanted = { .id = *id, .as = as };
    return bsearch(&wanted, runs->items, runs->count, sizeof(*runs->items), compare);
}

void known_runs_done(struct known_runs *runs)
{
    free(runs->items);
    *runs = (struct known_runs){ 0 };
}
