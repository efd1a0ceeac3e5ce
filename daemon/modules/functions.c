/* SPDX-License-Identifier: Apache-2.0 */
#include "modules/functions.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/config_flow.h"
#include "config/config_key.h"
#include "modules/module_declarations.h"
#include "modules/options.h"

struct builder {
    const struct config *config;
    struct module_declarations declarations;
    struct functions *functions;
    struct config_faults *faults;
};

/* A function, and the table that its options were filled by. */
struct made_function {
    struct function function;
    const struct stepd_option *options;
    struct flow_settings *flow;
    struct config_lists lists; /* that its flow points into */
};

static_assert(offsetof(struct made_function, function) == 0, "made_of() is given the function");

static const struct config_function nothing_given = { .is_enabled = true };

/* ---- with the config's settings --------------------------------------------------------------- */

/* Where the config says `key` of function `id`; the function's own place, or the file, without it. */
static struct place given_place(const struct config *config, const struct config_function *given, const char *key)
{
    if (given->id == NULL)
        return (struct place){ .file = place_file(config->path) };
    const struct setting *entry = setting_find(setting_find(&config->root, "functions"), given->id);
    const struct setting *value = entry != NULL ? setting_find(entry, key) : NULL;
    return value != NULL ? value->value_place : given->place;
}

/* How to have `topic` read as well. Under `stepd dev`, which writes the config, by its command line. Caller frees. */
static char *topic_remedy(const struct config *config, const char *topic)
{
    if (config->log.format != LOG_FORMAT_DEV)
        return xstrdup("add it to 'topics', or set `enabled: false`");
    char *remedy = xstrdup("start `stepd dev` with");
    for (size_t i = 0; config->topics[i] != NULL; i++) {
        AUTO_FREE char *before = remedy;
        remedy = xasprintf("%s --topic %s", before, config->topics[i]);
    }
    AUTO_FREE char *before = remedy;
    return xasprintf("%s --topic %s", before, topic);
}

static void trigger_check(const struct builder *builder, const struct function *function, const struct config_function *given)
{
    const struct config *config = builder->config;

    if (given->event != NULL && !declaration_event_is_valid(given->event)) {
        const struct place place = given_place(config, given, "event");
        config_faults_add(builder->faults, &place, "[function %s] 'event' must be a name, with a * at its end only", function->id);
    }
    if (function->topic != NULL && !config_reads_topic(config, function->topic)) {
        const struct setting *topics = setting_find(&config->root, "topics");
        const struct place place = given->topic != NULL ? given_place(config, given, "topic")
                                   : topics != NULL     ? topics->place
                                                        : given_place(config, &nothing_given, "");
        AUTO_FREE char *remedy = topic_remedy(config, function->topic);
        config_faults_add(builder->faults, &place, "[function %s] takes topic '%s', which is not read: %s", function->id, function->topic,
                          remedy);
    }
}

static struct backoff backoff_choose(const struct config_retry *own, const struct stepd_function *declared, const struct config_retry *all)
{
    struct backoff backoff = {
        .delays_ms = declared->backoff.delays_ms,
        .count = declared->backoff.count,
        .header_most_ms = all->header_most_ms,
    };

    if (own->schedule_count > 0) {
        backoff.delays_ms = own->schedule_ms;
        backoff.count = own->schedule_count;
    } else if (backoff.count == 0 && all->schedule_count > 0) {
        backoff.delays_ms = all->schedule_ms;
        backoff.count = all->schedule_count;
    }
    if (own->has_jitter)
        backoff.jitter_ms = own->jitter_ms;
    else if (declared->jitter_ms == STEPD_DEFAULT_JITTER_MS && all->has_jitter)
        backoff.jitter_ms = all->jitter_ms;
    else
        backoff.jitter_ms = declared->jitter_ms;
    return backoff;
}

static int retries_choose(const struct config_retry *own, const struct stepd_function *declared, const struct config_retry *all)
{
    if (own->has_retries)
        return own->retries;
    return declared->retries == STEPD_DEFAULT_RETRIES && all->has_retries ? all->retries : declared->retries;
}

