/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/outbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

void outbox_init(struct outbox *outbox, size_t most, size_t size_most)
{
    *outbox = (struct outbox){ .most = most, .size_most = size_most };
    lock_init(&outbox->lock);
    condition_init(&outbox->news);
    outbox->last = &outbox->first;
}

static void destroy(struct sealed_span *spans)
{
    while (spans != NULL) {
        struct sealed_span *next = spans->next;
        free(spans);
        spans = next;
    }
}

void outbox_done(struct outbox *outbox)
{
    assert(outbox->fetched == 0); /* outbox_settle() */
    destroy(outbox->first);
    condition_done(&outbox->news);
    lock_done(&outbox->lock);
}

static bool has_room(const struct outbox *outbox, size_t size)
{
    assert_held(&outbox->lock);
    return outbox->count + outbox->fetched < outbox->most && outbox->size + outbox->fetched_size + size <= outbox->size_most;
}

void outbox_put(struct outbox *outbox, struct bytes span)
{
    struct sealed_span *sealed = xmalloc(sizeof(*sealed) + span.size);

    sealed->next = NULL;
    sealed->size = span.size;
    memcpy(sealed->bytes, span.data, span.size);
    lock_take(&outbox->lock);
    bool is_taken = has_room(outbox, span.size);
    if (is_taken) {
        *outbox->last = sealed;
        outbox->last = &sealed->next;
        outbox->count++;
        outbox->size += span.size;
        if (outbox->count == outbox->most / 4)
            condition_wake_all(&outbox->news);
    } else {
        outbox->dropped++;
    }
    lock_give(&outbox->lock);
    if (!is_taken)
        free(sealed);
}

struct sealed_span *outbox_fetch(struct outbox *outbox, size_t many, int64_t timeout_ms)
{
    int64_t until_ms = clock_monotonic_ms() + timeout_ms;

    LOCK_GUARD(&outbox->lock);
    while (!outbox->is_closed && outbox->count < many && condition_wait_until(&outbox->news, &outbox->lock, until_ms))
        ;
    assert(outbox->fetched == 0); /* one batch at a time */
    struct sealed_span *spans = outbox->first;
    outbox->fetched = outbox->count;
    outbox->fetched_size = outbox->size;
    outbox->first = NULL;
    outbox->last = &outbox->first;
    outbox->count = outbox->size = 0;
    return spans;
}

void outbox_settle(struct outbox *outbox, struct sealed_span *spans, bool is_sent)
{
    lock_take(&outbox->lock);
    if (!is_sent)
        outbox->dropped += outbox->fetched;
    outbox->fetched = outbox->fetched_size = 0;
    lock_give(&outbox->lock);
    destroy(spans);
}

void outbox_close(struct outbox *outbox)
{
    LOCK_GUARD(&outbox->lock);
    outbox->is_closed = true;
    condition_wake_all(&outbox->news);
}

bool outbox_is_closed(struct outbox *outbox)
{
    LOCK_GUARD(&outbox->lock);
    return outbox->is_closed;
}

uint64_t outbox_dropped(struct outbox *outbox)
{
    LOCK_GUARD(&outbox->lock);
    return outbox->dropped;
}
