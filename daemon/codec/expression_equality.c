/* SPDX-License-Identifier: Apache-2.0 */
/* The equalities of a condition by which waits are found without trying each. */
#include "codec/expression.h"

#include <string.h>

#include "codec/expression_functions.h"
#include "codec/expression_internal.h"
#include "codec/expression_lexer.h"

struct uses {
    bool event, async, clock;
};

static void find_uses(const struct node *node, struct uses *uses)
{
    for (; node != NULL; node = node->next) {
        if (node->kind == NODE_EVENT || node->kind == NODE_FIELD) {
            uses->async |= node->is_async;
            uses->event |= !node->is_async;
        }
        if (node->kind == NODE_CALL)
            uses->clock |= strncmp(node->call.function->name, "now", 3) == 0;
        find_uses(node->children, uses);
    }
}

static struct uses uses_of(const struct node *node)
{
    struct node alone = *node;
    struct uses uses = { 0 };

    alone.next = NULL;
    find_uses(&alone, &uses);
    return uses;
}

/* Whether `node` is `later == earlier`, the one way or the other. */
static bool is_equality(const struct node *node, struct expression_equality *ret_equality)
{
    if (node->kind != NODE_CHAIN || node->count != 2 || node->children->next->operation != OPERATION_EQUAL)
        return false;
    const struct node *left = node->children, *right = left->next;
    struct uses of_left = uses_of(left), of_right = uses_of(right);
    if (of_left.clock || of_right.clock || of_left.async == of_right.async)
        return false;
    *ret_equality = of_left.async ? (struct expression_equality){ left, right, false } : (struct expression_equality){ right, left, false };
    return !(of_left.async ? of_left : of_right).event;
}

bool expression_find_equality(const struct expression *expression, struct expression_equality *ret_equality)
{
    const struct node *root = expression->root;
    struct expression_equality equality;
    bool is_found = false;

    if (root->kind != NODE_AND) {
        is_found = is_equality(root, ret_equality);
        ret_equality->is_whole = is_found;
        return is_found;
    }
    for (const struct node *child = root->children; child != NULL; child = child->next) {
        if (!is_equality(child, &equality))
            continue;
        if (uses_of(equality.earlier).event) {
            *ret_equality = equality;
            return true;
        }
        if (!is_found)
            *ret_equality = equality;
        is_found = true;
    }
    return is_found;
}
