/* SPDX-License-Identifier: Apache-2.0 */
#include "run/routes.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/lock.h"
#include "base/memory.h"

/* Positions in routes->functions, ascending: the order of registration. */
struct list {
    uint32_t *at;
    size_t count;
};

struct entry {
    const char *name; /* NULL: a free place */
    size_t size;
    struct list list;
};

/* Open addressing, at most half full. */
struct table {
    struct entry *entries;
    size_t mask;
};

struct routes {
    const struct function **functions;
    size_t count;
    struct table names;   /* exact names; each list holds the prefixes that fit it, too */
    struct list prefixes; /* all of them, for names that are not in the table */
    struct table topics;
    bool has_ordered_event;
    _Atomic(struct routes *) newest; /* in the first one only; NULL: itself */
    struct lock lock;                /* in the first one only, of: */
    struct {
        const struct function **functions;
        size_t count;
    } sources[ROUTES_SOURCES];
    struct routes *older; /* that it replaced: somebody may still read it */
};

static const struct routes *routes_newest(const struct routes *routes)
{
    const struct routes *newest = atomic_load_explicit(&routes->newest, memory_order_acquire);

    return newest != NULL ? newest : routes;
}

static void list_add(struct list *list, size_t position)
{
    list->at = xrealloc(list->at, (list->count + 1) * sizeof(*list->at));
    list->at[list->count++] = (uint32_t)position;
}

static struct table table_for(size_t count)
{
    size_t size = 8;

    while (size < count * 2)
        size *= 2;
    return (struct table){ .entries = xcalloc(size, sizeof(struct entry)), .mask = size - 1 };
}

static void table_free(struct table *table)
{
    for (size_t i = 0; table->entries != NULL && i <= table->mask; i++)
        free(table->entries[i].list.at);
    free(table->entries);
}

/* The entry of that name, or the free place where it belongs. */
static struct entry *table_place(const struct table *table, const char *name)
{
    size_t size = strlen(name);

    for (size_t i = XXH3_64bits(name, size);; i++) {
        struct entry *entry = &table->entries[i & table->mask];
        if (entry->name == NULL || (entry->size == size && memcmp(entry->name, name, size) == 0))
            return entry;
    }
}

static struct entry *table_add(struct table *table, const char *name)
{
    struct entry *entry = table_place(table, name);

    assert(entry->name == NULL || entry->size == strlen(name));
    entry->name = name;
    entry->size = strlen(name);
    return entry;
}

static bool is_prefix(const char *event)
{
    size_t size = strlen(event);
    return size > 0 && event[size - 1] == '*';
}

static bool matches(const char *trigger, const char *name)
{
    return is_prefix(trigger) ? strncmp(trigger, name, strlen(trigger) - 1) == 0 : strcmp(trigger, name) == 0;
}

/* Trigger `at` of a function by event, the first is 0; NULL: it has no more. */
static const char *trigger_at(const struct function *function, size_t at)
{
    if (at == 0)
        return function->event;
    size_t next = function_has_events_alone(function) ? at : at - 1;
    return next < function->events.count ? function->events.items[next] : NULL;
}

/* However many of its triggers do: an event is one run. */
static bool is_started_by(const struct function *function, const char *name)
{
    const char *trigger;

    for (size_t at = 0; (trigger = trigger_at(function, at)) != NULL; at++) {
        if (matches(trigger, name))
            return true;
    }
    return false;
}

static bool has_prefix(const struct function *function)
{
    const char *trigger;

    for (size_t at = 0; (trigger = trigger_at(function, at)) != NULL; at++) {
        if (is_prefix(trigger))
            return true;
    }
    return false;
}

static void add_name(struct routes *routes, const char *name)
{
    struct entry *entry = table_place(&routes->names, name);

    assert(!is_prefix(name));
    if (entry->name != NULL)
        return;
    entry = table_add(&routes->names, name);
    for (size_t i = 0; i < routes->count; i++)
        if (is_started_by(routes->functions[i], name))
            list_add(&entry->list, i);
}

static void add_names(struct routes *routes, const struct function *function)
{
    const char *trigger;

    for (size_t at = 0; (trigger = trigger_at(function, at)) != NULL; at++) {
        if (!is_prefix(trigger))
            add_name(routes, trigger);
    }
}

static size_t count_triggers(const struct function *const *functions, size_t count)
{
    size_t triggers = 0;

    for (size_t i = 0; i < count; i++)
        triggers += 1 + functions[i]->events.count;
    return triggers;
}

static struct routes *make(const struct function *const *functions, size_t count)
{
    struct routes *routes = xcalloc(1, sizeof(*routes));

    assert(count <= UINT32_MAX);
    routes->functions = xcalloc(count + 1, sizeof(*routes->functions));
    for (size_t i = 0; i < count; i++)
        routes->functions[i] = functions[i];
    routes->count = count;
    routes->names = table_for(count_triggers(functions, count));
    routes->topics = table_for(count);
    for (size_t i = 0; i < count; i++) {
        const struct function *function = functions[i];
        if (function->topic != NULL) {
            list_add(&table_add(&routes->topics, function->topic)->list, i);
            continue;
        }
        routes->has_ordered_event |= function->ordering == STEPD_BY_KEY || function_has_batch(function);
        if (has_prefix(function))
            list_add(&routes->prefixes, i);
        add_names(routes, function);
    }
    return routes;
}

