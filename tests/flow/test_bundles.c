/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/bundles.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "run/flow_settings.h"

#define KEY(text) ((struct bytes){ text, sizeof(text) - 1 })
#define MESSAGES 8

static struct flow_settings flow = { .given = { .batch = { .size = 3, .timeout_ms = 60000 } } };
static struct function function = { .id = "f", .flow = &flow };
static struct assignment first, second;
static struct batch *all;
static struct gathered *begun[MESSAGES];
static size_t begun_count;
static struct bundles *bundles;

static void begin(void *context, struct gathered *gathered)
{
    (void)context;
    begun[begun_count++] = gathered;
}

static void fatal(const char *why)
{
    cr_assert_fail("%s", why);
}

static void open_bundles(size_t events_most)
{
    const struct bundles_settings settings = { .events_most = events_most, .bytes_most = 1 << 20, .begin = begin, .fatal = fatal };

    bundles = bundles_create(&settings);
}

static void set_up(void)
{
    first = (struct assignment){ .topic = (char *)(uintptr_t) "t" };
    second = (struct assignment){ .topic = (char *)(uintptr_t) "t", .partition = 1 };
    all = xcalloc(1, sizeof(*all) + MESSAGES * sizeof(all->messages[0]));
    all->count = MESSAGES;
    batch_begin(all);
    for (unsigned i = 0; i < MESSAGES; i++) {
        struct message *message = &all->messages[i];
        message_init(message, i % 2 == 0 ? &first : &second, all);
        event_init(&message->event, "t", (int)i % 2, i, 0, (struct bytes){ 0 }, (struct bytes){ "{}", 2 }, NULL, 0);
        message->runs = 1;
    }
    begun_count = 0;
    flow.given.batch = (struct stepd_batch){ .size = 3, .timeout_ms = 60000 };
    open_bundles(100);
}

static void tear_down(void)
{
    for (size_t i = 0; i < begun_count; i++)
        gathered_end(begun[i], MESSAGE_DONE);
    bundles_destroy(bundles);
    free(all);
}

TestSuite(bundles, .init = set_up, .fini = tear_down);

static enum bundles_answer add(unsigned at, struct bytes key)
{
    return bundles_add(bundles, &function, key, &all->messages[at], &all->messages[at].event);
}

Test(bundles, begin_when_they_are_full_with_each_partition_s_events_in_order)
{
    cr_assert_eq(add(2, KEY("=a")), BUNDLES_TAKEN);
    cr_assert_eq(add(1, KEY("=a")), BUNDLES_TAKEN);
    cr_assert_eq(begun_count, 0);
    cr_assert_eq(add(0, KEY("=a")), BUNDLES_TAKEN);
    cr_assert_eq(begun_count, 1);
    cr_assert_eq(begun[0]->bundle.count, 3);
    cr_assert_eq(begun[0]->bundle.events[0]->view.offset, 0);
    cr_assert_eq(begun[0]->bundle.events[1]->view.offset, 2);
}

Test(bundles, keep_keys_apart)
{
    (void)add(0, KEY("=a"));
    (void)add(1, KEY("=b"));
    (void)add(2, KEY("=a"));
    (void)add(3, KEY("=b"));
    cr_assert_eq(begun_count, 0);
    (void)add(4, KEY("=b"));
    cr_assert_eq(begun_count, 1);
    cr_assert_eq(begun[0]->bundle.count, 3);
}

Test(bundles, begin_the_oldest_early_where_more_is_open_than_may_be)
{
    bundles_destroy(bundles);
    open_bundles(3);
    (void)add(0, KEY("=a"));
    (void)add(1, KEY("=b"));
    (void)add(2, KEY("=c"));
    cr_assert_eq(add(3, KEY("=d")), BUNDLES_TAKEN_EARLY);
    cr_assert_eq(begun_count, 1);
    cr_assert_eq(begun[0]->bundle.events[0]->view.offset, 0);
}

Test(bundles, drop_what_is_of_a_revoked_partition_and_keep_the_rest)
{
    (void)add(0, KEY("=a"));
    (void)add(1, KEY("=a"));
    assignment_revoke(&second);
    bundles_drop_revoked(bundles);
    cr_assert_eq(message_state(&all->messages[1]), MESSAGE_DROPPED);
    cr_assert_eq(add(3, KEY("=a")), BUNDLES_REFUSED);
    (void)add(2, KEY("=a"));
    cr_assert_eq(begun_count, 0);
    (void)add(4, KEY("=a"));
    cr_assert_eq(begun_count, 1);
}

Test(bundles, that_are_closed_drop_what_they_hold_and_take_nothing)
{
    (void)add(0, KEY("=a"));
    bundles_close(bundles);
    cr_assert_eq(message_state(&all->messages[0]), MESSAGE_DROPPED);
    cr_assert_eq(add(2, KEY("=a")), BUNDLES_REFUSED);
}

Test(bundles, begin_when_their_time_is_over)
{
    flow.given.batch.timeout_ms = 1;
    (void)add(0, KEY("=a"));
    for (int i = 0; i < 5000 && begun_count == 0; i++)
        (void)usleep(1000);
    cr_assert_eq(begun_count, 1);
}
