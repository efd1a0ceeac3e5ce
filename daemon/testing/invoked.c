/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that others invoke: a run of the module's own function, or the answer that the test has for it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "testing/test_internal.h"
#include "testing/text.h"

static struct invoked_answer *answer_for(const struct stepd_test *test, const char *function_id)
{
    for (struct invoked_answer *answer = test->answers; answer != NULL; answer = answer->next) {
        if (strcmp(answer->function.id, function_id) == 0)
            return answer;
    }
    return NULL;
}

const struct function *test_find_function(void *context, const char *id)
{
    const struct stepd_test *test = context;
    const struct invoked_answer *answer = answer_for(test, id);

    for (size_t i = 0; answer == NULL && i < test->functions.count; i++) {
        if (strcmp(test->observed[i].function.id, id) == 0)
            return &test->observed[i].function;
    }
    return answer != NULL ? &answer->function : NULL;
}

static void give_answer(struct stepd_test *test, struct memory_call *call, const struct invoked_answer *answer)
{
    assert(call->is_begun);
    if (answer->error_name != NULL)
        memory_calls_fail(&test->store, call, answer->error_name, answer->message);
    else
        memory_calls_answer(&test->store, call, CHECKPOINT_COMPLETED, (struct bytes){ answer->result.data, answer->result.size });
}

void test_begin_invoked(struct stepd_test *test)
{
    for (struct memory_call *call = test->store.calls; call != NULL; call = call->next) {
        const struct invoked_answer *answer = answer_for(test, call->function_id);
        if (call->is_begun)
            continue;
        call->is_begun = true;
        if (answer != NULL)
            give_answer(test, call, answer);
        else
            run_invoke(test, call);
    }
}

static struct invoked_answer *answer_new(struct stepd_test *test, const char *function_id)
{
    struct invoked_answer *answer = xcalloc(1, sizeof(*answer));

    answer->function.id = test_keep_text(test, function_id).data;
    msgpack_sbuffer_init(&answer->result);
    answer->next = test->answers;
    test->answers = answer;
    return answer;
}

void stepd_test_answer(struct stepd_test *test, const char *function_id, const char *result)
{
    struct invoked_answer *answer = answer_new(test, function_id);
    AUTO_FREE char *json = text_to_json(result != NULL ? result : "null");
    struct error error = { 0 };

    if (json == NULL || json_to_msgpack((struct bytes){ json, strlen(json) }, &answer->result, &error) != 0)
        test_die("the answer of %s is neither JSON nor its short form: %s", function_id, result);
}

void stepd_test_answer_error(struct stepd_test *test, const char *function_id, const char *name, const char *message)
{
    struct invoked_answer *answer = answer_new(test, function_id);

    answer->error_name = test_keep_text(test, name).data;
    answer->message = test_keep_text(test, message).data;
}

void answers_destroy(struct stepd_test *test)
{
    while (test->answers != NULL) {
        struct invoked_answer *answer = test->answers;
        test->answers = answer->next;
        msgpack_sbuffer_destroy(&answer->result);
        free(answer);
    }
}
