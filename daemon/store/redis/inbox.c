/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/inbox.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pulse.h"
#include "store/redis/group.h"

#define NOT_LENT_MS 10 /* after others wanted what was lent: it pays where one thread asks at a time */
#define UNHURRIED_MS 3 /* so long what nobody waits for gathers; at 1,000 runs a second that is three calls in one */

void inbox_init(struct inbox *inbox)
{
    *inbox = (struct inbox){ .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    if (inbox->wake_fd < 0)
        abort();
    request_list_init(&inbox->waiting);
    request_list_init(&inbox->unhurried);
    lock_init(&inbox->lock);
    condition_init(&inbox->returned);
}

void inbox_done(struct inbox *inbox)
{
    assert(inbox->waiting.first == NULL && inbox->unhurried.first == NULL);
    assert(!inbox->is_lent);
    (void)close(inbox->wake_fd);
    condition_done(&inbox->returned);
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

/* Whether the lane is to look at it now: the first, since it then sleeps no longer than that one may wait; and the last that fits into a group. */
static bool add_unhurried(struct inbox *inbox, struct request *request)
{
    assert_held(&inbox->lock);
    request_list_add(&inbox->unhurried, request);
    if (inbox->unhurried_count++ == 0)
        inbox->unhurried_until_ms = clock_monotonic_ms() + UNHURRIED_MS;
    return inbox->unhurried_count == 1 || inbox->unhurried_count == GROUP_MOST;
}

/* Whether the lane is to look at it now. */
static bool add(struct inbox *inbox, struct request *request)
{
    assert_held(&inbox->lock);
    if (request->call != NULL && request->call->is_unhurried)
        return add_unhurried(inbox, request);
    request_list_add(&inbox->waiting, request);
    inbox->count++;
    return true;
}

bool inbox_push(struct inbox *inbox, struct request *request)
{
    lock_take(&inbox->lock);
    bool is_taken = !inbox->is_stopping;
    bool must_wake = is_taken && add(inbox, request) && inbox->is_asleep;
    if (must_wake)
        inbox->is_asleep = inbox->is_lendable = false; /* once is enough */
    lock_give(&inbox->lock);
    if (must_wake)
        wake(inbox);
    return is_taken;
}

static void hurry(struct inbox *inbox)
{
    assert_held(&inbox->lock);
    request_list_move(&inbox->unhurried, &inbox->waiting);
    inbox->count += inbox->unhurried_count;
    inbox->unhurried_count = 0;
}

static bool have_waited(const struct inbox *inbox)
{
    return inbox->unhurried_count >= GROUP_MOST || (inbox->unhurried_count > 0 && clock_monotonic_ms() >= inbox->unhurried_until_ms);
}

static void take_all(struct inbox *inbox, struct request_list *ret_taken)
{
    hurry(inbox);
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

bool inbox_borrow(struct inbox *inbox)
{
    LOCK_GUARD(&inbox->lock);
    if (!inbox->is_lendable || inbox->is_lent || inbox->is_stopping || clock_monotonic_ms() < inbox->lends_from_ms)
        return false;
    inbox->is_lent = true;
    return true;
}

void inbox_give_back(struct inbox *inbox, bool is_over)
{
    lock_take(&inbox->lock);
    assert(inbox->is_lent);
    inbox->is_lent = false;
    if (!is_over) {
        inbox->is_lendable = false;
        inbox->lends_from_ms = clock_monotonic_ms() + NOT_LENT_MS;
    }
    bool must_wake = !is_over && !inbox->is_wanted;
    condition_wake_all(&inbox->returned);
    lock_give(&inbox->lock);
    if (must_wake)
        wake(inbox);
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
    if (have_waited(inbox))
        hurry(inbox);
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

/* Until those that are unhurried have waited for long enough; `patience_ms` at most. */
static int shorter_ms(const struct inbox *inbox, int patience_ms)
{
    if (inbox->unhurried_count == 0)
        return patience_ms;
    int64_t left_ms = have_waited(inbox) ? 0 : inbox->unhurried_until_ms - clock_monotonic_ms();
    return patience_ms < 0 || left_ms < patience_ms ? (int)left_ms : patience_ms;
}

int inbox_fall_asleep(struct inbox *inbox, const struct pipeline *pipeline, int patience_ms)
{
    lock_take(&inbox->lock);
    int sleep_ms = pipeline_wants(pipeline, inbox->count) ? 0 : shorter_ms(inbox, patience_ms);
    inbox->is_asleep = pipeline_wants(pipeline, inbox->count + 1);
    inbox->is_lendable = sleep_ms != 0 && inbox->count == 0 && pipeline_is_empty(pipeline);
    lock_give(&inbox->lock);
    return sleep_ms;
}

/* False: nobody had it. */
static bool take_back(struct inbox *inbox)
{
    assert_held(&inbox->lock);
    inbox->is_lendable = false;
    if (!inbox->is_lent)
        return false;
    inbox->is_wanted = true;
    wake(inbox); /* who has it polls that, too */
    while (inbox->is_lent)
        condition_wait(&inbox->returned, &inbox->lock);
    inbox->is_wanted = false;
    return true;
}

void inbox_wake_up(struct inbox *inbox, short wake_events)
{
    eventfd_t count;

    lock_take(&inbox->lock);
    bool was_lent = take_back(inbox);
    inbox->is_asleep = false;
    lock_give(&inbox->lock);
    if (wake_events != 0 || was_lent)
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
