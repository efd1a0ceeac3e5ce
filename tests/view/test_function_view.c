/* SPDX-License-Identifier: Apache-2.0 */
#include "view/function_view.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "run/flow_settings.h"
#include "run/function.h"

static void expect_words(const struct stepd_function *given, const char *words)
{
    struct flow_settings flow = { .given = *given };
    struct function function = { .flow = &flow };
    char *text = function_view_flow(&function);

    cr_expect_str_eq(text, words);
    free(text);
}

Test(function_view, each_setting_of_flow_control_is_a_few_words)
{
    static const struct stepd_cancel stops[] = { { .event = "order/cancelled" }, { .event = "order/lost" } };

    expect_words(&(struct stepd_function){ .debounce = { .period_ms = 2000, .key = "event.data.doc" } }, "debounce 2 s by key");
    expect_words(&(struct stepd_function){ .batch = { .size = 100, .timeout_ms = 5000 } }, "batches of 100");
    expect_words(&(struct stepd_function){ .rate_limit = { .limit = 2, .period_ms = 10000 } }, "rate limit 2 in 10 s");
    expect_words(&(struct stepd_function){ .singleton = { .mode = STEPD_SINGLETON_CANCEL, .key = "event.data.id" } },
                 "singleton by key, cancels what came before");
    expect_words(&(struct stepd_function){ .breaker = { .failures = 10, .window_ms = 60000 } }, "breaker after 10 in 1 m");
    expect_words(&(struct stepd_function){ .cancel_on = { stops, 2 } }, "cancelled by order/cancelled and others");
    static const struct stepd_expected answers[] = { { .event = "order/paid" } };
    expect_words(&(struct stepd_function){ .expects = { answers, 1 } }, "expects order/paid");
    expect_words(&(struct stepd_function){ .start_timeout_ms = 60000, .finish_timeout_ms = 1000 }, "begins within 1 m  ends within 1 s");
    expect_words(&(struct stepd_function){ .priority = "event.data.vip ? 120 : 0" }, "priority");
}
