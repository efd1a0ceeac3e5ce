/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/trims.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void trims_set(struct trim **trims, const char *topic, int32_t partition, int64_t committed)
{
    struct trim **place = trims;

    while (*place != NULL && ((*place)->partition != partition || strcmp((*place)->topic, topic) != 0))
        place = &(*place)->next;
    if (*place == NULL) {
        *place = xcalloc(1, sizeof(**place));
        **place = (struct trim){ .topic = xstrdup(topic), .partition = partition };
    }
    (*place)->committed = committed;
}

void trims_drop_first(struct trim **trims)
{
    struct trim *first = *trims;

    *trims = first->next;
    free(first->topic);
    free(first);
}
