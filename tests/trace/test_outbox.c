/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/outbox.h"

#include <criterion/criterion.h>
#include <string.h>

static struct outbox outbox;
static msgpack_sbuffer fetched;

static void setup(void)
{
    outbox_init(&outbox, 4, 100);
    msgpack_sbuffer_init(&fetched);
}

static void teardown(void)
{
    msgpack_sbuffer_destroy(&fetched);
    outbox_done(&outbox);
}

TestSuite(outbox, .init = setup, .fini = teardown);

static bool put(const char *text)
{
    msgpack_sbuffer *spans = outbox_begin(&outbox);

    if (spans == NULL)
        return false;
    msgpack_sbuffer_write(spans, text, strlen(text));
    outbox_end(&outbox);
    return true;
}

static void assert_fetched(size_t count, const char *text)
{
    cr_assert_eq(outbox_fetch(&outbox, 1, 0, &fetched), count);
    cr_assert_eq(fetched.size, strlen(text));
    cr_assert_arr_eq(fetched.data, text, fetched.size);
    msgpack_sbuffer_clear(&fetched);
}

Test(outbox, has_all_that_was_written_since_it_was_fetched)
{
    cr_assert(put("ab"));
    cr_assert(put("c"));
    assert_fetched(2, "abc");
    outbox_settle(&outbox, true);
    cr_assert(put("d"));
    assert_fetched(1, "d");
    outbox_settle(&outbox, true);
    cr_assert_eq(outbox_fetch(&outbox, 1, 0, &fetched), 0);
    outbox_settle(&outbox, true);
    cr_assert_eq(outbox_dropped(&outbox), 0);
}

Test(outbox, drops_what_finds_no_room_and_counts_what_the_sender_has)
{
    for (int i = 0; i < 4; i++)
        cr_assert(put("x"));
    cr_assert_not(put("y"));
    assert_fetched(4, "xxxx");
    cr_assert_not(put("z"), "the sender has four");
    outbox_settle(&outbox, false);
    cr_assert(put("w"));
    cr_assert_eq(outbox_dropped(&outbox), 6);
    assert_fetched(1, "w");
    outbox_settle(&outbox, true);
}

Test(outbox, drops_a_span_that_is_too_large_for_what_is_left)
{
    char large[100];

    memset(large, 'l', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    cr_assert(put("ab"));
    cr_assert(put(large), "nobody knows before it is written");
    cr_assert_eq(outbox_dropped(&outbox), 1);
    cr_assert(put("c"));
    assert_fetched(2, "abc");
    outbox_settle(&outbox, true);
}
