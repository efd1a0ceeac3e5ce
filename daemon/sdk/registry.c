/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/log.h"
#include "sdk/app.h"
#include "sdk/calls.h"

struct blob {
    char *data; /* NULL: none */
    size_t size;
};

/* What an app last registered. */
struct entry {
    char *name;
    struct blob body;    /* in force */
    struct blob refused; /* stands on the shelf, and is not taken */
    char *why;           /* as was said last; NULL: nothing was */
    unsigned refused_at; /* registry->changes then: what others have registered since may let it in */
};

struct registry {
    struct inngest_settings settings;
    const struct calls_settings *calls;
    struct lock lock; /* of all below */
    struct entry *entries;
    size_t entry_count;
    unsigned changes;                /* of what is in force */
    struct sdk_function **functions; /* the newest of each id; its place is kept */
    char **owners;                   /* app of each */
    size_t function_count;
    struct sdk_function **replaced; /* may still be in use */
    size_t replaced_count;
};

/* Nothing of it is read by the daemon but what modules see. */
static const struct stepd_module declared = { .abi_major = STEPD_ABI_MAJOR, .abi_minor = STEPD_ABI_MINOR, .name = "inngest" };
static const struct module module = { .declared = &declared, .path = "" };

struct registry *registry_create(const struct inngest_settings *settings, const struct calls_settings *calls)
{
    struct registry *registry = xcalloc(1, sizeof(*registry));

    registry->settings = *settings;
    registry->calls = calls;
    registry->functions = xcalloc(INNGEST_FUNCTIONS_MAX, sizeof(*registry->functions));
    registry->owners = xcalloc(INNGEST_FUNCTIONS_MAX, sizeof(*registry->owners));
    lock_init(&registry->lock);
    return registry;
}

void registry_destroy(struct registry *registry)
{
    if (registry == NULL)
        return;
    for (size_t i = 0; i < registry->entry_count; i++) {
        free(registry->entries[i].name);
        free(registry->entries[i].body.data);
        free(registry->entries[i].refused.data);
        free(registry->entries[i].why);
    }
    for (size_t i = 0; i < registry->function_count; i++) {
        sdk_function_destroy(registry->functions[i]);
        free(registry->owners[i]);
    }
    for (size_t i = 0; i < registry->replaced_count; i++)
        sdk_function_destroy(registry->replaced[i]);
    free(registry->entries);
    free(registry->functions);
    free(registry->owners);
    free(registry->replaced);
    lock_done(&registry->lock);
    free(registry);
}

/* ---- functions; under the lock ------------------------------------------------------------------ */

/* function_count: none. */
static size_t place_of(const struct registry *registry, const char *id)
{
    size_t i = 0;

    assert_held(&registry->lock);
    while (i < registry->function_count && strcmp(registry->functions[i]->id, id) != 0)
        i++;
    return i;
}

static bool is_the_daemons(const struct registry *registry, const char *id)
{
    for (size_t i = 0; i < registry->settings.function_count; i++) {
        if (strcmp(registry->settings.functions[i]->id, id) == 0)
            return true;
    }
    return false;
}

/* Whether nobody has the ids that is neither the daemon nor an app. Who does may ask for those of apps, under a lock of its
 * own: ours is not held. */
static int check_holders(const struct registry *registry, const struct app *app, char **ret_error)
{
    const struct inngest_settings *settings = &registry->settings;

    for (size_t i = 0; settings->find_holder != NULL && i < app->count; i++) {
        AUTO_FREE char *holder = settings->find_holder(settings->holder_context, app->functions[i]->id);
        if (holder == NULL)
            continue;
        *ret_error = xasprintf("function '%s' has the id of another function: %s", app->functions[i]->id, holder);
        return -EINVAL;
    }
    return 0;
}

/* Whether the app's functions fit beside all others. */
static int check_ids(const struct registry *registry, const struct app *app, char **ret_error)
{
    size_t count = registry->function_count;

    for (size_t i = 0; i < app->count; i++) {
        const char *id = app->functions[i]->id;
        size_t place = place_of(registry, id);
        bool is_others =
            place < registry->function_count && strcmp(registry->owners[place], app->name) != 0 && !registry->functions[place]->is_gone;
        if (is_the_daemons(registry, id) || is_others) {
            *ret_error = xasprintf("function '%s' has the id of another function: %s", id,
                                   is_others ? registry->owners[place] : "one of the daemon's own");
            return -EINVAL;
        }
        count += place == registry->function_count;
    }
    if (count <= INNGEST_FUNCTIONS_MAX)
        return 0;
    *ret_error = xasprintf("there would be more than %d functions", INNGEST_FUNCTIONS_MAX);
    return -EINVAL;
}

static void retire(struct registry *registry, struct sdk_function *function)
{
    registry->replaced = xrealloc(registry->replaced, (registry->replaced_count + 1) * sizeof(struct sdk_function *));
    registry->replaced[registry->replaced_count++] = function;
}

