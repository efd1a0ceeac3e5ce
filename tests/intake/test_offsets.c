/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <endian.h>
#include <string.h>
#include <xxhash.h>

#include "codec/base64.h"
#include "intake/offsets.h"

#define METADATA_MAX 4000

struct told {
    char text[METADATA_MAX];
    size_t size;
};

static void start_range(struct offsets *offsets, int64_t first, int64_t last)
{
    for (int64_t offset = first; offset <= last; offset++)
        cr_assert(offsets_start(offsets, offset), "offset %ld", (long)offset);
}

static struct told encode(const struct offsets *offsets, size_t max_size)
{
    struct told told;

    told.size = offsets_encode(offsets, told.text, max_size);
    cr_assert(told.size <= max_size);
    return told;
}

static struct offsets *restore(int64_t committed, const struct told *told, int64_t end)
{
    struct offsets *offsets = offsets_create(committed);
    struct error error = { 0 };

    cr_assert_eq(offsets_decode(offsets, (struct bytes){ told->text, told->size }, end, &error), 0, "%s", error.text);
    return offsets;
}

static int decode(int64_t committed, const char *text, size_t size, int64_t end, struct error *ret_error)
{
    struct offsets *offsets = offsets_create(committed);
    int answer = offsets_decode(offsets, (struct bytes){ text, size }, end, ret_error);

    cr_assert(offsets_start(offsets, committed), "nothing may have changed");
    offsets_destroy(offsets);
    return answer;
}

Test(offsets, commits_where_reading_begins_until_something_is_done)
{
    struct offsets *offsets = offsets_create(70);

    cr_assert_eq(offsets_committable(offsets), 70);
    start_range(offsets, 70, 72);
    cr_assert_eq(offsets_committable(offsets), 70);
    cr_assert_eq(offsets_in_flight(offsets), 3);
    offsets_destroy(offsets);
}

Test(offsets, commits_the_lowest_that_is_not_done)
{
    struct offsets *offsets = offsets_create(0);

    start_range(offsets, 0, 9);
    offsets_finish(offsets, 3);
    offsets_finish(offsets, 1);
    cr_assert_eq(offsets_committable(offsets), 0);
    offsets_finish(offsets, 0);
    cr_assert_eq(offsets_committable(offsets), 2);
    offsets_finish(offsets, 2);
    cr_assert_eq(offsets_committable(offsets), 4);
    offsets_finish_range(offsets, 4, 9);
    cr_assert_eq(offsets_committable(offsets), 10);
    cr_assert_eq(offsets_in_flight(offsets), 0);
    offsets_destroy(offsets);
}

Test(offsets, tells_what_was_seen_before)
{
    struct offsets *offsets = offsets_create(5);

    cr_assert_not(offsets_start(offsets, 4));
    cr_assert(offsets_start(offsets, 5));
    cr_assert_not(offsets_start(offsets, 5));
    offsets_finish(offsets, 5);
    cr_assert_not(offsets_start(offsets, 5));
    offsets_destroy(offsets);
}

Test(offsets, finishing_twice_or_what_never_started_does_no_harm)
{
    struct offsets *offsets = offsets_create(0);

    start_range(offsets, 0, 3);
    offsets_finish(offsets, 1);
    offsets_finish(offsets, 1);
    offsets_finish(offsets, 1000000);
    cr_assert_eq(offsets_in_flight(offsets), 3);
    cr_assert_eq(offsets_committable(offsets), 0);
    offsets_destroy(offsets);
}

Test(offsets, gaps_count_as_done)
{
    struct offsets *offsets = offsets_create(10);

    cr_assert(offsets_start(offsets, 12));
    cr_assert_eq(offsets_committable(offsets), 12);
    cr_assert(offsets_start(offsets, INT64_C(5000000000)));
    offsets_finish(offsets, 12);
    cr_assert_eq(offsets_committable(offsets), INT64_C(5000000000));
    offsets_finish(offsets, INT64_C(5000000000));
    cr_assert_eq(offsets_committable(offsets), INT64_C(5000000001));
    offsets_destroy(offsets);
}

Test(offsets, records_that_are_not_for_us_at_the_end_are_passed)
{
    struct offsets *offsets = offsets_create(10);

    start_range(offsets, 10, 11);
    offsets_reach(offsets, 14);
    offsets_reach(offsets, 3);
    cr_assert_eq(offsets_committable(offsets), 10);
    offsets_finish_range(offsets, 10, 11);
    cr_assert_eq(offsets_committable(offsets), 14);
    offsets_destroy(offsets);
}

Test(offsets, begins_with_the_first_message_where_no_offset_is_known)
{
    struct offsets *offsets = offsets_create(OFFSETS_UNKNOWN);

    cr_assert_eq(offsets_committable(offsets), OFFSETS_UNKNOWN);
    cr_assert_eq(encode(offsets, METADATA_MAX).size, 0);
    cr_assert(offsets_start(offsets, 1000));
    cr_assert_eq(offsets_committable(offsets), 1000);
    offsets_destroy(offsets);
}