static void set_source(struct routes *routes, enum routes_source source, const struct function *const *functions, size_t count)
{
    assert(source < ROUTES_SOURCES);
    free(routes->sources[source].functions);
    routes->sources[source].functions = xmemdup(functions, count * sizeof(const struct function *));
    routes->sources[source].count = count;
}

struct routes *routes_create(const struct function *const *functions, size_t count)
{
    struct routes *routes = make(functions, count);

    lock_init(&routes->lock);
    set_source(routes, ROUTES_OF_MODULES, functions, count);
    return routes;
}

/* Of all sources; the caller frees. */
static const struct function **join_sources(const struct routes *routes, size_t *ret_count)
{
    size_t count = 0;

    for (size_t i = 0; i < ROUTES_SOURCES; i++)
        count += routes->sources[i].count;
    const struct function **all = xcalloc(count + 1, sizeof(*all));
    *ret_count = 0;
    for (size_t i = 0; i < ROUTES_SOURCES; i++) {
        for (size_t at = 0; at < routes->sources[i].count; at++)
            all[(*ret_count)++] = routes->sources[i].functions[at];
    }
    return all;
}

void routes_replace(struct routes *routes, enum routes_source source, const struct function *const *functions, size_t count)
{
    LOCK_GUARD(&routes->lock);
    set_source(routes, source, functions, count);
    AUTO_FREE const struct function **all = join_sources(routes, &count);
    struct routes *newer = make(all, count);

    newer->older = atomic_load_explicit(&routes->newest, memory_order_relaxed);
    atomic_store_explicit(&routes->newest, newer, memory_order_release);
}

static void free_one(struct routes *routes)
{
    table_free(&routes->names);
    table_free(&routes->topics);
    free(routes->prefixes.at);
    free(routes->functions);
    free(routes);
}

void routes_destroy(struct routes *routes)
{
    if (routes == NULL)
        return;
    for (size_t i = 0; i < ROUTES_SOURCES; i++)
        free(routes->sources[i].functions);
    lock_done(&routes->lock);
    for (struct routes *newer = routes->newest; newer != NULL;) {
        struct routes *older = newer->older;
        free_one(newer);
        newer = older;
    }
    free_one(routes);
}

/* Collects what matches, counting on where there is no more room. */
struct found {
    const struct function **out;
    size_t max;
    size_t count;
};

static void found_add(struct found *found, const struct function *function)
{
    if (found->count < found->max)
        found->out[found->count] = function_newest(function);
    found->count++;
}

size_t routes_match(const struct routes *routes, const char *topic, const char *event_name, const struct function **out, size_t max)
{
    routes = routes_newest(routes);
    struct found found = { .out = out, .max = max };
    const struct list *raw = &table_place(&routes->topics, topic)->list;
    const struct list none = { 0 };
    const struct list *named = &none;
    bool is_exact = false;
    size_t next_raw = 0;

    if (event_name != NULL) {
        const struct entry *entry = table_place(&routes->names, event_name);
        is_exact = entry->name != NULL;
        named = is_exact ? &entry->list : &routes->prefixes;
    }
    for (size_t i = 0; i < named->count; i++) {
        const struct function *function = routes->functions[named->at[i]];
        if (!is_exact && !is_started_by(function, event_name))
            continue;
        for (; next_raw < raw->count && raw->at[next_raw] < named->at[i]; next_raw++)
            found_add(&found, routes->functions[raw->at[next_raw]]);
        found_add(&found, function);
    }
    for (; next_raw < raw->count; next_raw++)
        found_add(&found, routes->functions[raw->at[next_raw]]);
    return found.count;
}

bool routes_take_name(const struct routes *routes, const char *event_name)
{
    routes = routes_newest(routes);
    const struct entry *entry = table_place(&routes->names, event_name);

    if (entry->name != NULL)
        return entry->list.count > 0;
    for (size_t i = 0; i < routes->prefixes.count; i++)
        if (is_started_by(routes->functions[routes->prefixes.at[i]], event_name))
            return true;
    return false;
}

size_t routes_function_count(const struct routes *routes)
{
    return routes_newest(routes)->count;
}

bool routes_topic_has_raw(const struct routes *routes, const char *topic)
{
    return table_place(&routes_newest(routes)->topics, topic)->list.count > 0;
}

bool routes_has_ordered(const struct routes *routes, const char *topic)
{
    routes = routes_newest(routes);
    const struct list *raw = &table_place(&routes->topics, topic)->list;

    for (size_t i = 0; i < raw->count; i++)
        if (routes->functions[raw->at[i]]->ordering == STEPD_BY_KEY || function_has_batch(routes->functions[raw->at[i]]))
            return true;
    return routes->has_ordered_event;
}
