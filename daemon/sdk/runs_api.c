/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/runs_api.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "codec/calendar.h"
#include "codec/expression.h"
#include "codec/json.h"
#include "codec/packed.h"
#include "config/config.h"
#include "sdk/answer.h"
#include "sdk/inngest_settings.h"
#include "sdk/object.h"
#include "sdk/sdk_time.h"
#include "sdk/signature.h"

/* ---- who may --------------------------------------------------------------------------------------- */

/* As those who register; else it is answered. */
static bool may_read(const struct inngest_settings *settings, const struct web_request *request, struct web_reply *reply)
{
    if (signing_key_admits_program(settings->signing_key, request->header(request, "Authorization")))
        return true;
    answer_error(reply, 401, "the signing key is not the configured one");
    return false;
}

static bool is_of_another_site(const struct web_request *request)
{
    const char *site = request->header(request, "Sec-Fetch-Site");
    const char *origin = request->header(request, "Origin");
    const char *host = request->header(request, "Host");
    const char *place = origin != NULL ? strstr(origin, "://") : NULL;

    if (site != NULL && strcmp(site, "cross-site") == 0)
        return true;
    return origin != NULL && (place == NULL || host == NULL || strcmp(place + 3, host) != 0);
}

/* Without a signing key the page's token counts, where there is one. */
static bool has_token(const struct inngest_settings *settings, const struct web_request *request)
{
    const char *token = settings->config != NULL && !settings->config->http_without_token ? settings->config->http_token : "";
    const char *given = request->header(request, "Authorization");

    if (token[0] == '\0')
        return settings->signing_key == NULL;
    return signature_is_bearer(token, given);
}

static bool may_change(const struct inngest_settings *settings, const struct web_request *request, struct web_reply *reply)
{
    bool is_signed =
        settings->signing_key != NULL && signing_key_admits_program(settings->signing_key, request->header(request, "Authorization"));

    if (is_of_another_site(request))
        answer_error(reply, 403, "another site asks");
    else if (!is_signed && !has_token(settings, request))
        answer_error(reply, 401,
                     settings->signing_key != NULL ? "the signing key is not the configured one" : "this needs http.token of the config");
    else
        return true;
    return false;
}

/* ---- answers --------------------------------------------------------------------------------------- */

static void answer_status(struct web_reply *reply, int status)
{
    answer_error(reply, status == -ENOENT ? 404 : 503, status == -ENOENT ? "there is no such run" : "runs can't be read now");
}

static char *time_text(int64_t ms)
{
    char text[CALENDAR_TEXT_SIZE];

    (void)calendar_write(ms / 1000, text);
    return xasprintf("%s.%03dZ", text, (int)(ms % 1000));
}

/* {"data": …, "metadata": {…}}. Takes `json`. */
static void answer_data(struct web_reply *reply, msgpack_sbuffer *json, bool is_list)
{
    AUTO_FREE char *now = time_text(clock_wall_ms());

    answer_text(reply, xasprintf("{\"data\":%s%.*s%s,\"metadata\":{\"fetched_at\":\"%s\",\"cached_until\":null}}", is_list ? "[" : "",
                                 (int)json->size, json->size > 0 ? json->data : "", is_list ? "]" : "", now));
}

/* NULL: the path has another form. The caller frees. */
static char *id_of(const char *path, const char *before, const char *behind)
{
    const char *id = path + strlen(before);
    size_t length = strlen(id), rest = strlen(behind);

    if (length <= rest || strcmp(id + length - rest, behind) != 0 || memchr(id, '/', length - rest) != NULL)
        return NULL;
    return xstrndup(id, length - rest);
}

static char *run_id_of_path(const struct web_request *request, struct web_reply *reply)
{
    char *id = id_of(request->path, RUNS_PATH, "");

    if (id != NULL && run_id_is_valid(id))
        return id;
    free(id);
    answer_status(reply, -ENOENT);
    return NULL;
}

/* What the port tells of that run, or of the runs of that event. */
static void answer_told(struct web_reply *reply, int (*tell)(void *context, const char *id, msgpack_sbuffer *json), void *context,
                        const char *id, bool is_list)
{
    msgpack_sbuffer json;

    msgpack_sbuffer_init(&json);
    int status = tell(context, id, &json);
    if (status == 0)
        answer_data(reply, &json, is_list);
    else
        answer_status(reply, status);
    msgpack_sbuffer_destroy(&json);
}

void runs_api_show(void *context, const struct web_request *request, struct web_reply *reply)
{
    const struct inngest_settings *settings = context;

    if (!may_read(settings, request, reply))
        return;
    AUTO_FREE char *id = run_id_of_path(request, reply);
    if (id == NULL)
        return;
    answer_told(reply, settings->runs_port.show, settings->runs_port.context, id, false);
}

void runs_api_list(void *context, const struct web_request *request, struct web_reply *reply)
{
    const struct inngest_settings *settings = context;
    AUTO_FREE char *id = id_of(request->path, EVENT_RUNS_PATH, "/runs");

    if (!may_read(settings, request, reply))
        return;
    if (id == NULL) {
        answer_error(reply, 404, "of an event there are /runs");
        return;
    }
    answer_told(reply, settings->runs_port.list, settings->runs_port.context, id, true);
}

/* ---- changes --------------------------------------------------------------------------------------- */

