/* SPDX-License-Identifier: Apache-2.0 */
#include "testing/test_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/config_faults.h"
#include "modules/options.h"

#define ZONE_CHUNK_SIZE 4096
#define SETTINGS_NAME "the test's settings"
#define RANDOM_SEED UINT64_C(0x5eed) /* the same jitter whenever a test is run */

void test_die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)fputs("stepd::testing: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
    abort();
}

/* ---- settings ------------------------------------------------------------------------------------ */

static void add_text(struct stepd_test *test, char *text)
{
    test->texts = xrealloc(test->texts, (test->text_count + 1) * sizeof(*test->texts));
    test->texts[test->text_count++] = text;
}

/* A config is for a daemon, with a Kafka and with topics: here are some, among them those that
 * functions take whole. */
static char *first_text(const struct stepd_module *module)
{
    char *text = xstrdup("kafka: {bootstrap.servers: none}\nlog: {level: warn}\ntopics: [events");

    for (size_t i = 0; i < module->function_count; i++) {
        if (module->functions[i].topic == NULL)
            continue;
        char *longer = xasprintf("%s, %s", text, module->functions[i].topic);
        free(text);
        text = longer;
    }
    char *whole = xasprintf("%s]\n", text);
    free(text);
    return whole;
}

struct stepd_test *stepd_test_create(const struct stepd_module *module)
{
    struct stepd_test *test = xcalloc(1, sizeof(*test));

    if (module->abi_major != STEPD_ABI_MAJOR || module->abi_minor > STEPD_ABI_MINOR)
        test_die("the module is built for ABI %u.%u, this library is %d.%d", module->abi_major, module->abi_minor, STEPD_ABI_MAJOR,
                 STEPD_ABI_MINOR);
    test->declared = module;
    test->module.declared = module;
    test->module.path = place_file(module->name);
    test->zone = msgpack_zone_new(ZONE_CHUNK_SIZE);
    if (test->zone == NULL)
        abort();
    memory_store_init(&test->store, STEPD_TEST_BEGIN_MS, SIZE_MAX);
    test->matching.store = &test->store.port;
    test->matching.watches = watches_create(1);
    outbox_init(&test->outbox, &test->store.is_out_of_reach);
    slot_init(&test->slot);
    add_text(test, first_text(module));
    return test;
}

void stepd_test_configure(struct stepd_test *test, const char *format, ...)
{
    va_list arguments;

    if (test->is_initialised)
        test_die("settings are given before the first run");
    va_start(arguments, format);
    add_text(test, xvasprintf(format, arguments));
    va_end(arguments);
}

/* ---- getting ready ------------------------------------------------------------------------------- */

/* A module that was built before it may have one has none. */
static options_check_fn *check_of(const struct stepd_module *module)
{
    return module->size < sizeof(*module) ? NULL : module->check;
}

static void options_load(struct stepd_test *test, struct config_faults *faults)
{
    const struct stepd_module *declared = test->declared;
    AUTO_FREE char *owner = xasprintf("module %s", declared->name);
    const struct option_table table = { .owner = owner, .options = declared->options, .size = declared->options_size };
    const struct place place = { .file = test->module.path };

    if (options_check(&table, &place, faults))
        test->module.options = options_fill(&table, config_module_options(test->config, declared->name), &place, faults);
    options_ask(owner, check_of(declared), test->module.options, &place, faults);
}

static void options_check_names(const struct stepd_test *test, struct config_faults *faults)
{
    const struct setting *options = test->config->options;

    for (size_t i = 0; options != NULL && i < options->count; i++) {
        if (strcmp(options->items[i].name, test->declared->name) != 0)
            config_faults_add(faults, &options->items[i].place, "the module is '%s', not '%s'", test->declared->name,
                              options->items[i].name);
    }
}

static int load(struct stepd_test *test, struct config_faults *faults)
{
    struct module *const modules[] = { &test->module };

    if (config_parse(SETTINGS_NAME, (const char *const *)test->texts, test->text_count, &test->config, faults) != 0)
        return -EINVAL;
    options_check_names(test, faults);
    options_load(test, faults);
    functions_build(test->config, modules, 1, true, &test->functions, faults);
    return faults->count == 0 ? 0 : -EINVAL;
}

static void unload(struct stepd_test *test)
{
    routes_destroy(test->routes);
    test->routes = NULL;
    free(test->observed);
    test->observed = NULL;
    functions_done(&test->functions);
    options_free(test->declared->options, test->module.options);
    test->module.options = NULL;
    config_destroy(test->config);
    test->config = NULL;
}

