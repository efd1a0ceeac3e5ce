/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_call.h"

#include <assert.h>
#include <stddef.h>

/* Behind `before`; NULL: it is the first. */
static void insert(struct http_call_list *list, struct http_call *before, struct http_call *call)
{
    struct http_call **link = before == NULL ? &list->first : &before->next;

    call->next = *link;
    *link = call;
    if (call->next == NULL)
        list->last = call;
}

void http_call_list_add(struct http_call_list *list, struct http_call *call)
{
    assert(list->first == NULL || list->last->next == NULL);
    insert(list, list->first == NULL ? NULL : list->last, call);
}

void http_call_list_add_due(struct http_call_list *list, struct http_call *call)
{
    struct http_call *before = NULL;

    for (struct http_call *item = list->first; item != NULL && item->due_ns <= call->due_ns; item = item->next)
        before = item;
    insert(list, before, call);
}

struct http_call *http_call_list_take(struct http_call_list *list)
{
    struct http_call *call = list->first;

    if (call != NULL)
        list->first = call->next;
    return call;
}

void http_call_list_remove(struct http_call_list *list, struct http_call *call)
{
    struct http_call *before = NULL;

    for (struct http_call *item = list->first; item != NULL && item != call; item = item->next)
        before = item;
    struct http_call *item = before == NULL ? list->first : before->next;
    if (item != call)
        return;
    if (before == NULL)
        list->first = call->next;
    else
        before->next = call->next;
    if (list->last == call)
        list->last = before;
}