static struct backoff backoff_of(const struct registry *registry, const struct sdk_function *function)
{
    struct backoff backoff = registry->settings.backoff;

    if (function->retry == NULL)
        return backoff;
    if (function->retry->schedule_count > 0) {
        backoff.delays_ms = function->retry->schedule_ms;
        backoff.count = function->retry->schedule_count;
    }
    if (function->retry->has_jitter)
        backoff.jitter_ms = function->retry->jitter_ms;
    return backoff;
}

/* Takes it. */
static void put_function(struct registry *registry, const char *app, struct sdk_function *function)
{
    size_t place = place_of(registry, function->id);

    function->settings = registry->calls;
    function->base.run = calls_run;
    function->base.on_failure = calls_on_failure;
    function->base.backoff = backoff_of(registry, function);
    function->base.module = &module;
    function->base.index = registry->settings.function_count + place;
    if (place < registry->function_count) {
        retire(registry, registry->functions[place]);
        free(registry->owners[place]);
    } else {
        registry->function_count++;
    }
    registry->functions[place] = function;
    registry->owners[place] = xstrdup(app);
}

/* One that no app has any more: its waiting runs fail, with the reason. */
static void put_gone(struct registry *registry, const char *app, const char *id, const char *slug)
{
    struct sdk_function *gone = xcalloc(1, sizeof(*gone));

    gone->id = xstrdup(id);
    gone->slug = xstrdup(slug);
    gone->base.id = gone->id;
    gone->base.event = "";
    gone->base.options = gone;
    gone->is_gone = true;
    put_function(registry, app, gone);
}

/* Whether an earlier registration of the app had the function at `place`, and this one has not. */
static bool goes_away(const struct registry *registry, size_t place, const struct app *app)
{
    const struct sdk_function *old = registry->functions[place];

    if (old->is_gone || strcmp(registry->owners[place], app->name) != 0)
        return false;
    for (size_t i = 0; i < app->count; i++) {
        if (strcmp(app->functions[i]->id, old->id) == 0)
            return false;
    }
    return true;
}

static void mark_gone(struct registry *registry, const struct app *app)
{
    for (size_t i = 0; i < registry->function_count; i++) {
        if (goes_away(registry, i, app))
            put_gone(registry, app->name, registry->functions[i]->id, registry->functions[i]->slug);
    }
}

/* Durable before the registration without them is: a daemon that starts later must know them, too. */
static int save_gone(struct registry *registry, const struct app *app)
{
    const struct app_shelf *shelf = &registry->settings.gone;
    int status = 0;

    for (size_t i = 0; status == 0; i++) {
        AUTO_FREE char *id = NULL;
        AUTO_FREE char *slug = NULL;
        lock_take(&registry->lock);
        bool is_end = i >= registry->function_count;
        if (!is_end && goes_away(registry, i, app)) {
            id = xstrdup(registry->functions[i]->id);
            slug = xstrdup(registry->functions[i]->slug);
        }
        lock_give(&registry->lock);
        if (is_end)
            break;
        if (id != NULL)
            status = shelf->save(shelf->context, id, (struct bytes){ slug, strlen(slug) });
    }
    return status;
}

static void renew_routes(struct registry *registry)
{
    const struct inngest_settings *settings = &registry->settings;
    AUTO_FREE const struct function **all = xcalloc(registry->function_count + 1, sizeof(*all));
    size_t count = 0;

    for (size_t i = 0; i < registry->function_count; i++) {
        if (!registry->functions[i]->is_gone)
            all[count++] = &registry->functions[i]->base;
    }
    routes_replace(settings->routes, ROUTES_OF_APPS, all, count);
}

static struct entry *entry_of(struct registry *registry, const char *name)
{
    for (size_t i = 0; i < registry->entry_count; i++) {
        if (strcmp(registry->entries[i].name, name) == 0)
            return &registry->entries[i];
    }
    registry->entries = xrealloc(registry->entries, (registry->entry_count + 1) * sizeof(*registry->entries));
    struct entry *entry = &registry->entries[registry->entry_count++];
    *entry = (struct entry){ .name = xstrdup(name) };
    return entry;
}

static bool is_same(const struct blob *blob, struct bytes body)
{
    return blob->data != NULL && blob->size == body.size && memcmp(blob->data, body.data, body.size) == 0;
}

static void blob_set(struct blob *blob, struct bytes body)
{
    free(blob->data);
    *blob = (struct blob){ xstrndup(body.data, body.size), body.size };
}

/* Takes the app's functions. */
static void put_in_force(struct registry *registry, struct app *app, struct bytes body)
{
    struct entry *entry = entry_of(registry, app->name);

    blob_set(&entry->body, body);
    registry->changes++;
    mark_gone(registry, app);
    for (size_t i = 0; i < app->count; i++)
        put_function(registry, app->name, app->functions[i]);
    app->count = 0;
    renew_routes(registry);
    log_info("app %s has registered its functions", app->name);
}

