/* SPDX-License-Identifier: Apache-2.0 */
#include "modules/module_declarations.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/memory.h"
#include "config/config.h"
#include "config/config_flow.h"
#include "config/config_key.h"
#include "modules/options.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define ID_MAX 200
#define TOPIC_MAX 249
#define YEAR_MS INT64_C(31536000000)
#define BACKOFF_COUNT_MAX 1000
#define CONCURRENCY_MAX 1000000

static bool id_is_valid(const char *id)
{
    size_t length = strlen(id);

    return length > 0 && length <= ID_MAX && strspn(id, LETTERS "-_.:/") == length;
}

static bool topic_is_valid(const char *topic)
{
    size_t length = strlen(topic);

    return length > 0 && length <= TOPIC_MAX && strspn(topic, LETTERS "._-") == length;
}

bool declaration_event_is_valid(const char *event)
{
    size_t plain = strcspn(event, "*");

    return event[0] != '\0' && (event[plain] == '\0' || event[plain + 1] == '\0');
}

static bool backoff_is_valid(const struct stepd_backoff *backoff)
{
    if (backoff->count == 0)
        return true;
    if (backoff->delays_ms == NULL || backoff->count > BACKOFF_COUNT_MAX)
        return false;
    for (size_t i = 0; i < backoff->count; i++) {
        if (backoff->delays_ms[i] < 0 || backoff->delays_ms[i] > YEAR_MS)
            return false;
    }
    return true;
}

static bool is_within(int64_t value, int64_t most)
{
    return value >= 0 && value <= most;
}

static bool has_trigger(const struct stepd_function *function)
{
    return function->event != NULL || function->topic != NULL || function->events.count > 0 || function->cron.count > 0;
}

bool declaration_knows_flow(const struct declaration *declaration)
{
    return declaration->module->declared->abi_minor >= 1;
}

const char *const *declaration_taken_keys(const struct declaration *declaration)
{
    static const char *all[CONFIG_KEYS_MAX * 2];
    const char *const *usual = config_function_keys();
    size_t count = 0;

    if (!declaration_knows_flow(declaration))
        return usual;
    for (; usual[count] != NULL; count++)
        all[count] = usual[count];
    for (size_t i = 0; CONFIG_FLOW_KEYS[i] != NULL; i++)
        all[count++] = CONFIG_FLOW_KEYS[i];
    assert(count < COUNT_OF(all));
    return all;
}

/* All that is wrong with it but its id. */
static bool check(const struct declaration *declaration, struct config_faults *faults)
{
    const struct stepd_function *function = &declaration->function;
    AUTO_FREE char *owner = xasprintf("%s %s", function->template ? "template" : "function", function->id);
    const struct option_table table = {
        .owner = owner, .options = function->options, .size = function->options_size, .taken = declaration_taken_keys(declaration)
    };
    const struct {
        bool is_wrong;
        const char *text;
    } checks[] = {
        { function->run == NULL, "has no .run" },
        { function->event != NULL && function->topic != NULL, "has both .event and .topic: it is started by one" },
        { !has_trigger(function) && !function->template, "has neither .event nor .topic: what starts it?" },
        { function->event != NULL && !declaration_event_is_valid(function->event), ".event must be a name, with a * at its end only" },
        { function->topic != NULL && !topic_is_valid(function->topic), ".topic is no topic's name" },
        { !is_within(function->retries, STEPD_MAX_RETRIES), ".retries must be between 0 and 1000" },
        { !is_within(function->timeout_ms, YEAR_MS), ".timeout_ms must be between 0 and a year" },
        { !is_within(function->jitter_ms, YEAR_MS), ".jitter_ms must be between 0 and a year" },
        { !is_within(function->dedupe_ms, YEAR_MS), ".dedupe_ms must be between 0 and a year" },
        { !is_within(function->concurrency, CONCURRENCY_MAX), ".concurrency must be between 0 and 1000000" },
        { !backoff_is_valid(&function->backoff), ".backoff must be up to 1000 delays, each between 0 and a year" },
        { (unsigned)function->ordering > STEPD_BY_KEY, ".ordering must be STEPD_UNORDERED or STEPD_BY_KEY" },
    };
    assert(function->id != NULL && id_is_valid(function->id)); /* declare() looked */
    bool is_sound = options_check(&table, &declaration->place, faults);

    for (size_t i = 0; i < COUNT_OF(checks); i++) {
        if (!checks[i].is_wrong)
            continue;
        config_faults_add(faults, &declaration->place, "[%s] %s", owner, checks[i].text);
        is_sound = false;
    }
    return is_sound;
}

const struct declaration *module_declarations_find(const struct module_declarations *declarations, const char *id)
{
    for (size_t i = 0; i < declarations->count; i++) {
        if (strcmp(declarations->items[i].function.id, id) == 0)
            return &declarations->items[i];
    }
    return NULL;
}

static void declare(struct module_declarations *declarations, const struct module *module, size_t at, struct config_faults *faults)
{
    struct declaration *declaration = &declarations->items[declarations->count];

    *declaration = (struct declaration){
        .function = module_function(module, at),
        .module = module,
        .place = { .file = place_file(module->path) },
    };
    const char *id = declaration->function.id;
    if (id == NULL || !id_is_valid(id)) {
        config_faults_add(faults, &declaration->place,
                          "[module %s] function %zu has the id '%s': it must be 1 to %d letters, digits and any of -_.:/",
                          module->declared->name, at, id != NULL ? id : "", ID_MAX);
        return;
    }
    const struct declaration *other = module_declarations_find(declarations, id);
    if (other != NULL) {
        config_faults_add(faults, &declaration->place, "[module %s] function '%s' is declared twice%s%s", module->declared->name, id,
                          other->module != module ? ", also by " : "", other->module != module ? other->module->path : "");
        return;
    }
    declaration->is_sound = check(declaration, faults);
    declarations->count++;
}

void module_declarations_read(struct module *const *modules, size_t module_count, struct module_declarations *ret_declarations,
                              struct config_faults *faults)
{
    size_t count = 0;

    for (size_t i = 0; i < module_count; i++)
        count += modules[i]->declared->function_count;
    *ret_declarations = (struct module_declarations){ .items = xcalloc(count + 1, sizeof(struct declaration)) };
    for (size_t i = 0; i < module_count; i++) {
        for (size_t at = 0; at < modules[i]->declared->function_count; at++)
            declare(ret_declarations, modules[i], at, faults);
    }
    assert(ret_declarations->count <= count);
}

void module_declarations_done(struct module_declarations *declarations)
{
    free(declarations->items);
    *declarations = (struct module_declarations){ 0 };
}
