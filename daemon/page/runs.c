/* SPDX-License-Identifier: Apache-2.0 */
/* Runs: a page of them, or one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "page/inside.h"
#include "page/listing.h"
#include "view/run_view.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MOST 200

static const char *given(const struct web_request *request, const char *name)
{
    const char *text = request->query(request, name);

    return text != NULL && text[0] != '\0' ? text : NULL;
}

static int64_t number_given(const struct web_request *request, const char *name, int64_t otherwise)
{
    const char *text = given(request, name);

    return text != NULL ? strtoll(text, NULL, 10) : otherwise;
}

void page_runs(void *context, const struct web_request *request, struct web_reply *reply)
{
    struct page *page = context;
    const char *status = given(request, "status");
    int64_t limit = number_given(request, "limit", LIMIT_DEFAULT);
    const struct listing_filter filter = {
        .status = status != NULL ? status : "",
        .function = given(request, "function"),
        .error = given(request, "error"),
        .text = given(request, "text"),
        .since_ms = number_given(request, "since", INT64_MIN),
        .until_ms = number_given(request, "until", INT64_MAX),
        .limit = limit < 1 ? 1 : limit > LIMIT_MOST ? LIMIT_MOST : (size_t)limit,
    };
    struct error error = { 0 };
    struct json_out out;

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