Test(offsets, a_slow_message_costs_no_more_however_many_pass_it)
{
    struct offsets *offsets = offsets_create(0);

    cr_assert(offsets_start(offsets, 0));
    for (int64_t offset = 1; offset < 3000000; offset++) {
        (void)offsets_start(offsets, offset);
        offsets_finish(offsets, offset);
    }
    cr_assert_eq(offsets_committable(offsets), 0);
    struct told told = encode(offsets, 80);
    cr_assert_gt(told.size, 0);
    struct offsets *again = restore(0, &told, 3000000);
    cr_assert(offsets_start(again, 0));
    cr_assert_not(offsets_start(again, 1));
    cr_assert_not(offsets_start(again, 2999999));
    cr_assert(offsets_start(again, 3000000));
    offsets_destroy(again);
    offsets_destroy(offsets);
}

/* Against one flag an offset. */
Test(offsets, agrees_with_a_plain_list)
{
    enum { COUNT = 30000 };
    static char is_open[COUNT];
    struct offsets *offsets = offsets_create(0);
    unsigned random = 1;
    int64_t next = 0;
    size_t in_flight = 0;

    while (next < COUNT) {
        random = random * 1664525 + 1013904223;
        if (random >> 30 != 0) {
            next += (random >> 20 & 31) == 0 ? 1 + (random >> 12 & 127) : 0;
            if (next >= COUNT)
                break;
            cr_assert(offsets_start(offsets, next));
            is_open[next++] = 1;
            in_flight++;
        } else if (next > 0) {
            int64_t first = (int64_t)(random >> 8) % next;
            int64_t last = first + (random >> 4 & 15);
            offsets_finish_range(offsets, first, last);
            for (int64_t offset = first; offset <= last && offset < COUNT; offset++) {
                in_flight -= (size_t)is_open[offset];
                is_open[offset] = 0;
            }
        }
        cr_assert_eq(offsets_in_flight(offsets), in_flight);
    }
    next = offsets_next(offsets);
    int64_t lowest = 0;
    while (lowest < next && !is_open[lowest])
        lowest++;
    cr_assert_eq(offsets_committable(offsets), lowest);

    static char text[BASE64_SIZE(COUNT) * 4];
    size_t size = offsets_encode(offsets, text, sizeof(text));
    struct offsets *again = offsets_create(lowest);
    cr_assert_eq(offsets_decode(again, (struct bytes){ text, size }, next, NULL), 0);
    for (int64_t offset = lowest; offset < next; offset++)
        cr_assert_eq(offsets_start(again, offset), is_open[offset], "offset %ld", (long)offset);
    offsets_destroy(again);
    offsets_destroy(offsets);
}

Test(offsets, metadata_is_printable_and_brings_back_what_was_done)
{
    struct offsets *offsets = offsets_create(100);

    start_range(offsets, 100, 110);
    offsets_finish(offsets, 102);
    offsets_finish_range(offsets, 105, 107);
    struct told told = encode(offsets, METADATA_MAX);
    for (size_t i = 0; i < told.size; i++)
        cr_assert(told.text[i] > 0x20 && told.text[i] < 0x7f);

    struct offsets *again = restore(100, &told, 111);
    for (int64_t offset = 100; offset <= 110; offset++)
        cr_assert_eq(offsets_start(again, offset), offset != 102 && (offset < 105 || offset > 107), "offset %ld", (long)offset);
    offsets_destroy(again);
    offsets_destroy(offsets);
}

Test(offsets, tells_nothing_where_nothing_is_done_out_of_order)
{
    struct offsets *offsets = offsets_create(0);

    start_range(offsets, 0, 99);
    offsets_finish_range(offsets, 0, 49);
    cr_assert_eq(encode(offsets, METADATA_MAX).size, 0);
    offsets_finish_range(offsets, 50, 99);
    cr_assert_eq(encode(offsets, METADATA_MAX).size, 0);
    offsets_destroy(offsets);
}

Test(offsets, what_was_restored_is_told_on_until_it_has_come_again)
{
    struct offsets *offsets = offsets_create(0);

    start_range(offsets, 0, 99);
    offsets_finish_range(offsets, 1, 59);
    offsets_finish_range(offsets, 80, 99);
    struct told told = encode(offsets, METADATA_MAX);

    struct offsets *second = restore(0, &told, 100);
    cr_assert(offsets_start(second, 0));
    cr_assert_not(offsets_start(second, 1));
    offsets_finish(second, 0); /* and dies */
    int64_t committed = offsets_committable(second);
    told = encode(second, METADATA_MAX);

    struct offsets *third = restore(committed, &told, 100);
    for (int64_t offset = committed; offset < 100; offset++)
        cr_assert_eq(offsets_start(third, offset), offset >= 60 && offset < 80, "offset %ld", (long)offset);
    offsets_destroy(third);
    offsets_destroy(second);
    offsets_destroy(offsets);
}

