/* SPDX-License-Identifier: Apache-2.0 */
/* A function is paused, or resumed, in all daemons. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "page/page_internal.h"
#include "store/operations.h"
#include "store/shelf.h"

#define FOLDER "/api/functions/"

struct search {
    const char *id;
    bool is_there;
};

static void look(void *context, const struct function *function)
{
    struct search *search = context;

    search->is_there |= strcmp(function->id, search->id) == 0;
}

static bool is_known(const struct page *page, const char *id)
{
    struct search search = { .id = id };

    page->settings.each_function(page->settings.context, look, &search);
    return search.is_there;
}

static int change(struct page *page, const char *id, bool is_paused, const char *who)
{
    bool was_there;

    return is_paused ? shelf_save(page->store, PAUSED_SHELF, id, (struct bytes){ who, strlen(who) })
                     : shelf_remove(page->store, PAUSED_SHELF, id, &was_there);
}

static void answer(const char *id, bool is_paused, struct web_reply *reply)
{
    struct json_out out;

    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_text(&out, "function", id);
    json_out_bool(&out, "paused", is_paused);
    json_out_close(&out, '{');
    reply_json(reply, &out);
}

/* …/ID/pause, …/ID/resume */
void page_pause(void *context, const struct web_request *request, struct web_reply *reply)
{
    struct page *page = context;
    const char *rest = request->path + strlen(FOLDER);
    const char *word = strrchr(rest, '/');
    char who[WEB_ADDRESS_SIZE] = "the page";

    if (word == NULL || (strcmp(word, "/pause") != 0 && strcmp(word, "/resume") != 0)) {
        reply_error(reply, 404, "a function can be paused and resumed");
        return;
    }
    const bool is_paused = strcmp(word, "/pause") == 0;
    AUTO_FREE char *id = xstrndup(rest, (size_t)(word - rest));
    if (is_paused && !is_known(page, id)) {
        reply_error(reply, 404, "there is no such function");
        return;
    }
    if (request->address != NULL)
        request->address(request, who);
    int status = change(page, id, is_paused, who);
    if (status != 0) {
        reply_error(reply, 503, "Redis: %s", strerror(-status));
        return;
    }
    log_info("%s of function %s by %s over HTTP", is_paused ? "pause" : "resume", id, who);
    answer(id, is_paused, reply);
}
