/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/app.h"

#include <errno.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "codec/json.h"
#include "codec/utf8.h"
#include "event/event_fields.h"
#include "sdk/object.h"
#include "sdk/step_url.h"

#define ID_MAX 200 /* bytes */
#define DELETE 0x7f
#define DEDUPE_MS (INT64_C(24) * 3600000) /* an idempotency key holds for a day */

/* What a function may ask for. `checkpoint` is between the SDK and itself. */
static const char *const known_keys[] = {
    "id", "name", "triggers", "steps", "retries", "concurrency", "idempotency", "checkpoint", NULL,
};

/* ---- one function -------------------------------------------------------------------------------- */

struct reading {
    char **ret_error;
    const char *slug;
};

__attribute__((format(printf, 2, 3))) static int refuse(const struct reading *reading, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    AUTO_FREE char *why = xvasprintf(format, arguments);
    va_end(arguments);
    *reading->ret_error = reading->slug != NULL ? xasprintf("function '%s' %s", reading->slug, why) : xstrdup(why);
    return -EINVAL;
}

static bool id_is_valid(const char *id)
{
    size_t size = strlen(id);
    size_t letters = 0;

    while (letters < size && (unsigned char)id[letters] >= ' ' && id[letters] != DELETE)
        letters++;
    return size > 0 && size <= ID_MAX && letters == size && utf8_is_valid(id, size);
}

static int check_keys(const struct reading *reading, const msgpack_object *function)
{
    for (uint32_t i = 0; i < function->via.map.size; i++) {
        AUTO_FREE char *key = object_text(&function->via.map.ptr[i].key);
        size_t known = 0;
        while (known_keys[known] != NULL && (key == NULL || strcmp(known_keys[known], key) != 0))
            known++;
        if (known_keys[known] == NULL && !object_is_nothing(&function->via.map.ptr[i].val))
            return refuse(reading, "asks for '%s', which stepd does not have", key != NULL ? key : "?");
    }
    return 0;
}

/* A limit of the function as a whole: without a key, and of no wider scope. */
static bool is_plain_limit(const msgpack_object *limit)
{
    for (uint32_t i = 0; limit->type == MSGPACK_OBJECT_MAP && i < limit->via.map.size; i++) {
        const msgpack_object_kv *member = &limit->via.map.ptr[i];
        bool is_usual =
            object_is_text(&member->key, "limit") || (object_is_text(&member->key, "scope") && object_is_text(&member->val, "fn"));
        if (!is_usual && !object_is_nothing(&member->val))
            return false;
    }
    return limit->type == MSGPACK_OBJECT_MAP;
}

static int read_concurrency(const struct reading *reading, const msgpack_object *given, int *ret_limit)
{
    if (object_is_nothing(given))
        return 0;
    if (given->type == MSGPACK_OBJECT_ARRAY && given->via.array.size == 1)
        given = &given->via.array.ptr[0];
    if (is_plain_limit(given))
        given = object_find(given, "limit");
    int64_t limit = object_int(given, -1);
    if (limit < 0 || limit > 1000000)
        return refuse(reading, "asks for a concurrency that is more than one number, which stepd does not have");
    *ret_limit = (int)limit;
    return 0;
}

static int read_idempotency(const struct reading *reading, const msgpack_object *given, int64_t *ret_dedupe_ms)
{
    if (object_is_nothing(given))
        return 0;
    if (!object_is_text(given, "event.id"))
        return refuse(reading, "asks for an idempotency key other than event.id, which stepd does not have");
    *ret_dedupe_ms = DEDUPE_MS;
    return 0;
}

/* They stand at its step, at the function (Go's SDK, too), or nowhere. */
static int read_retries(const struct reading *reading, const msgpack_object *function, const msgpack_object *step, int *ret_retries)
{
    const msgpack_object *given = object_find(object_find(step, "retries"), "attempts");

    if (!object_is_given(given))
        given = object_find(function, "retries");
    int64_t count = object_is_given(given) ? object_int(given, INT64_MIN) : STEPD_DEFAULT_RETRIES;
    if (count == INT64_MIN)
        return refuse(reading, "asks for retries that are no whole number");
    if (count < 0 || count > STEPD_MAX_RETRIES)
        return refuse(reading, "asks for %lld retries: 0 to %d are possible", (long long)count, STEPD_MAX_RETRIES);
    *ret_retries = (int)count;
    return 0;
}

/* Its one step says where it is called, and how often. */
static int read_step(const struct reading *reading, const msgpack_object *function, struct sdk_function *model)
{
    const msgpack_object *steps = object_find(function, "steps");
    const msgpack_object *step =
        steps != NULL && steps->type == MSGPACK_OBJECT_MAP && steps->via.map.size == 1 ? &steps->via.map.ptr[0].val : NULL;
    AUTO_FREE char *url = object_find_text(object_find(step, "runtime"), "url");

    if (url == NULL || (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0))
        return refuse(reading, "has no one step with an HTTP address");
    model->url = step_url_make(url);
    return read_retries(reading, function, step, &model->base.retries);
}

