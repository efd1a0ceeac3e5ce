/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/inbox.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/pulse.h"

void inbox_init(struct inbox *inbox)
{
    *inbox = (struct inbox){ .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    if (inbox->wake_fd < 0)
        abort();
    request_list_init(&inbox->waiting);
    lock_init(&inbox->lock);
}

void inbox_done(struct inbox *inbox)
{
    assert(inbox->waiting.first == NULL);
    (void)close(inbox->wake_fd);
    lock_done(&inbox->lock);
}

/* ---- any thread --------------------------------------------------------------------------------- */

static void wake(struct inbox *inbox)
{
    (void)!eventfd_write(inbox->wake_fd, 1);
}

void inbox_lead_to(struct inbox *inbox, const struct redis_place *place)
{
    lock_take(&inbox->lock);
    inbox->place = place != NULL ? *place : (struct redis_place){ .port = 0 };
    inbox->turn++;
    lock_give(&inbox->lock);
    wake(inbox);
}

struct redis_place inbox_place(struct inbox *inbox)
{
    lock_take(&inbox->lock);
    struct redis_place place = inbox->place;
    lock_give(&inbox->lock);
    return place;
}

bool inbox_push(struct inbox *inbox, struct request *request)
{
    lock_take(&inbox->lock);
    bool is_taken = !inbox->is_stopping;
    bool must_wake = is_taken && inbox->is_asleep;
    if (is_taken) {
        request_list_add(&inbox->waiting, request);
        inbox->count++;
    }
    if (must_wake)
        inbox->is_asleep = false; /* once is enough */
    lock_give(&inbox->lock);
    if (must_wake)
        wake(inbox);
    return is_taken;
}

static void take_all(struct inbox *inbox, struct request_list *ret_taken)
{
    assert_held(&inbox->lock);
    request_list_init(ret_taken);
    request_list_move(&inbox->waiting, ret_taken);
    inbox->count = 0;
}

void inbox_stop(struct inbox *inbox)
{
    struct request_list waiting;

    lock_take(&inbox->lock);
    inbox->is_stopping = true;
    take_all(inbox, &waiting);
    lock_give(&inbox->lock);
    wake(inbox);
    request_list_end(&waiting, -ESHUTDOWN);
}

/* ---- the lane's thread -------------------------------------------------------------------------- */

bool inbox_is_stopping(struct inbox *inbox)
{
    lock_take(&inbox->lock);
    bool is_stopping = inbox->is_stopping;
    lock_give(&inbox->lock);
    return is_stopping;
}

bool inbox_is_diverted(struct inbox *inbox, unsigned turn)
{
    lock_take(&inbox->lock);
    bool is_diverted = inbox->is_stopping || inbox->turn != turn;
    lock_give(&inbox->lock);
    return is_diverted;
}

unsigned inbox_follow(struct inbox *inbox, struct redis_place *ret_place)
{
    lock_take(&inbox->lock);
    *ret_place = inbox->place;
    unsigned turn = inbox->turn;
    lock_give(&inbox->lock);
    return turn;
}

size_t inbox_take(struct inbox *inbox, const struct pipeline *pipeline, struct request_list *ret_taken)
{
    size_t count = 0;

    request_list_init(ret_taken);
    lock_take(&inbox->lock);
    if (pipeline_wants(pipeline, inbox->count))
        count = pipeline_admit(pipeline, &inbox->waiting, ret_taken);
    assert(count <= inbox->count);
    inbox->count -= count;
    lock_give(&inbox->lock);
    return count;
}

void inbox_take_all(struct inbox *inbox, struct request_list *ret_taken)
{
    lock_take(&inbox->lock);
    take_all(inbox, ret_taken);
    inbox->is_asleep = true;
    lock_give(&inbox->lock);
}

bool inbox_fall_asleep(struct inbox *inbox, const struct pipeline *pipeline)
{
    lock_take(&inbox->lock);
    bool is_idle = !pipeline_wants(pipeline, inbox->count);
    inbox->is_asleep = pipeline_wants(pipeline, inbox->count + 1);
    lock_give(&inbox->lock);
    return is_idle;
}

void inbox_wake_up(struct inbox *inbox, short wake_events)
{
    eventfd_t count;

    lock_take(&inbox->lock);
    inbox->is_asleep = false;
    lock_give(&inbox->lock);
    if (wake_events != 0)
        (void)!eventfd_read(inbox->wake_fd, &count);
}

void inbox_wait(struct inbox *inbox, int timeout_ms)
{
    struct pollfd woken = { .fd = inbox->wake_fd, .events = POLLIN };

    pulse_rest_here();
    (void)poll(&woken, 1, timeout_ms);
    pulse_beat_here();
    inbox_wake_up(inbox, woken.revents);
}
