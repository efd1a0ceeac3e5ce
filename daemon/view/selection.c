/* SPDX-License-Identifier: Apache-2.0 */
#include "view/selection.h"

#include <string.h>

#include "event/event_fields.h"

bool selection_has_status(const struct selection *selection, enum run_status status)
{
    return selection->statuses == NULL || strchr(selection->statuses, (char)status) != NULL;
}

bool selection_needs_whole(const struct selection *selection)
{
    return selection->error != NULL || selection->event != NULL || selection->where != NULL;
}

bool selection_may_take(const struct selection *selection, const struct record *record)
{
    if (!selection_has_status(selection, record->status))
        return false;
    if (selection->function != NULL && strcmp(record->function, selection->function) != 0)
        return false;
    return record->created_ms >= selection->since_ms && record->created_ms <= selection->until_ms;
}

bool selection_has_event(const struct selection *selection, const char *name)
{
    if (selection->event == NULL)
        return true;
    size_t length = strlen(selection->event);
    bool is_prefix = length > 0 && selection->event[length - 1] == '*';
    return is_prefix ? strncmp(selection->event, name, length - 1) == 0 : strcmp(selection->event, name) == 0;
}

int selection_holds(const struct selection *selection, struct event *event, int64_t now_ms, struct error *ret_error)
{
    struct event_fields fields;

    if (selection->where == NULL)
        return 1;
    event_fields_init(&fields, event);
    const struct expression_scope scope = { &fields.base, NULL, now_ms };
    return expression_holds(selection->where, &scope, ret_error);
}

int selection_takes(const struct selection *selection, struct run_view *view, struct error *ret_error)
{
    if (selection->error != NULL && (!view->has_error || strcmp(view->error.name, selection->error) != 0))
        return 0;
    if (!selection_has_event(selection, view->event.view.name))
        return 0;
    return selection_holds(selection, &view->event, view->now_ms, ret_error);
}
