/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/outbox.h"

#include <assert.h>

#include "base/clock.h"

void outbox_init(struct outbox *outbox, size_t most, size_t size_most)
{
    *outbox = (struct outbox){ .most = most, .size_most = size_most };
    lock_init(&outbox->lock);
    condition_init(&outbox->news);
    msgpack_sbuffer_init(&outbox->spans);
}

void outbox_done(struct outbox *outbox)
{
    assert(outbox->fetched == 0); /* outbox_settle() */
    msgpack_sbuffer_destroy(&outbox->spans);
    condition_done(&outbox->news);
    lock_done(&outbox->lock);
}

msgpack_sbuffer *outbox_begin(struct outbox *outbox)
{
    lock_take(&outbox->lock);
    if (outbox->count + outbox->fetched >= outbox->most || outbox->spans.size + outbox->fetched_size >= outbox->size_most) {
        outbox->dropped++;
        lock_give(&outbox->lock);
        return NULL;
    }
    outbox->begun = outbox->spans.size;
    return &outbox->spans;
}

void outbox_end(struct outbox *outbox)
{
    assert_held(&outbox->lock);
    if (outbox->spans.size + outbox->fetched_size > outbox->size_most) {
        outbox->spans.size = outbox->begun;
        outbox->dropped++;
    } else if (++outbox->count == outbox->most / 4) {
        condition_wake_all(&outbox->news);
    }
    lock_give(&outbox->lock);
}

size_t outbox_fetch(struct outbox *outbox, size_t many, int64_t timeout_ms, msgpack_sbuffer *spans)
{
    int64_t until_ms = clock_monotonic_ms() + timeout_ms;
    const msgpack_sbuffer empty = *spans;

    assert(spans->size == 0);
    LOCK_GUARD(&outbox->lock);
    while (!outbox->is_closed && outbox->count < many && condition_wait_until(&outbox->news, &outbox->lock, until_ms))
        ;
    assert(outbox->fetched == 0); /* one batch at a time */
    *spans = outbox->spans;
    outbox->spans = empty;
    outbox->fetched = outbox->count;
    outbox->fetched_size = spans->size;
    outbox->count = 0;
    return outbox->fetched;
}

void outbox_settle(struct outbox *outbox, bool is_sent)
{
    LOCK_GUARD(&outbox->lock);
    if (!is_sent)
        outbox->dropped += outbox->fetched;
    outbox->fetched = outbox->fetched_size = 0;
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