/* ---- from outside ------------------------------------------------------------------------------- */

/* *ret_app NULL: nothing new. */
static int examine(struct registry *registry, struct bytes body, struct app **ret_app, char **ret_error)
{
    struct app *app = NULL;
    int status = app_create(body, registry->settings.config, &app, ret_error);

    *ret_app = NULL;
    if (status != 0)
        return status;
    lock_take(&registry->lock);
    bool is_known = is_same(&entry_of(registry, app->name)->body, body);
    status = is_known ? 0 : check_ids(registry, app, ret_error);
    lock_give(&registry->lock);
    if (status == 0 && !is_known)
        status = check_holders(registry, app, ret_error);
    if (status != 0 || is_known)
        app_destroy(app);
    else
        *ret_app = app;
    return status;
}

static void adopt(struct registry *registry, struct app *app, struct bytes body)
{
    lock_take(&registry->lock);
    if (!is_same(&entry_of(registry, app->name)->body, body))
        put_in_force(registry, app, body);
    lock_give(&registry->lock);
    app_destroy(app);
}

int registry_register(struct registry *registry, struct bytes body, bool *ret_is_new, char **ret_error)
{
    const struct app_shelf *shelf = &registry->settings.shelf;
    struct app *app = NULL;
    int status = examine(registry, body, &app, ret_error);

    *ret_is_new = app != NULL;
    if (status != 0 || app == NULL)
        return status;
    status = save_gone(registry, app);
    if (status == 0)
        status = shelf->save(shelf->context, app->name, body);
    if (status == 0)
        adopt(registry, app, body);
    else
        app_destroy(app);
    return status;
}

/* Whether there is nothing new to what stands on the shelf: it is looked at each second. */
static bool is_no_news(struct registry *registry, const char *name, struct bytes body)
{
    LOCK_GUARD(&registry->lock);
    const struct entry *entry = entry_of(registry, name);
    bool is_refused = is_same(&entry->refused, body) && entry->refused_at == registry->changes;
    bool is_known = is_refused || is_same(&entry->body, body);
    return is_known;
}

/* Each new reason is said once. */
static void note_refusal(struct registry *registry, const char *name, struct bytes body, const char *why)
{
    lock_take(&registry->lock);
    struct entry *entry = entry_of(registry, name);
    bool is_new = entry->why == NULL || strcmp(entry->why, why) != 0;
    blob_set(&entry->refused, body);
    entry->refused_at = registry->changes;
    if (is_new) {
        free(entry->why);
        entry->why = xstrdup(why);
    }
    lock_give(&registry->lock);
    if (is_new)
        log_error("app %s, which another daemon has registered, can't be used here: %s", name, why);
}

static void take_from_shelf(void *context, const char *name, struct bytes body)
{
    struct registry *registry = context;
    struct app *app = NULL;
    AUTO_FREE char *error = NULL;

    if (is_no_news(registry, name, body))
        return;
    if (examine(registry, body, &app, &error) != 0)
        note_refusal(registry, name, body, error);
    else if (app != NULL)
        adopt(registry, app, body);
}

/* What an app has again is no longer gone, whatever stands there. */
static void take_gone(void *context, const char *id, struct bytes slug)
{
    struct registry *registry = context;
    AUTO_FREE char *name = xstrndup(slug.data, slug.size);

    LOCK_GUARD(&registry->lock);
    if (place_of(registry, id) == registry->function_count && registry->function_count < INNGEST_FUNCTIONS_MAX)
        put_gone(registry, "", id, name);
}

int registry_refresh(struct registry *registry)
{
    const struct inngest_settings *settings = &registry->settings;
    int status = settings->shelf.load(settings->shelf.context, take_from_shelf, registry);

    return status == 0 ? settings->gone.load(settings->gone.context, take_gone, registry) : status;
}

/* A function with that id now, or once. */
static size_t place_by_any_id(const struct registry *registry, const char *id)
{
    size_t place = place_of(registry, id);

    for (size_t i = 0; place == registry->function_count && i < registry->function_count; i++) {
        const struct stepd_texts *older = &registry->functions[i]->base.older_ids;
        for (size_t k = 0; k < older->count; k++) {
            if (strcmp(older->items[k], id) == 0)
                return i;
        }
    }
    return place;
}

const struct function *registry_find(struct registry *registry, const char *id)
{
    LOCK_GUARD(&registry->lock);
    size_t place = place_by_any_id(registry, id);
    const struct function *function = place < registry->function_count ? &registry->functions[place]->base : NULL;
    return function;
}

void registry_each(struct registry *registry, void (*each)(void *context, const struct function *function), void *context)
{
    LOCK_GUARD(&registry->lock);
    for (size_t i = 0; i < registry->function_count; i++) {
        if (!registry->functions[i]->is_gone)
            each(context, &registry->functions[i]->base);
    }
}
