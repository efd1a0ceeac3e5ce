/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/request.h"

#include <assert.h>

void request_end(struct request *request, int status, redisReply *reply)
{
    assert(request->done != NULL);
    assert((status == 0) == (reply != NULL));
    redisFreeCommand(request->command);
    request->command = NULL;
    request->status = status;
    request->reply = reply;
    request->done(request);
}

void request_list_init(struct request_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

void request_list_add(struct request_list *list, struct request *request)
{
    request->next = NULL;
    *list->end = request;
    list->end = &request->next;
}

struct request *request_list_take(struct request_list *list)
{
    struct request *request = list->first;

    if (request != NULL && (list->first = request->next) == NULL)
        list->end = &list->first;
    return request;
}

void request_list_move(struct request_list *from, struct request_list *to)
{
    assert(from != to);
    if (from->first != NULL) {
        *to->end = from->first;
        to->end = from->end;
    }
    request_list_init(from);
}

void request_list_end(struct request_list *list, int status)
{
    for (struct request *request; (request = request_list_take(list)) != NULL;)
        request_end(request, status, NULL);
}