static int64_t dedupe_choose(const struct config_function *given, const struct stepd_function *declared, int64_t all_ms)
{
    if (given->has_dedupe)
        return given->dedupe_ms;
    return declared->dedupe_ms > 0 ? declared->dedupe_ms : all_ms;
}

/* ---- flow control ------------------------------------------------------------------------------ */

/* The config's entry as its function takes it: own options beside the settings of flow control. */
struct entry_split {
    struct setting options;
    struct setting flow;
};

static bool is_own_option(const struct stepd_function *declared, const char *name)
{
    for (const struct stepd_option *option = declared->options; option != NULL && option->name != NULL; option++) {
        if (strcmp(option->name, name) == 0)
            return true;
    }
    return false;
}

static void say_own_option(const char *id, const char *name)
{
    log_info("'%s' of function %s is an option of its own module, which was built before stepd had a setting of that name", name, id);
}

/* entry_done() it. */
static struct entry_split entry_split(const struct declaration *declaration, const struct config_function *given)
{
    struct entry_split split = { given->options, given->flow };
    size_t flow_count = given->flow.count;

    split.options.items = xcalloc(given->options.count + flow_count + 1, sizeof(struct setting));
    split.flow.items = xcalloc(flow_count + 1, sizeof(struct setting));
    for (size_t i = 0; i < given->options.count; i++)
        split.options.items[i] = given->options.items[i];
    split.flow.count = 0;
    for (size_t i = 0; i < flow_count; i++) {
        const struct setting *item = &given->flow.items[i];
        if (!declaration_knows_flow(declaration) && is_own_option(&declaration->function, item->name)) {
            say_own_option(declaration->function.id, item->name);
            split.options.items[split.options.count++] = *item;
        } else {
            split.flow.items[split.flow.count++] = *item;
        }
    }
    assert(split.options.count + split.flow.count == given->options.count + flow_count); /* none is lost */
    return split;
}

static void entry_done(struct entry_split *split)
{
    free(split->options.items);
    free(split->flow.items);
}

/* Where a refused setting stands. */
struct refused_at {
    const struct builder *builder;
    const struct config_function *given;
    const struct declaration *declaration;
    const char *id;
};

static void refuse_flow(void *context, const char *setting, const char *text)
{
    const struct refused_at *at = context;
    bool is_given = at->given->id != NULL && setting_find(&at->given->flow, setting) != NULL;
    const struct place place = is_given ? given_place(at->builder->config, at->given, setting) : at->declaration->place;

    config_faults_add(at->builder->faults, &place, "[function %s] %s", at->id, text);
}

/* The declaration as the config changes it: what flow control is made of. */
static struct stepd_function declared_with(const struct stepd_function *declared, const struct config_function *given,
                                           const struct function *function)
{
    struct stepd_function changed = *declared;

    changed.retries = function->retries;
    changed.dedupe_ms = function->dedupe_ms;
    changed.ordering = function->ordering;
    changed.concurrency = function->concurrency;
    if (given->event != NULL || given->topic != NULL || setting_find(&given->flow, "events") != NULL ||
        setting_find(&given->flow, "cron") != NULL) {
        changed.event = given->event;
        changed.topic = given->topic;
        changed.events = (struct stepd_texts){ 0 };
        changed.cron = (struct stepd_texts){ 0 };
    }
    return changed;
}

/* All that starts it: the first event stands in `event`. */
static void set_triggers(struct function *function, const struct stepd_function *changed)
{
    function->event = changed->event;
    function->topic = changed->topic;
    function->events = changed->events;
    if (function->event == NULL && function->topic == NULL && changed->events.count > 0)
        function->event = changed->events.items[0];
}

static void add_flow(struct builder *builder, const struct declaration *declaration, const struct config_function *given,
                     const struct setting *settings, struct made_function *made)
{
    struct stepd_function changed = declared_with(&declaration->function, given, &made->function);
    struct refused_at at = { builder, given, declaration, made->function.id };
    const struct flow_refusal refusal = { refuse_flow, &at };
    size_t faults = builder->faults->count;

    assert(made->flow == NULL);
    config_flow_read(settings, &changed, &made->lists, builder->faults);
    set_triggers(&made->function, &changed);
    if (changed.batch.size > builder->config->worker.queue / 2)
        refuse_flow(&at, "batch", "'batch.size' is more than half of worker.queue: a batch could never be full");
    if (faults == builder->faults->count && flow_settings_make(&changed, &refusal, &made->flow))
        made->function.flow = made->flow;
}