static void observe(struct stepd_test *test)
{
    size_t count = test->functions.count;
    AUTO_FREE const struct function **observed = xcalloc(count + 1, sizeof(*observed));

    test->observed = xcalloc(count + 1, sizeof(*test->observed));
    for (size_t i = 0; i < count; i++) {
        struct observed *each = &test->observed[i];
        memcpy(&each->function, test->functions.items[i], sizeof(each->function));
        each->run = each->function.run;
        each->on_failure = each->function.on_failure;
        each->function.run = observe_run;
        if (each->on_failure != NULL)
            each->function.on_failure = observe_on_failure;
        observed[i] = &each->function;
    }
    test->routes = routes_create(observed, count);
}

static void apply_settings(struct stepd_test *test)
{
    const struct config *config = test->config;

    log_open(config->log.level, config->log.format);
    test->store.state_bytes_max = (size_t)config->limits.state_bytes;
    test->settings = (struct attempt_settings){
        .steps = config->limits.steps,
        .result_bytes = (size_t)config->limits.result_bytes,
        .keeps_all = true,
        .dead_letter_topic = config->dead_letter_topic,
        .topics = config->topics,
        .routes = test->routes,
        .waits = (size_t)config->limits.waits,
        .find_function = test_find_function,
        .context = test,
    };
}

static int call_init(struct stepd_test *test)
{
    const struct stepd_module *declared = test->declared;
    int status = declared->init != NULL ? declared->init(test->module.options, &test->module.shared) : 0;

    if (status != 0 || declared->thread_init == NULL)
        return status;
    status = declared->thread_init(test->module.shared, &test->local);
    test->has_local = status == 0;
    if (status != 0 && declared->exit != NULL)
        declared->exit(test->module.shared);
    return status;
}

void test_renew_context(struct stepd_test *test)
{
    if (test->ctx.zone != NULL)
        context_done(&test->ctx);
    slot_init(&test->slot);
    context_init(&test->ctx);
    test->ctx.slot = &test->slot;
    test->ctx.store = &test->store.port;
    test->ctx.publisher = &test->outbox.port;
    test->ctx.settings = &test->settings;
    test->ctx.locals = &test->local;
    test->ctx.random_state = RANDOM_SEED;
}

int stepd_test_init(struct stepd_test *test)
{
    struct config_faults faults = { 0 };

    if (test->is_initialised)
        return 0;
    int status = load(test, &faults);
    if (status != 0) {
        config_faults_print(&faults, stderr);
    } else {
        observe(test);
        apply_settings(test);
        status = call_init(test);
    }
    config_faults_done(&faults);
    if (status != 0) {
        unload(test);
        return status;
    }
    test_renew_context(test);
    test->is_initialised = true;
    return 0;
}

void test_prepare(struct stepd_test *test)
{
    int status = stepd_test_init(test);

    if (status != 0)
        test_die("module %s does not start: %d", test->declared->name, status);
}

void stepd_test_destroy(struct stepd_test *test)
{
    if (test == NULL)
        return;
    for (size_t i = 0; i < test->run_count; i++)
        run_destroy(test->runs[i]);
    free(test->runs);
    if (test->is_initialised) {
        if (test->has_local && test->declared->thread_exit != NULL)
            test->declared->thread_exit(test->module.shared, test->local);
        if (test->declared->exit != NULL)
            test->declared->exit(test->module.shared);
        context_done(&test->ctx);
    }
    unload(test);
    outbox_done(&test->outbox);
    memory_store_done(&test->store);
    answers_destroy(test);
    limits_done(test);
    watches_destroy(test->matching.watches);
    msgpack_zone_free(test->zone);
    for (size_t i = 0; i < test->text_count; i++)
        free(test->texts[i]);
    free(test->texts);
    free(test);
}

/* ---- small things -------------------------------------------------------------------------------- */

int64_t stepd_test_now_ms(const struct stepd_test *test)
{
    return test->store.now_ms;
}

void stepd_test_advance(struct stepd_test *test, int64_t delay_ms)
{
    if (delay_ms < 0)
        test_die("time goes on, not back: %lld ms", (long long)delay_ms);
    test->store.now_ms += delay_ms;
}

void stepd_test_catch_crashes(struct stepd_test *test)
{
    test->catches_crashes = true;
}
