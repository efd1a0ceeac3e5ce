/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/app.h"

#include <assert.h>
#include <errno.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "codec/packed.h"
#include "codec/utf8.h"
#include "sdk/app_internal.h"
#include "sdk/object.h"
#include "sdk/step_url.h"

#define ID_MAX 200 /* bytes */
#define DELETE 0x7f

/* What a function may ask for beside flow control. `checkpoint` is between the SDK and itself. */
static const char *const known_keys[] = { "id", "name", "triggers", "steps", "retries", "checkpoint", NULL };

/* ---- one function -------------------------------------------------------------------------------- */

static bool id_is_valid(const char *id)
{
    size_t size = strlen(id);
    size_t letters = 0;

    while (letters < size && (unsigned char)id[letters] >= ' ' && id[letters] != DELETE)
        letters++;
    return size > 0 && size <= ID_MAX && letters == size && utf8_is_valid(id, size);
}

static bool is_among(const char *const *keys, const char *key)
{
    while (*keys != NULL && strcmp(*keys, key) != 0)
        keys++;
    return *keys != NULL;
}

static int check_keys(const struct reading *reading, const msgpack_object *function)
{
    for (uint32_t i = 0; i < function->via.map.size; i++) {
        AUTO_FREE char *key = object_text(&function->via.map.ptr[i].key);
        bool is_known = key != NULL && (is_among(known_keys, key) || is_among(ASKED_KEYS, key));
        if (!is_known && !object_is_nothing(&function->via.map.ptr[i].val))
            return reading_refuse(reading, "asks for '%s', which stepd does not have", key != NULL ? key : "?");
    }
    return 0;
}

/* They stand at its step, at the function (Go's SDK, too), or nowhere. */
static int read_retries(const struct reading *reading, const msgpack_object *function, const msgpack_object *step, int *ret_retries)
{
    const msgpack_object *given = packed_find(packed_find(step, "retries"), "attempts");

    if (!object_is_given(given))
        given = packed_find(function, "retries");
    int64_t count = object_is_given(given) ? object_int(given, INT64_MIN) : STEPD_DEFAULT_RETRIES;
    if (count == INT64_MIN)
        return reading_refuse(reading, "asks for retries that are no whole number");
    if (count < 0 || count > STEPD_MAX_RETRIES)
        return reading_refuse(reading, "asks for %lld retries: 0 to %d are possible", (long long)count, STEPD_MAX_RETRIES);
    *ret_retries = (int)count;
    return 0;
}

/* Its one step says where it is called, and how often. */
static int read_step(const struct reading *reading, const msgpack_object *function, struct sdk_function *function_made)
{
    const msgpack_object *steps = packed_find(function, "steps");
    const msgpack_object *step =
        steps != NULL && steps->type == MSGPACK_OBJECT_MAP && steps->via.map.size == 1 ? &steps->via.map.ptr[0].val : NULL;
    AUTO_FREE char *url = object_find_text(packed_find(step, "runtime"), "url");

    if (url == NULL || (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0))
        return reading_refuse(reading, "has no one step with an HTTP address");
    function_made->url = step_url_make(url);
    return read_retries(reading, function, step, &function_made->base.retries);
}

static struct sdk_function *function_create(const char *slug)
{
    struct sdk_function *function = xcalloc(1, sizeof(*function));

    assert(id_is_valid(slug));
    function->id = xstrdup(slug);
    function->slug = xstrdup(slug);
    step_uuid_make(slug, function->uuid);
    function->silent_until_ns = xcalloc(1, sizeof(*function->silent_until_ns));
    function->has_failed_once = xcalloc(1, sizeof(*function->has_failed_once));
    function->base.id = function->id;
    function->base.options = function;
    return function;
}

static int read_function(const msgpack_object *given, const struct config *config, struct app *app, char **ret_error)
{
    AUTO_FREE char *slug = object_find_text(given, "id");
    const struct reading reading = { ret_error, slug };

    if (slug == NULL)
        return reading_refuse(&reading, "a function has no id");
    if (!id_is_valid(slug))
        return reading_refuse(&reading, "has an id that stepd can't take: 1 to %d bytes of UTF-8 without control characters", ID_MAX);
    int status = check_keys(&reading, given);
    if (status != 0)
        return status;
    struct sdk_function *function = function_create(slug);
    app->functions = xrealloc(app->functions, (app->count + 1) * sizeof(struct sdk_function *));
    app->functions[app->count++] = function;
    status = read_step(&reading, given, function);
    if (status == 0)
        status = asked_read(&reading, given, &function->asked);
    if (status == 0)
        status = app_triggers_read(&reading, packed_find(given, "triggers"), function);
    return status == 0 ? app_settings_apply(&reading, config, function) : status;
}

/* ---- the app ------------------------------------------------------------------------------------- */

static int read_app(const msgpack_object *body, const struct config *config, struct app *app, char **ret_error)
{
    const struct reading reading = { ret_error, NULL };
    const msgpack_object *functions = packed_find(body, "functions");

    app->name = object_find_text(body, "appName");
    if (app->name == NULL)
        app->name = object_find_text(body, "appname");
    if (app->name == NULL || !id_is_valid(app->name))
        return reading_refuse(&reading, "the app has no name that stepd can take: 1 to %d bytes of UTF-8 without control characters",
                              ID_MAX);
    if (functions == NULL || functions->type != MSGPACK_OBJECT_ARRAY)
        return reading_refuse(&reading, "the app has no list of functions");
    for (uint32_t i = 0; i < functions->via.array.size; i++) {
        int status = read_function(&functions->via.array.ptr[i], config, app, ret_error);
        if (status != 0)
            return status;
    }
    return 0;
}

int app_create(struct bytes body, const struct config *config, struct app **ret_app, char **ret_error)
{
    struct app *app = xcalloc(1, sizeof(*app));
    struct error error = { 0 };
    msgpack_object object;
    msgpack_zone zone;

    if (!msgpack_zone_init(&zone, 4096))
        abort();
    int status = json_decode(body, &zone, &object, &error);
    if (status != 0)
        *ret_error = xasprintf("what was sent is no JSON: %s", error.text);
    else
        status = read_app(&object, config, app, ret_error);
    msgpack_zone_destroy(&zone);
    if (status != 0) {
        app_destroy(app);
        return -EINVAL;
    }
    *ret_app = app;
    return 0;
}

void sdk_function_destroy(struct sdk_function *function)
{
    if (function == NULL)
        return;
    for (size_t i = 0; i < function->trigger_count; i++) {
        free(function->triggers[i].event);
        free(function->triggers[i].text);
        expression_destroy(function->triggers[i].condition);
    }
    free(function->triggers);
    flow_settings_destroy(function->flow);
    config_lists_done(&function->lists);
    asked_done(&function->asked);
    free(function->id);
    free(function->slug);
    free(function->url);
    free(function->has_failed_once);
    free(function->silent_until_ns);
    free(function);
}

void app_destroy(struct app *app)
{
    if (app == NULL)
        return;
    for (size_t i = 0; i < app->count; i++)
        sdk_function_destroy(app->functions[i]);
    free(app->functions);
    free(app->name);
    free(app);
}