/* As function.h says. An error makes the condition false, and is said once. */
static bool condition_admits(const struct function *function, const struct stepd_event *event)
{
    const struct sdk_function *own = function->options;
    struct event_fields fields;
    struct error error = { 0 };

    event_fields_init_of_view(&fields, event);
    const struct expression_scope scope = { .event = &fields.base, .now_ms = clock_wall_ms() };
    int answer = expression_holds(own->condition, &scope, &error);
    if (answer < 0 && !atomic_exchange(own->has_failed_once, true))
        log_warn("function '%s': the expression \"%s\" fails, and counts as false: %s (said once)", own->id, own->expression, error.text);
    return answer == 1;
}

static int compile_condition(const struct reading *reading, struct sdk_function *function)
{
    struct error error = { 0 };

    if (function->expression == NULL)
        return 0;
    struct bytes text = { function->expression, strlen(function->expression) };
    if (expression_compile(text, &function->condition, &error) != 0)
        return refuse(reading, "has the expression \"%s\": %s", function->expression, error.text);
    function->base.wants = condition_admits;
    return 0;
}

static int read_trigger(const struct reading *reading, const msgpack_object *trigger, struct sdk_function *function)
{
    function->event = object_find_text(trigger, "event");
    if (!object_is_nothing(object_find(trigger, "expression")))
        function->expression = object_find_text(trigger, "expression");
    if (function->event == NULL || function->event[0] == '\0')
        return refuse(reading, "has a trigger that is no event (such as cron), which stepd does not have");
    function->base.event = function->event;
    return compile_condition(reading, function);
}

static struct sdk_function *copy_of(const struct sdk_function *model, size_t trigger)
{
    struct sdk_function *function = xcalloc(1, sizeof(*function));

    function->base = model->base;
    function->slug = xstrdup(model->slug);
    function->url = xstrdup(model->url);
    step_uuid_make(model->slug, function->uuid);
    function->id = trigger == 0 ? xstrdup(model->slug) : xasprintf("%s:%zu", model->slug, trigger + 1);
    function->silent_until_ns = xcalloc(1, sizeof(*function->silent_until_ns));
    function->has_failed_once = xcalloc(1, sizeof(*function->has_failed_once));
    function->base.id = function->id;
    function->base.options = function;
    return function;
}

static int read_triggers(const struct reading *reading, const msgpack_object *triggers, const struct sdk_function *model, struct app *app)
{
    if (triggers == NULL || triggers->type != MSGPACK_OBJECT_ARRAY || triggers->via.array.size == 0)
        return refuse(reading, "has no trigger");
    for (uint32_t i = 0; i < triggers->via.array.size; i++) {
        struct sdk_function *function = copy_of(model, i);
        app->functions = xrealloc(app->functions, (app->count + 1) * sizeof(struct sdk_function *));
        app->functions[app->count++] = function;
        int status = read_trigger(reading, &triggers->via.array.ptr[i], function);
        if (status != 0)
            return status;
    }
    return 0;
}

static void model_done(struct sdk_function *model)
{
    free(model->slug);
    free(model->url);
}

static int read_function(const msgpack_object *given, struct app *app, char **ret_error)
{
    __attribute__((cleanup(model_done))) struct sdk_function model = { .slug = object_find_text(given, "id") };
    const struct reading reading = { ret_error, model.slug };

    if (model.slug == NULL)
        return refuse(&reading, "a function has no id");
    if (!id_is_valid(model.slug))
        return refuse(&reading, "has an id that stepd can't take: 1 to %d bytes of UTF-8 without control characters", ID_MAX);
    int status = check_keys(&reading, given);
    if (status == 0)
        status = read_concurrency(&reading, object_find(given, "concurrency"), &model.base.concurrency);
    if (status == 0)
        status = read_idempotency(&reading, object_find(given, "idempotency"), &model.base.dedupe_ms);
    if (status == 0)
        status = read_step(&reading, given, &model);
    return status == 0 ? read_triggers(&reading, object_find(given, "triggers"), &model, app) : status;
}

/* ---- the app ------------------------------------------------------------------------------------- */

static int read_app(const msgpack_object *body, struct app *app, char **ret_error)
{
    const struct reading reading = { ret_error, NULL };
    const msgpack_object *functions = object_find(body, "functions");

    app->name = object_find_text(body, "appName");
    if (app->name == NULL)
        app->name = object_find_text(body, "appname");
    if (app->name == NULL || !id_is_valid(app->name))
        return refuse(&reading, "the app has no name that stepd can take: 1 to %d bytes of UTF-8 without control characters", ID_MAX);
    if (functions == NULL || functions->type != MSGPACK_OBJECT_ARRAY)
        return refuse(&reading, "the app has no list of functions");
    for (uint32_t i = 0; i < functions->via.array.size; i++) {
        int status = read_function(&functions->via.array.ptr[i], app, ret_error);
        if (status != 0)
            return status;
    }
    return 0;
}

int app_create(struct bytes body, struct app **ret_app, char **ret_error)
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
        status = read_app(&object, app, ret_error);
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
    free(function->id);
    free(function->event);
    free(function->slug);
    free(function->url);
    free(function->expression);
    expression_destroy(function->condition);
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
