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

static void add(struct flow_wishes *wishes, const struct flow_wish *given, const char *setting,
                void (*refuse)(void *context, const char *setting, const char *text), void *context)
{
    struct error error = { 0 };

    if (wishes->count == FLOW_WISHES_MOST)
        return; /* refused already */
    struct flow_wish *wish = &wishes->items[wishes->count++];
    *wish = *given;
    if (compile(wish, &error))
        return;
    AUTO_FREE char *text = xasprintf("'%s.when' is no expression that can be read: %s", setting, error.text);
    refuse(context, setting, text);
}

void flow_wishes_add_cancels(struct flow_wishes *wishes, const struct stepd_cancels *cancels,
                             void (*refuse)(void *context, const char *setting, const char *text), void *context)
{
    for (size_t i = 0; i < cancels->count; i++) {
        const struct stepd_cancel *cancel = &cancels->items[i];
        const struct flow_wish wish = {
            .kind = FLOW_WISH_CANCEL, .event = cancel->event, .when = cancel->when, .timeout_ms = cancel->timeout_ms
        };
        add(wishes, &wish, "cancel_on", refuse, context);
    }
}

void flow_wishes_add_expects(struct flow_wishes *wishes, const struct stepd_expecteds *expects,
                             void (*refuse)(void *context, const char *setting, const char *text), void *context)
{
    for (size_t i = 0; i < expects->count; i++) {
        const struct flow_wish wish = { .kind = FLOW_WISH_EXPECT, .event = expects->items[i].event, .when = expects->items[i].when };
        add(wishes, &wish, "expects", refuse, context);
    }
}

bool flow_wishes_expect(const struct flow_wishes *wishes, const char *event)
{
    for (size_t i = 0; i < wishes->count; i++) {
        if (wishes->items[i].kind == FLOW_WISH_EXPECT && strcmp(wishes->items[i].event, event) == 0)
            return true;
    }
    return false;
}

bool flow_wishes_try_cancels(const struct flow_wishes *wishes)
{
    for (size_t i = 0; i < wishes->count; i++) {
        const struct flow_wish *wish = &wishes->items[i];
        if (wish->kind == FLOW_WISH_CANCEL && wish->when != NULL && wish->later[0] == '\0')
            return true;
    }
    return false;
}

void flow_wishes_done(struct flow_wishes *wishes)
{
    for (size_t i = 0; i < wishes->count; i++) {
        expression_destroy(wishes->items[i].expression);
        free(wishes->items[i].later);
    }
    wishes->count = 0;
}
