/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/call.h"

#include <curl/curl.h>
#include <stddef.h>
#include <stdlib.h>

struct call *call_create(void (*done)(struct call *call), void *context)
{
    struct call *call = xcalloc(1, sizeof(*call));

    call->done = done;
    call->context = context;
    msgpack_sbuffer_init(&call->body);
    msgpack_sbuffer_init(&call->reply);
    return call;
}

void call_destroy(struct call *call)
{
    if (call == NULL)
        return;
    for (size_t i = 0; i < CALL_HEADERS; i++)
        free(call->values[i]);
    curl_slist_free_all(call->headers);
    msgpack_sbuffer_destroy(&call->body);
    msgpack_sbuffer_destroy(&call->reply);
    free(call->url);
    free(call);
}

/* ---- lists ------------------------------------------------------------------------------------------ */

/* Behind `before`; NULL: it is the first. */
static void insert(struct call_list *list, struct call *before, struct call *call)
{
    struct call **link = before == NULL ? &list->first : &before->next;

    call->next = *link;
    *link = call;
    if (call->next == NULL)
        list->last = call;
}

void call_list_add(struct call_list *list, struct call *call)
{
    insert(list, list->first == NULL ? NULL : list->last, call);
}

void call_list_add_due(struct call_list *list, struct call *call)
{
    struct call *before = NULL;

    for (struct call *item = list->first; item != NULL && item->due_ns <= call->due_ns; item = item->next)
        before = item;
    insert(list, before, call);
}

struct call *call_list_take(struct call_list *list)
{
    struct call *call = list->first;

    if (call != NULL)
        list->first = call->next;
    return call;
}

void call_list_remove(struct call_list *list, struct call *call)
{
    struct call *before = NULL;

    for (struct call *item = list->first; item != NULL && item != call; item = item->next)
        before = item;
    struct call *item = before == NULL ? list->first : before->next;
    if (item != call)
        return;
    if (before == NULL)
        list->first = call->next;
    else
        before->next = call->next;
    if (list->last == call)
        list->last = before;
}