/* One line in this daemon's log: what was done, and from where. */
static void log_deed(const struct web_request *request, const char *what)
{
    char address[WEB_ADDRESS_SIZE] = "an app";

    if (request->address != NULL)
        request->address(request, address);
    log_info("%s by %s over HTTP", what, address);
}

/* One that has ended already is fine, as on Inngest's server. */
void runs_api_cancel(void *context, const struct web_request *request, struct web_reply *reply)
{
    const struct inngest_settings *settings = context;

    if (!may_change(settings, request, reply))
        return;
    AUTO_FREE char *id = run_id_of_path(request, reply);
    if (id == NULL)
        return;
    int status = settings->runs_port.cancel(settings->runs_port.context, id);
    if (status != 0) {
        answer_status(reply, status);
        return;
    }
    AUTO_FREE char *what = xasprintf("1 run cancelled (%s)", id);
    log_deed(request, what);
}

/* A time that may be left out. False: it is none. */
static bool read_time(const msgpack_object *map, const char *name, int64_t otherwise_ms, int64_t *ret_ms)
{
    AUTO_FREE char *text = object_find_text(map, name);

    *ret_ms = otherwise_ms;
    return object_is_nothing(packed_find(map, name)) || (text != NULL && sdk_time_parse(text, ret_ms) == 0);
}

/* "app-function" where there is such a one. */
static char *function_of(const struct inngest_settings *settings, const msgpack_object *map)
{
    AUTO_FREE char *app = object_find_text(map, "app_id");
    char *function = object_find_text(map, "function_id");

    if (app == NULL || app[0] == '\0' || function == NULL)
        return function;
    char *full = xasprintf("%s-%s", app, function);
    bool is_full = settings->knows_function != NULL && settings->knows_function(settings->runs_port.context, full);
    free(is_full ? function : full);
    return is_full ? full : function;
}

static void answer_cancellation(struct web_reply *reply, const struct cancellation *wanted, const msgpack_object *map, size_t count)
{
    AUTO_FREE char *after = time_text(wanted->after_ms), *before = time_text(wanted->before_ms);
    AUTO_FREE char *when = object_find_text(map, "if");
    msgpack_sbuffer id, condition;

    msgpack_sbuffer_init(&id);
    msgpack_sbuffer_init(&condition);
    json_write_string(&id, (struct bytes){ wanted->function_id, strlen(wanted->function_id) });
    json_write_string(&condition, (struct bytes){ when != NULL ? when : "", when != NULL ? strlen(when) : 0 });
    answer_text(reply, xasprintf("{\"id\":\"%016llx\",\"environment_id\":null,\"function_id\":%.*s,\"started_after\":\"%s\","
                                 "\"started_before\":\"%s\",\"if\":%.*s,\"cancelled\":%zu}",
                                 (unsigned long long)clock_monotonic_ns(), (int)id.size, id.data, after, before, (int)condition.size,
                                 condition.data, count));
    msgpack_sbuffer_destroy(&id);
    msgpack_sbuffer_destroy(&condition);
}

static void cancel_all(const struct inngest_settings *settings, const struct web_request *request, const msgpack_object *map,
                       struct web_reply *reply)
{
    AUTO_FREE char *function = function_of(settings, map);
    AUTO_FREE char *when = object_find_text(map, "if");
    struct cancellation wanted = { .function_id = function };
    struct expression *expression = NULL;
    struct error error = { 0 };
    size_t count = 0;

    if (function == NULL || function[0] == '\0') {
        answer_error(reply, 400, "function_id is missing");
    } else if (!read_time(map, "started_after", 0, &wanted.after_ms) ||
               !read_time(map, "started_before", clock_wall_ms(), &wanted.before_ms)) {
        answer_error(reply, 400, "started_after and started_before are times such as 2026-01-21T18:23:12.000Z");
    } else if (when != NULL && when[0] != '\0' && expression_compile((struct bytes){ when, strlen(when) }, &expression, &error) != 0) {
        answer_error(reply, 400, error.text);
    } else {
        wanted.when = expression;
        int status = settings->runs_port.cancel_all(settings->runs_port.context, &wanted, &count);
        if (status == 0)
            answer_cancellation(reply, &wanted, map, count);
        else
            answer_status(reply, status);
        AUTO_FREE char *what = xasprintf("%zu run%s of %s cancelled", count, count == 1 ? "" : "s", function);
        log_deed(request, what);
    }
    expression_destroy(expression);
}

void runs_api_cancel_all(void *context, const struct web_request *request, struct web_reply *reply)
{
    const char *type = request->header(request, "Content-Type");
    struct error error = { 0 };
    msgpack_object map;
    msgpack_zone zone;

    if (!may_change(context, request, reply))
        return;
    /* What a form of another site can't send without asking first. */
    if (type == NULL || strncmp(type, "application/json", 16) != 0) {
        answer_error(reply, 415, "the content type is to be application/json");
        return;
    }
    if (!msgpack_zone_init(&zone, 4096))
        abort();
    if (json_decode(request->body, &zone, &map, &error) != 0 || map.type != MSGPACK_OBJECT_MAP)
        answer_error(reply, 400, "the body is to be a JSON object");
    else
        cancel_all(context, request, &map, reply);
    msgpack_zone_destroy(&zone);
}