static void function_make(struct builder *builder, const struct declaration *declaration, const char *id,
                          const struct config_function *given)
{
    const struct stepd_function *declared = &declaration->function;
    const struct config *config = builder->config;
    struct entry_split split = entry_split(declaration, given);
    AUTO_FREE char *owner = xasprintf("function %s", id);
    const struct option_table table = { .owner = owner,
                                        .options = declared->options,
                                        .size = declared->options_size,
                                        .config_path = config->path,
                                        .taken = declaration_taken_keys(declaration) };
    const struct place place = given_place(config, given, "");
    struct functions *functions = builder->functions;
    struct made_function *made = xcalloc(1, sizeof(*made));

    *made = (struct made_function){
        .function = {
            .id = id,
            .run = declared->run,
            .on_failure = declared->on_failure,
            .retries = retries_choose(&given->retry, declared, &config->retry),
            .timeout_ms = given->has_timeout ? given->timeout_ms : declared->timeout_ms,
            .backoff = backoff_choose(&given->retry, declared, &config->retry),
            .ordering = given->has_ordering ? given->ordering : declared->ordering,
            .concurrency = given->has_concurrency ? given->concurrency : declared->concurrency,
            .dedupe_ms = dedupe_choose(given, declared, config->dedupe_ms),
            .options = options_fill(&table, &split.options, &place, builder->faults),
            .module = declaration->module,
            .index = functions->count,
        },
        .options = declared->options,
    };
    assert(declaration->is_sound && functions->by_id == NULL); /* they are sorted once all are made */
    add_flow(builder, declaration, given, &split.flow, made);
    entry_done(&split);
    options_ask(owner, declaration->function.check, made->function.options, &place, builder->faults);
    trigger_check(builder, &made->function, given);
    functions->items = xrealloc(functions->items, (functions->count + 1) * sizeof(*functions->items));
    functions->items[functions->count++] = &made->function;
}

/* ---- the config's entries --------------------------------------------------------------------- */

/* Adds a fault that names the function or template that `name` is probably a slip of. */
static void fault_unknown(const struct builder *builder, const struct place *place, const char *what, const char *name, bool is_template)
{
    AUTO_FREE const char **names = xcalloc(builder->declarations.count + 1, sizeof(*names));
    size_t count = 0;

    for (size_t i = 0; i < builder->declarations.count; i++) {
        const struct stepd_function *function = &builder->declarations.items[i].function;
        if (function->template == is_template)
            names[count++] = function->id;
    }
    const char *meant = config_suggest(name, names, count);
    if (meant != NULL)
        config_faults_add(builder->faults, place, "no module has a %s '%s', did you mean '%s'?", what, name, meant);
    else
        config_faults_add(builder->faults, place, "no module has a %s '%s': %s", what, name,
                          is_template ? "'exec' and 'http' come with stepd, others with their modules"
                                      : "load its module, or let `use` name the template that it is made of");
}

static void template_use(struct builder *builder, const struct config_function *given, bool is_complete)
{
    const struct declaration *declaration = module_declarations_find(&builder->declarations, given->use);
    const struct place place = given_place(builder->config, given, "use");

    if (module_declarations_find(&builder->declarations, given->id) != NULL) {
        config_faults_add(builder->faults, &given->place, "'%s' is a module's %s already: choose another id", given->id,
                          module_declarations_find(&builder->declarations, given->id)->function.template ? "template" : "function");
        return;
    }
    if (declaration == NULL) {
        if (is_complete)
            fault_unknown(builder, &place, "template", given->use, true);
        return;
    }
    if (!declaration->function.template) {
        config_faults_add(builder->faults, &place, "'%s' is a function, no template", given->use);
        return;
    }
    if (declaration->is_sound && given->is_enabled)
        function_make(builder, declaration, given->id, given);
}

