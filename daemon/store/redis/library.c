/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/library.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

int library_fill(struct library *library, struct link *link, struct error *ret_error)
{
    for (int script = 0; script < SCRIPT_COUNT; script++) {
        AUTO_FREE char *text = script_text(script);
        if (redisAppendCommand(link->redis, "SCRIPT LOAD %s", text) != REDIS_OK)
            abort();
    }
    for (int script = 0; script < SCRIPT_COUNT; script++) {
        AUTO_REPLY reply = NULL;
        int status = link_hear(link, &reply, ret_error);
        if (status != 0)
            return status;
        if (reply->type != REDIS_REPLY_STRING || reply->len != SCRIPT_SHA_SIZE)
            return error_set(ret_error, EAGAIN, "Redis: SCRIPT LOAD answered no digest");
        memcpy(library->digests[script], reply->str, SCRIPT_SHA_SIZE + 1);
        library->is_loading[script] = false;
    }
    return 0;
}

void library_sign(const struct library *library, struct request *request)
{
    if (request->sha_at > 0)
        memcpy(request->command + request->sha_at, library->digests[request->script], SCRIPT_SHA_SIZE);
}

struct reload {
    struct request request; /* first */
    struct library *library;
};

static_assert(offsetof(struct reload, request) == 0, "end_reload() is given the request");

static void end_reload(struct request *request)
{
    struct reload *reload = (struct reload *)request;

    reload->library->is_loading[request->script] = false;
    if (request->status == 0)
        freeReplyObject(request->reply);
    free(reload);
}

struct request *library_reload(struct library *library, int script)
{
    if (library->is_loading[script])
        return NULL;
    struct reload *reload = xcalloc(1, sizeof(*reload));
    AUTO_FREE char *text = script_text(script);
    long long size = redisFormatCommand(&reload->request.command, "SCRIPT LOAD %s", text);
    if (size < 0)
        abort();
    reload->request.size = (size_t)size;
    reload->request.script = script;
    reload->request.sent_ns = clock_monotonic_ns();
    reload->request.done = end_reload;
    reload->library = library;
    library->is_loading[script] = true;
    return &reload->request;
}

bool library_is_reload(const struct request *request)
{
    return request->done == end_reload;
}
