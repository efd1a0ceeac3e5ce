/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/expression.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codec/expression_internal.h"
#include "codec/expression_number.h"
#include "codec/expression_text.h"

int expression_compile(struct bytes text, struct expression **ret_expression, struct error *ret_error)
{
    struct expression *expression = xcalloc(1, sizeof(*expression));

    arena_init(&expression->arena, NULL, 0, SIZE_MAX);
    int status = expression_parse(expression, text, ret_error);
    if (status != 0) {
        expression_destroy(expression);
        return status;
    }
    assert(expression->root != NULL);
    *ret_expression = expression;
    return 0;
}

void expression_destroy(struct expression *expression)
{
    if (expression == NULL)
        return;
    for (struct prepared *prepared = expression->prepared; prepared != NULL; prepared = prepared->next) {
        regex_destroy(prepared->regex);
        zone_close(prepared->zone);
    }
    arena_done(&expression->arena);
    free(expression);
}

/* Of a value that is an error, or of an evaluation that went too far. */
static bool has_failed(const struct evaluation *evaluation, const struct value *value, struct error *ret_error)
{
    const char *why = evaluation->budget.over != NULL ? evaluation->budget.over : value->kind == VALUE_ERROR ? value->error : NULL;

    if (why == NULL)
        return false;
    (void)error_set(ret_error, EINVAL, "%s", why);
    return true;
}

/* Begins an evaluation, which the caller ends with evaluation_done(). False, with the reason: it has no value. */
static bool evaluate_whole(struct evaluation *evaluation, const struct expression *expression, const struct expression_scope *scope,
                           struct value *ret_value, struct error *ret_error)
{
    evaluation_init(evaluation, scope);
    *ret_value = evaluate(evaluation, expression->root);
    return !has_failed(evaluation, ret_value, ret_error);
}

int expression_holds(const struct expression *expression, const struct expression_scope *scope, struct error *ret_error)
{
    struct evaluation evaluation;
    struct value value;
    int status = -EINVAL;

    if (evaluate_whole(&evaluation, expression, scope, &value, ret_error))
        status = value.kind == VALUE_BOOL ? value.boolean
                                          : error_set(ret_error, EINVAL, "its value is no bool, but a %s", value_type_name(&value));
    evaluation_done(&evaluation);
    return status;
}

int expression_key(const struct expression *expression, const struct expression_scope *scope, msgpack_sbuffer *text,
                   struct error *ret_error)
{
    struct evaluation evaluation;
    struct value value;
    int status = 0;

    if (!evaluate_whole(&evaluation, expression, scope, &value, ret_error))
        status = -EINVAL;
    else if (value.kind == VALUE_NULL)
        status = error_set(ret_error, ENOENT, "its value is null");
    else
        value_write_text(&value, text);
    evaluation_done(&evaluation);
    return status;
}

int expression_number(const struct expression *expression, const struct expression_scope *scope, double *ret_number,
                      struct error *ret_error)
{
    struct evaluation evaluation;
    struct value value;
    int status = 0;

    if (!evaluate_whole(&evaluation, expression, scope, &value, ret_error))
        status = -EINVAL;
    else if (!value_is_number(&value) || isnan(number_to_double(&value)))
        status = error_set(ret_error, EINVAL, "its value is no number, but %s", value_is_number(&value) ? "NaN" : value_type_name(&value));
    else
        *ret_number = number_to_double(&value);
    evaluation_done(&evaluation);
    return status;
}

int expression_write(const struct expression *expression, const struct expression_scope *scope, msgpack_sbuffer *json,
                     const char **ret_type, struct error *ret_error)
{
    struct evaluation evaluation;
    struct value value;
    bool has_value = evaluate_whole(&evaluation, expression, scope, &value, ret_error);

    if (has_value) {
        *ret_type = value_type_name(&value);
        value_write_json(&value, json);
    }
    evaluation_done(&evaluation);
    return has_value ? 0 : -EINVAL;
}

int expression_equality_write(const struct node *side, const struct expression_scope *scope, msgpack_sbuffer *text, struct error *ret_error)
{
    struct evaluation evaluation;
    int status = 0;

    evaluation_init(&evaluation, scope);
    struct value value = evaluate(&evaluation, side);
    if (has_failed(&evaluation, &value, ret_error))
        status = -EINVAL;
    else if (!value_write_identity(&value, text))
        status = error_set(ret_error, ENOENT, "its value equals nothing");
    evaluation_done(&evaluation);
    return status;
}

void expression_equality_name(const struct node *side, msgpack_sbuffer *text)
{
    if (side->source.size > 0 && msgpack_sbuffer_write(text, side->source.data, side->source.size) != 0)
        abort();
}
