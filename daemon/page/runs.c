/* SPDX-License-Identifier: Apache-2.0 */
/* Runs: a page of them, or one. */
#include <errno.h>
#include <string.h>

#include "config/setting.h"
#include "page/listing.h"
#include "page/page_internal.h"
#include "view/run_view.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MOST 200

static const char *given(const struct web_request *request, const char *name)
{
    const char *text = request->query(request, name);

    return text != NULL && text[0] != '\0' ? text : NULL;
}

/* What is no number is answered. */
static bool number_given(const struct web_request *request, const char *name, int64_t *number, struct web_reply *reply)
{
    const char *text = given(request, name);

    if (text == NULL || parse_int(text, number) == 0)
        return true;
    reply_error(reply, 400, "'%s' is to be a whole number", name);
    return false;
}

void page_runs(void *context, const struct web_request *request, struct web_reply *reply)
{
    struct page *page = context;
    const char *status = given(request, "status");
    int64_t limit = LIMIT_DEFAULT;
    int64_t since_ms = INT64_MIN;
    int64_t until_ms = INT64_MAX;
    struct error error = { 0 };
    struct json_out out;

    if (!number_given(request, "limit", &limit, reply) || !number_given(request, "since", &since_ms, reply) ||
        !number_given(request, "until", &until_ms, reply))
        return;
    const struct listing_filter filter = {
        .status = status != NULL ? status : "",
        .function = given(request, "function"),
        .error = given(request, "error"),
        .text = given(request, "text"),
        .since_ms = since_ms,
        .until_ms = until_ms,
        .limit = limit < 1            ? 1
                 : limit > LIMIT_MOST ? LIMIT_MOST
                                      : (size_t)limit,
    };

    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    int answer = listing_put(page->store, &filter, given(request, "cursor"), &out, &error);
    json_out_close(&out, '{');
    if (answer == 0) {
        reply_json(reply, &out);
        return;
    }
    json_out_done(&out);
    reply_error(reply, answer == -EINVAL ? 400 : 503, "%s", error.text);
}

void page_run(void *context, const struct web_request *request, struct web_reply *reply)
{
    struct page *page = context;
    const char *id = request->path + strlen("/api/runs/");
    struct error error = { 0 };
    struct loaded_run run;
    struct run_view view;
    struct json_out whole, out;

    int status = runs_load(page->store, id, &run, &error);
    if (status != 0) {
        reply_error(reply, status == -ENOENT ? 404 : status == -EBADMSG ? 422 : 503, "%s", error.text);
        return;
    }
    run_view_open(&view, &run, store_now_ms(page->store));
    view.redact = page->settings.config->redact;
    (void)!run_view_see_line(&view, page->store);
    json_out_init(&whole);
    run_view_json(&view, &whole);
    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_number(&out, "now_ms", view.now_ms);
    json_out_bool(&out, "is_behind", run.record.status == RUN_BEHIND);
    json_out_raw(&out, "run", (struct bytes){ whole.buffer.data, whole.buffer.size });
    json_out_close(&out, '{');
    json_out_done(&whole);
    run_view_done(&view);
    loaded_run_done(&run);
    reply_json(reply, &out);
}
