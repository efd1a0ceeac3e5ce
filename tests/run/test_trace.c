/* SPDX-License-Identifier: Apache-2.0 */
#include "run/trace.h"

#include <criterion/criterion.h>
#include <string.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"
#define PARENT "00-" TRACE "-" SPAN "-01"

static struct event event;
static struct run run = { .event = &event, .id = { "00112233445566778899aabbccddeeff" } };

static struct trace_place place_with(const char *traceparent)
{
    event.view.traceparent = traceparent;
    return trace_place_of(&run);
}

Test(trace, the_producers_trace_is_the_runs)
{
    struct trace_place place = place_with(PARENT);

    cr_assert_eq(place.id[0], 0x0a);
    cr_assert_eq(place.id[15], 0x9c);
    cr_assert_eq(place.parent, UINT64_C(0xb7ad6b7169203331));
    cr_assert(place.is_sampled);
    cr_assert(!place_with("00-" TRACE "-" SPAN "-00").is_sampled);
    cr_assert(!place_with("00-" TRACE "-" SPAN "-02").is_sampled);
    cr_assert(place_with("00-" TRACE "-" SPAN "-03").is_sampled);
}

Test(trace, later_versions_may_say_more)
{
    cr_assert(place_with("01-" TRACE "-" SPAN "-01-more").is_sampled);
    cr_assert_neq(place_with("cc-" TRACE "-" SPAN "-01").parent, 0);
    cr_assert_eq(place_with("01-" TRACE "-" SPAN "-01x").parent, 0);
}

Test(trace, what_is_no_traceparent_counts_as_none)
{
    static const char *const none[] = { "",
                                        "00",
                                        "nonsense",
                                        PARENT "-more",
                                        "ff-" TRACE "-" SPAN "-01",
                                        "00-00000000000000000000000000000000-" SPAN "-01",
                                        "00-" TRACE "-0000000000000000-01",
                                        "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01",
                                        "00-" TRACE "_" SPAN "-01",
                                        "00-" TRACE "-" SPAN "-0x" };

    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        struct trace_place place = place_with(none[i]);
        cr_assert_eq(place.parent, 0, "%s", none[i]);
        cr_assert(!place.is_sampled);
        cr_assert_eq(place.id[1], 0x11, "%s: the run's id is the trace's", none[i]);
    }
}

Test(trace, all_daemons_make_the_same_of_a_run)
{
    struct trace_place one = place_with(NULL), other = place_with(NULL);

    cr_assert_eq(memcmp(&one, &other, sizeof(one)), 0);
    cr_assert_neq(one.run, 0);
}

Test(trace, a_run_is_traced_as_its_producer_decided_else_by_its_id)
{
    event.view.traceparent = PARENT;
    cr_assert(trace_is_wanted(&run, 0), "whatever the share");
    event.view.traceparent = "00-" TRACE "-" SPAN "-00";
    cr_assert(!trace_is_wanted(&run, UINT64_MAX));
    event.view.traceparent = "nonsense";
    cr_assert(trace_is_wanted(&run, UINT64_MAX));
    cr_assert(!trace_is_wanted(&run, 0));
    event.view.traceparent = NULL;
    cr_assert(trace_is_wanted(&run, UINT64_C(0x8899aabbccddeeff) + 1), "the end of its id is below that");
    cr_assert(!trace_is_wanted(&run, UINT64_C(0x8899aabbccddeeff)));
}

Test(trace, who_is_called_has_the_attempt_as_parent)
{
    struct tracer tracer = { 0 };
    struct attempt_settings settings = { .tracer = &tracer };
    struct stepd_ctx ctx = { .run = &run, .settings = &settings };
    char text[TRACE_PARENT_SIZE];

    event.view.traceparent = PARENT;
    run.span = 0x1f;
    cr_assert(trace_parent_text(&ctx, text));
    cr_assert_str_eq(text, "00-" TRACE "-000000000000001f-01");
    run.span = 0;
    cr_assert(!trace_parent_text(&ctx, text), "what is not traced passes on what its producer said");
    event.view.traceparent = NULL;
    cr_assert(trace_parent_text(&ctx, text));
    cr_assert_eq(strncmp(text, "00-00112233445566778899aabbccddeeff-", 36), 0);
    cr_assert_str_eq(&text[52], "-00");
    settings.tracer = NULL;
    cr_assert(!trace_parent_text(&ctx, text));
}