static void entry_check(const struct builder *builder, const struct config_function *given, bool is_complete)
{
    const struct declaration *declaration = module_declarations_find(&builder->declarations, given->id);

    if (declaration == NULL && is_complete && builder->config->program_count == 0 &&
        !builder->config->inngest.is_on) /* else it may be a program's, or an app's */
        fault_unknown(builder, &given->place, "function", given->id, false);
    else if (declaration != NULL && declaration->function.template)
        config_faults_add(builder->faults, &given->place,
                          "'%s' is a template: an entry with an id of its own and `use: %s` makes a function of it", given->id, given->id);
}

/* ---- the whole -------------------------------------------------------------------------------- */

static int id_compare(const void *left, const void *right)
{
    return strcmp((*(const struct function *const *)left)->id, (*(const struct function *const *)right)->id);
}

static void functions_sort(struct functions *functions)
{
    functions->by_id = xmemdup(functions->items, functions->count * sizeof(*functions->items));
    qsort(functions->by_id, functions->count, sizeof(*functions->by_id), id_compare);
}

void functions_build(const struct config *config, struct module *const *modules, size_t module_count, bool is_complete,
                     struct functions *functions, struct config_faults *faults)
{
    struct builder builder = { .config = config, .functions = functions, .faults = faults };

    module_declarations_read(modules, module_count, &builder.declarations, faults);
    for (size_t i = 0; i < builder.declarations.count; i++) {
        const struct declaration *declaration = &builder.declarations.items[i];
        const struct config_function *given = config_function_find(config, declaration->function.id);
        if (given == NULL || given->use != NULL)
            given = &nothing_given;
        if (declaration->is_sound && !declaration->function.template && given->is_enabled)
            function_make(&builder, declaration, declaration->function.id, given);
    }
    for (size_t i = 0; i < config->function_count; i++) {
        const struct config_function *given = &config->functions[i];
        if (given->use != NULL)
            template_use(&builder, given, is_complete);
        else
            entry_check(&builder, given, is_complete);
    }
    module_declarations_done(&builder.declarations);
    functions_sort(functions);
}

/* Ours to write until others can see it. */
static struct made_function *made_of(const struct function *function)
{
    return (struct made_function *)(uintptr_t)function;
}

void functions_done(struct functions *functions)
{
    for (size_t i = 0; i < functions->count; i++) {
        struct made_function *made = made_of(functions->items[i]);
        options_free(made->options, (void *)(uintptr_t)made->function.options);
        flow_settings_destroy(made->flow);
        config_lists_done(&made->lists);
        free(made);
    }
    free(functions->items);
    free(functions->by_id);
    *functions = (struct functions){ 0 };
}

static const struct function *first_find(const struct functions *functions, const char *id)
{
    const struct function wanted = { .id = id };
    const struct function *key = &wanted;
    assert(functions->count == 0 || functions->by_id != NULL);
    const struct function **found = bsearch(&key, functions->by_id, functions->count, sizeof(*functions->by_id), id_compare);

    return found != NULL ? *found : NULL;
}

const struct function *functions_find(const struct functions *functions, const char *id)
{
    const struct function *first = first_find(functions, id);

    return first != NULL ? function_newest(first) : NULL;
}

static bool is_same_code(const struct function *one, const struct function *other)
{
    assert(strcmp(one->id, other->id) == 0);
    return one->module == other->module && one->run == other->run && one->on_failure == other->on_failure;
}

void functions_renew(const struct functions *functions, const struct functions *newer)
{
    for (size_t i = 0; i < functions->count; i++) {
        struct function *first = &made_of(functions->items[i])->function;
        const struct function *found = first_find(newer, first->id);
        if (found == NULL || !is_same_code(first, found))
            continue;
        struct function *renewed = &made_of(found)->function;
        renewed->event = first->event;
        renewed->topic = first->topic;
        renewed->events = first->events;
        renewed->ordering = first->ordering;
        renewed->index = first->index;
        struct function *latest = &made_of(function_newest(first))->function;
        atomic_store_explicit(&latest->newest, renewed, memory_order_release); /* what waits with it begins anew, too */
        atomic_store_explicit(&first->newest, renewed, memory_order_release);
    }
}
