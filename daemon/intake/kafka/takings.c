/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/kafka/takings.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "intake/offsets.h"

#define ROOM_MIN 64

struct taking {
    struct partition *partition;
    int64_t offset;
    int64_t seen_ms;
};

static struct taking *at(const struct takings *takings, size_t index)
{
    assert(index < takings->room && (takings->room & (takings->room - 1)) == 0);
    return &takings->items[(takings->first + index) & (takings->room - 1)];
}

static void grow(struct takings *takings)
{
    size_t room = takings->room == 0 ? ROOM_MIN : takings->room * 2;
    struct taking *items = xmalloc(room * sizeof(*items));

    for (size_t i = 0; i < takings->count; i++)
        items[i] = *at(takings, i);
    free(takings->items);
    *takings = (struct takings){ .items = items, .count = takings->count, .room = room };
}

void takings_add(struct takings *takings, struct partition *partition, int64_t offset, int64_t seen_ms)
{
    assert(offset >= 0);
    assert(takings->count == 0 || at(takings, takings->count - 1)->seen_ms <= seen_ms);
    if (takings->count == takings->room)
        grow(takings);
    *at(takings, takings->count++) = (struct taking){ .partition = partition, .offset = offset, .seen_ms = seen_ms };
    partition->holders++;
}

static void leave_first(struct takings *takings)
{
    assert(takings->count > 0 && at(takings, 0)->partition->holders > 0);
    at(takings, 0)->partition->holders--;
    takings->first = (takings->first + 1) & (takings->room - 1);
    takings->count--;
}

void takings_finish(struct takings *takings, int64_t kept_ms)
{
    while (takings->count > 0 && at(takings, 0)->seen_ms <= kept_ms) {
        offsets_finish(at(takings, 0)->partition->offsets, at(takings, 0)->offset);
        leave_first(takings);
    }
}

bool takings_have(const struct takings *takings, const struct partition *partition)
{
    for (size_t i = 0; i < takings->count; i++)
        if (at(takings, i)->partition == partition)
            return true;
    return false;
}

void takings_drop(struct takings *takings)
{
    while (takings->count > 0)
        leave_first(takings);
}

void takings_done(struct takings *takings)
{
    free(takings->items);
}