Test(offsets, what_does_not_fit_is_left_out_highest_first)
{
    enum { COUNT = 60000 };
    struct offsets *offsets = offsets_create(0);
    unsigned random = 1;

    start_range(offsets, 0, COUNT - 1);
    for (int64_t offset = 1; offset < COUNT; offset++) {
        random = random * 1664525 + 1013904223;
        if (random >> 31 == 0)
            offsets_finish(offsets, offset);
    }
    for (size_t max_size = 0; max_size < METADATA_MAX; max_size += 397) {
        struct told told = encode(offsets, max_size);
        if (told.size == 0) {
            cr_assert(max_size < 64);
            continue;
        }
        cr_assert_gt(told.size + 16, max_size, "%zu of %zu", told.size, max_size);
        struct offsets *again = restore(0, &told, COUNT);
        int64_t last_done = 0;
        int64_t first_repeat = COUNT;
        random = 1;
        (void)offsets_start(again, 0);
        for (int64_t offset = 1; offset < COUNT; offset++) {
            random = random * 1664525 + 1013904223;
            bool is_done = random >> 31 == 0;
            bool starts = offsets_start(again, offset);
            cr_assert(is_done || starts, "offset %ld would be lost", (long)offset);
            if (!starts)
                last_done = offset;
            if (starts && is_done && offset < first_repeat)
                first_repeat = offset;
        }
        cr_assert_lt(last_done, first_repeat);
        cr_assert_gt(last_done, 0);
        offsets_destroy(again);
    }
    offsets_destroy(offsets);
}

static struct told some_metadata(void)
{
    struct offsets *offsets = offsets_create(7);

    start_range(offsets, 7, 40);
    offsets_finish(offsets, 9);
    offsets_finish_range(offsets, 20, 30);
    struct told told = encode(offsets, METADATA_MAX);
    offsets_destroy(offsets);
    return told;
}

Test(offsets, metadata_of_strangers_is_refused_with_the_reason)
{
    static const char *const strange[] = {
        "", "x", "stepd:", "stepd:!", "stepd:AAAA", "stepd:AAAAAAAAAAAAAAAAAAAAAAAAAAAA", "{\"version\":1}", "NO_METADATA"
    };

    for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
        struct error error = { 0 };
        cr_assert_lt(decode(7, strange[i], strlen(strange[i]), 1000, &error), 0, "%s", strange[i]);
        cr_assert_neq(error.text[0], '\0');
    }
}

Test(offsets, damaged_metadata_is_refused)
{
    struct told told = some_metadata();

    for (size_t i = 0; i < told.size; i++) {
        struct told damaged = told;
        bool is_low = (damaged.text[i] >= 'A' && damaged.text[i] <= 'Z') || (damaged.text[i] >= 'a' && damaged.text[i] < 'g');
        damaged.text[i] = is_low ? 'w' : 'A'; /* the digit's highest bit, which always counts */
        cr_assert_lt(decode(7, damaged.text, damaged.size, 1000, NULL), 0, "byte %zu", i);
    }
    for (size_t size = 0; size < told.size; size++)
        cr_assert_lt(decode(7, told.text, size, 1000, NULL), 0, "%zu bytes", size);
}

Test(offsets, metadata_of_another_offset_or_past_the_end_is_refused)
{
    struct told told = some_metadata();

    cr_assert_eq(told.size > 0, true);
    cr_assert_lt(decode(8, told.text, told.size, 1000, NULL), 0);
    cr_assert_lt(decode(7, told.text, told.size, 30, NULL), 0);
    struct offsets *offsets = restore(7, &told, 31);
    offsets_destroy(offsets);
}

/* The same bitmap under another count, with a checksum that is right: written by a library that miswrites bitmaps. */
Test(offsets, a_bitmap_of_other_than_the_told_count_is_refused)
{
    enum { OPEN_AT = 1, CHECKSUM_AT = 8, BITMAP_AT = 16 };
    struct told told = some_metadata();
    struct bytes digits = { told.text + strlen("stepd:"), told.size - strlen("stepd:") };
    unsigned char bytes[METADATA_MAX];
    struct error error = { 0 };
    size_t size;

    cr_assert(base64_is_valid(digits, &size));
    base64_decode(digits, bytes);
    for (unsigned more = 0; more < 40; more++) {
        bytes[OPEN_AT] = (unsigned char)more;
        uint64_t sum = htole64(XXH3_64bits_withSeed(bytes, CHECKSUM_AT, XXH3_64bits_withSeed(bytes + BITMAP_AT, size - BITMAP_AT, 7)));
        memcpy(bytes + CHECKSUM_AT, &sum, sizeof(sum));
        base64_encode((struct bytes){ bytes, size }, told.text + strlen("stepd:"));
        bool is_right = more == 0 || more == 12 + 1; /* 7, 8, 10 to 19; nothing is told of what comes after 30 */
        cr_assert_eq(decode(7, told.text, told.size, 1000, &error) == 0, is_right, "%u: %s", more, error.text);
    }
    cr_assert(strstr(error.text, "12 offsets") != NULL, "%s", error.text);
}
