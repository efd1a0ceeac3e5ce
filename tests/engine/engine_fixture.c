/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine_fixture.h"

#include <criterion/criterion.h>

static const char *const topics[] = { "topic", NULL };
static const struct stepd_module declared = { .name = "tests" };
const struct module engine_fixture_module = { .declared = &declared };

static void fatal(const char *why)
{
    cr_assert_fail("%s", why);
}

struct dispatch_settings engine_fixture_settings(struct store *store, struct publisher *publisher, struct routes *routes)
{
    return (struct dispatch_settings){
        .threads = 1,
        .queue = 10,
        .pause_most = 10,
        .flow_most = 10,
        .max_away = 1,
        .max_stuck = 1,
        .event_bytes = 1000,
        .steps = 10,
        .result_bytes = 1000,
        .dead_letter_topic = "%t.dead",
        .topics = topics,
        .store = store,
        .publisher = publisher,
        .routes = routes,
        .function_count = 1,
        .fatal = fatal,
    };
}

int64_t engine_fixture_now_ms(struct store *store)
{
    (void)store;
    return 1000;
}
