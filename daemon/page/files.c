/* SPDX-License-Identifier: Apache-2.0 */
/* The page's own files, embedded. */
#include <string.h>

#include "base/array.h"
#include "page/page_internal.h"
#include "web.h"

#define HTML "text/html; charset=utf-8"
#define CSS "text/css; charset=utf-8"
#define JS "text/javascript; charset=utf-8"

static const struct {
    const char *path;
    const char *type;
    const char *text;
} files[] = {
    { "/", HTML, web_page },
    { "/web/style.css", CSS, web_style },
    { "/web/main.js", JS, web_main },
    { "/web/dom.js", JS, web_dom },
    { "/web/api.js", JS, web_api },
    { "/web/time.js", JS, web_time },
    { "/web/chart.js", JS, web_chart },
    { "/web/overview.js", JS, web_overview },
    { "/web/functions.js", JS, web_functions },
    { "/web/runs.js", JS, web_runs },
    { "/web/list.js", JS, web_list },
    { "/web/run.js", JS, web_run },
    { "/web/failed.js", JS, web_failed },
    { "/web/send.js", JS, web_send },
};

void page_file(void *context, const struct web_request *request, struct web_reply *reply)
{
    (void)context;
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        if (strcmp(files[i].path, request->path) != 0)
            continue;
        reply->type = files[i].type;
        reply->headers = page_headers;
        reply->body = xstrdup(files[i].text);
        reply->size = strlen(files[i].text);
        return;
    }
    reply_error(reply, 404, "no such file");
}
