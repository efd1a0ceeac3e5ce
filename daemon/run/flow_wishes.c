/* SPDX-License-Identifier: Apache-2.0 */
#include "run/flow_wishes.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static char *later_of(const struct expression_equality *equality)
{
    msgpack_sbuffer text;

    msgpack_sbuffer_init(&text);
    expression_equality_name(equality->later, &text);
    char *later = xasprintf("%.*s", (int)text.size, text.data);
    msgpack_sbuffer_destroy(&text);
    return later;
}

/* False: its condition can't be read. */
static bool compile(struct flow_wish *wish, struct error *ret_error)
{
    wish->later = xstrdup("");
    if (wish->when == NULL)
        return true;
    if (expression_compile((struct bytes){ wish->when, strlen(wish->when) }, &wish->expression, ret_error) != 0)
        return false;
    if (!expression_find_equality(wish->expression, &wish->equality))
        return true;
    free(wish->later);
    wish->later = later_of(&wish->equality);
    return true;
}

void flow_wishes_add_cancels(struct flow_wishes *wishes, const struct stepd_cancels *cancels,
                             void (*refuse)(void *context, const char *setting, const char *text), void *context)
{
    for (size_t i = 0; i < cancels->count && wishes->count < FLOW_WISHES_MOST; i++) {
        const struct stepd_cancel *cancel = &cancels->items[i];
        struct flow_wish *wish = &wishes->items[wishes->count++];
        struct error error = { 0 };
        *wish =
            (struct flow_wish){ .kind = FLOW_WISH_CANCEL, .event = cancel->event, .when = cancel->when, .timeout_ms = cancel->timeout_ms };
        if (compile(wish, &error))
            continue;
        AUTO_FREE char *text = xasprintf("'cancel_on.when' is no expression that can be read: %s", error.text);
        refuse(context, "cancel_on", text);
    }
}

void flow_wishes_done(struct flow_wishes *wishes)
{
    for (size_t i = 0; i < wishes->count; i++) {
        expression_destroy(wishes->items[i].expression);
        free(wishes->items[i].later);
    }
    wishes->count = 0;
}
