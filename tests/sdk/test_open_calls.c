/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/open_calls.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const struct run_id run_a = { "0123456789abcdef0123456789abcdef" };
static const struct run_id run_b = { "0123456789abcdef0123456789abcde0" };

static struct open_calls *calls;
static struct open_call call;
static struct report *taken; /* by `call`, last */

static bool keep(struct open_call *open, struct report *report)
{
    (void)open;
    report_hold(report);
    taken = report;
    return true;
}

static bool record(struct open_call *open, struct report *report)
{
    (void)open;
    report_answer(report, REPORT_RECORDED);
    return true;
}

static bool refuse(struct open_call *open, struct report *report)
{
    (void)open;
    (void)report;
    return false;
}

static void setup(void)
{
    calls = open_calls_create();
    call = (struct open_call){ .take = record };
    taken = NULL;
    open_calls_add(calls, &call, &run_a);
}

static void teardown(void)
{
    open_calls_remove(calls, &call);
    open_calls_destroy(calls);
}

TestSuite(open_calls, .init = setup, .fini = teardown);

static struct report *report_of(const char *token)
{
    struct report *report = NULL;
    struct error error;
    char body[128];

    int size = snprintf(body, sizeof(body), "{\"steps\":[],\"qi_id\":\"%s\"}", token);
    cr_assert_eq(report_create((struct bytes){ body, (size_t)size }, &report, &error), 0);
    return report;
}

static enum report_end deliver(const struct run_id *run, const char *token)
{
    struct report *report = report_of(token);
    enum report_end end = open_calls_deliver(calls, run, report);

    report_release(report);
    return end;
}

Test(open_calls, are_found_by_run_and_token)
{
    cr_assert_eq(deliver(&run_a, call.token), REPORT_RECORDED);
}

Test(open_calls, of_a_run_that_is_called_anew_make_earlier_ones_stale)
{
    cr_assert_eq(deliver(&run_a, "of a daemon that died"), REPORT_STALE);
}

Test(open_calls, of_others_are_not_ours_to_judge)
{
    cr_assert_eq(deliver(&run_b, "of another daemon"), REPORT_ELSEWHERE);
}

Test(open_calls, that_are_over_are_stale)
{
    char token[OPEN_CALL_TOKEN_SIZE];

    memcpy(token, call.token, sizeof(token));
    open_calls_remove(calls, &call);
    cr_assert_eq(deliver(&run_a, token), REPORT_STALE);
}

Test(open_calls, that_do_not_want_it_are_stale)
{
    call.take = refuse;
    cr_assert_eq(deliver(&run_a, call.token), REPORT_STALE);
}

Test(open_calls, of_one_run_have_tokens_of_their_own)
{
    struct open_call other = { .take = refuse };

    open_calls_add(calls, &other, &run_a);
    cr_assert_str_neq(other.token, call.token);
    cr_assert_eq(deliver(&run_a, call.token), REPORT_RECORDED);
    cr_assert_eq(deliver(&run_a, other.token), REPORT_STALE);
    open_calls_remove(calls, &other);
}

static void *stop(void *context)
{
    (void)context;
    open_calls_stop(calls);
    return NULL;
}

Test(open_calls, keep_nobody_waiting_once_they_stop)
{
    pthread_t thread;

    call.take = keep;
    cr_assert_eq(pthread_create(&thread, NULL, stop, NULL), 0);
    cr_assert_eq(deliver(&run_a, call.token), REPORT_ELSEWHERE);
    (void)pthread_join(thread, NULL);
    if (taken != NULL) { /* it had been handed over */
        report_answer(taken, REPORT_RECORDED);
        report_release(taken);
    }
    cr_assert_eq(deliver(&run_a, call.token), REPORT_ELSEWHERE);
}

Test(open_calls, get_no_report_of_another_shape)
{
    const char *const bodies[] = { "", "{", "[]", "{\"steps\":{}}", "{\"steps\":[]}", "{\"steps\":[],\"qi_id\":5}" };
    struct report *report = NULL;
    struct error error;

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        cr_assert_neq(report_create((struct bytes){ bodies[i], strlen(bodies[i]) }, &report, &error), 0, "%s", bodies[i]);
    cr_assert_null(report);
}
