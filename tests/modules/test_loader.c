/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_faults.h"
#include "modules/loader.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIXTURES STEPD_TEST_BUILD_DIR "/tests/fixtures"
#define GOOD_OPTIONS "options: {good: {server: 'mail:25'}}\n"

static char folder[64];
static struct config *config;
static struct loaded *loaded;
static struct config_faults faults;

static void run_shell(const char *format, ...) PRINTF_LIKE(1, 2);

static void run_shell(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    AUTO_FREE char *command = xvasprintf(format, arguments);
    va_end(arguments);
    cr_assert_eq(system(command), 0, "%s", command);
}

static void setup(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/stepd-loader-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void teardown(void)
{
    loaded_destroy(loaded);
    config_destroy(config);
    config_faults_done(&faults);
    run_shell("rm -rf '%s'", folder);
}

TestSuite(loader, .init = setup, .fini = teardown);

/* The modules, by name, are copied to the test's own folder: the build's may be anyone's. */
static int load(const char *modules, const char *text)
{
    AUTO_FREE char *names = xstrdup(modules);
    AUTO_FREE char *path = xasprintf("%s/stepd.yaml", folder);
    FILE *file = fopen(path, "w");
    char *rest = NULL;

    cr_assert_not_null(file);
    (void)fputs("kafka: {bootstrap.servers: 'k:9092'}\ntopics: [events]\nmodules:\n", file);
    for (const char *name = strtok_r(names, " ", &rest); name != NULL; name = strtok_r(NULL, " ", &rest)) {
        if (name[0] != '/')
            run_shell("install -m 755 '%s/%s.so' '%s'", FIXTURES, name, folder);
        (void)fprintf(file, name[0] == '/' ? "  - %s\n" : "  - %s.so\n", name);
    }
    (void)fputs(text, file);
    (void)fclose(file);
    int status = config_load(path, &config, &faults);
    if (status != 0)
        config_faults_print(&faults, stderr);
    cr_assert_eq(status, 0);
    return loader_load(config, &loaded, &faults);
}

static void load_well(const char *modules, const char *text)
{
    int status = load(modules, text);

    if (status != 0)
        config_faults_print(&faults, stderr);
    cr_assert_eq(status, 0);
    cr_assert_eq(faults.count, 0);
}

static bool has_fault(const char *text)
{
    for (size_t i = 0; i < faults.count; i++) {
        if (strstr(faults.items[i].text, text) != NULL)
            return true;
    }
    return false;
}

static void check_fault(const char *file, int line, const char *text)
{
    if (faults.count != 1 || strcmp(faults.items[0].text, text) != 0)
        config_faults_print(&faults, stderr);
    cr_assert_eq(faults.count, 1);
    cr_assert_str_eq(faults.items[0].text, text);
    cr_assert_not_null(strstr(faults.items[0].place.file, file), "%s", faults.items[0].place.file);
    cr_assert_eq(faults.items[0].place.line, line);
}

static const struct function *function(const char *id)
{
    for (size_t i = 0; i < loaded->functions.count; i++) {
        if (strcmp(loaded->functions.items[i]->id, id) == 0) {
            cr_assert_eq(loaded->functions.items[i]->index, i);
            return loaded->functions.items[i];
        }
    }
    return NULL;
}

/* ---- settings --------------------------------------------------------------------------------- */

Test(loader, a_function_is_as_its_module_declares_it)
{
    load_well("good", GOOD_OPTIONS);
    cr_assert_eq(loaded->module_count, 1);
    cr_assert_eq(loaded->functions.count, 3);
    const struct function *tuned = function("tuned");
    cr_assert_str_eq(tuned->event, "app/*");
    cr_assert_null(tuned->topic);
    cr_assert_eq(tuned->retries, 7);
    cr_assert_eq(tuned->backoff.count, 2);
    cr_assert_eq(tuned->backoff.delays_ms[1], 2000);
    cr_assert_eq(tuned->backoff.jitter_ms, 10);
    cr_assert_eq(tuned->timeout_ms, 300);
    cr_assert_eq(tuned->concurrency, 2);
    cr_assert_eq(tuned->dedupe_ms, 5000);
    cr_assert_eq(tuned->ordering, STEPD_BY_KEY);
    cr_assert_eq(tuned->module, loaded->modules[0]);
    const struct function *plain = function("plain");
    cr_assert_eq(plain->retries, 4);
    cr_assert_eq(plain->backoff.count, 0);
    cr_assert_eq(plain->backoff.jitter_ms, 30000);
    cr_assert_eq(plain->dedupe_ms, 0);
    cr_assert_null(plain->options);
    cr_assert_eq(function("once")->retries, 0);
}

Test(loader, settings_of_all_functions_fill_what_the_module_left_alone)
{
    load_well("good", GOOD_OPTIONS "retry: {retries: 2, schedule: [1s, 5s, 9s], jitter: 1s}\ndedupe: 1h\n");
    const struct function *plain = function("plain");
    cr_assert_eq(plain->retries, 2);
    cr_assert_eq(plain->backoff.count, 3);
    cr_assert_eq(plain->backoff.delays_ms[2], 9000);
    cr_assert_eq(plain->backoff.jitter_ms, 1000);
    cr_assert_eq(plain->dedupe_ms, 3600000);
    const struct function *tuned = function("tuned");
    cr_assert_eq(tuned->retries, 7);
    cr_assert_eq(tuned->backoff.count, 2);
    cr_assert_eq(tuned->backoff.jitter_ms, 10);
    cr_assert_eq(tuned->dedupe_ms, 5000);
    cr_assert_eq(function("once")->retries, 0);
}

Test(loader, settings_of_one_function_go_before_all_others)
{
    load_well("good", GOOD_OPTIONS "retry: {retries: 2, schedule: [1s], jitter: 1s}\ndedupe: 1h\nfunctions:\n"
                                   "  tuned: {retries: 0, schedule: [3s], jitter: 0, timeout: 0, concurrency: 9, dedupe: 0,\n"
                                   "          ordering: unordered, event: other}\n"
                                   "  plain: {enabled: false}\n");
    const struct function *tuned = function("tuned");
    cr_assert_eq(tuned->retries, 0);
    cr_assert_eq(tuned->backoff.count, 1);
    cr_assert_eq(tuned->backoff.delays_ms[0], 3000);
    cr_assert_eq(tuned->backoff.jitter_ms, 0);
    cr_assert_eq(tuned->timeout_ms, 0);
    cr_assert_eq(tuned->concurrency, 9);
    cr_assert_eq(tuned->dedupe_ms, 0);
    cr_assert_eq(tuned->ordering, STEPD_UNORDERED);
    cr_assert_str_eq(tuned->event, "other");
    cr_assert_null(function("plain"));
}

Test(loader, a_template_makes_functions_with_options_of_their_own)
{
    struct hook_options {
        const char *url;
        const char *const *headers;
    };

    load_well("good", GOOD_OPTIONS "functions:\n"
                                   "  crm: {use: hook, event: 'user/*', url: 'http://a', headers: {x: y}, retries: 8}\n"
                                   "  erp: {use: hook, topic: events, url: 'http://b'}\n"
                                   "  off: {use: hook, event: e, url: 'http://c', enabled: false}\n");
    cr_assert_eq(loaded->functions.count, 5);
    const struct function *crm = function("crm");
    const struct hook_options *options = crm->options;
    cr_assert_str_eq(crm->event, "user/*");
    cr_assert_eq(crm->retries, 8);
    cr_assert_eq(crm->run, function("plain")->run);
    cr_assert_str_eq(options->url, "http://a");
    cr_assert_str_eq(options->headers[1], "y");
    const struct function *erp = function("erp");
    options = erp->options;
    cr_assert_str_eq(erp->topic, "events");
    cr_assert_null(erp->event);
    cr_assert_str_eq(options->url, "http://b");
    cr_assert_null(options->headers[0]);
    cr_assert_null(function("hook"));
}

Test(loader, an_author_refuses_what_types_allow)
{
    cr_assert_eq(load("good", GOOD_OPTIONS "functions:\n  crm: {use: hook, event: e, url: 'ftp://a'}\n"), -EINVAL);
    check_fault("stepd.yaml", 7, "[function crm] 'url' must begin with http, not 'ftp://a'");
}

Test(loader, an_author_refuses_what_types_allow_a_module)
{
    cr_assert_eq(load("good", "options:\n  good: {server: 'mail:25', port: 0}\n"), -EINVAL);
    cr_assert(has_fault("[module good] 'port' must be more than 0"));
}

/* ---- slips in the config ---------------------------------------------------------------------- */

Test(loader, a_function_that_is_not_there_is_a_slip)
{
    cr_assert_eq(load("good", GOOD_OPTIONS "functions: {plian: {retries: 3}}\n"), -EINVAL);
    check_fault("stepd.yaml", 6, "no module has a function 'plian', did you mean 'plain'?");
}

Test(loader, a_template_that_is_not_there_is_a_slip)
{
    cr_assert_eq(load("good", GOOD_OPTIONS "functions:\n  crm:\n    event: e\n    use: hok\n"), -EINVAL);
    check_fault("stepd.yaml", 9, "no module has a template 'hok', did you mean 'hook'?");
}

Test(loader, a_function_like_none_there_is_told_with_a_remedy)
{
    cr_assert_eq(load("good", GOOD_OPTIONS "functions:\n  resize: {event: e}\n"), -EINVAL);
    check_fault("stepd.yaml", 7, "no module has a function 'resize': load its module, or let `use` name the template that it is made of");
}

Test(loader, a_template_like_none_there_is_told_with_a_remedy)
{
    cr_assert_eq(load("good", GOOD_OPTIONS "functions:\n  crm:\n    event: e\n    use: program\n"), -EINVAL);
    check_fault("stepd.yaml", 9, "no module has a template 'program': 'exec' and 'http' come with stepd, others with their modules");
}

Test(loader, templates_and_functions_are_not_mixed_up)
{
    cr_assert_eq(load("good", GOOD_OPTIONS "functions:\n  crm: {use: plain, event: e}\n  hook: {retries: 1}\n"
                                           "  once: {use: hook, event: e, url: x}\n"),
                 -EINVAL);
    cr_assert_eq(faults.count, 3);
    cr_assert(has_fault("'plain' is a function, no template"));
    cr_assert(has_fault("'hook' is a template: an entry with an id of its own and `use: hook` makes a function of it"));
    cr_assert(has_fault("'once' is a module's function already: choose another id"));
}

Test(loader, options_are_checked_against_their_tables)
{
    cr_assert_eq(load("good", "options: {good: {prt: 3}, godo: {}}\nfunctions:\n  plain: {retrys: 3}\n"
                              "  crm: {use: hook, event: e, ulr: x}\n"),
                 -EINVAL);
    cr_assert_eq(faults.count, 6);
    cr_assert(has_fault("[module good] has no option 'prt' (it has: port, server): did you mean 'port'?"));
    cr_assert(has_fault("[module good] needs option 'server': host:port to send to"));
    cr_assert(has_fault("no module 'godo' is loaded, did you mean 'good'?"));
    cr_assert(has_fault("[function plain] has no option 'retrys': did you mean 'retries'?"));
    cr_assert(has_fault("[function crm] has no option 'ulr' (it has: headers, url): did you mean 'url'?"));
    cr_assert(has_fault("[function crm] needs option 'url': where to"));
}

Test(loader, a_topic_that_is_not_read_is_told)
{
    cr_assert_eq(load("topic_taker", ""), -EINVAL);
    check_fault("stepd.yaml", 2,
                "[function raw] takes topic 'measurements', which is not read: add it to 'topics', or set `enabled: false`");
}

Test(loader, a_function_of_a_topic_that_is_not_read_can_be_switched_off)
{
    load_well("topic_taker", "functions: {raw: {enabled: false}}\n");
    cr_assert_eq(loaded->functions.count, 0);
}

Test(loader, a_star_within_an_event_is_refused)
{
    cr_assert_eq(load("good", GOOD_OPTIONS "functions: {plain: {event: 'a/*/b'}}\n"), -EINVAL);
    check_fault("stepd.yaml", 6, "[function plain] 'event' must be a name, with a * at its end only");
}

Test(loader, a_module_that_is_not_there_is_told_where_it_is_named)
{
    cr_assert_eq(load("good /nowhere/mail.so", GOOD_OPTIONS), -EINVAL);
    check_fault("stepd.yaml", 5, "module '/nowhere/mail.so': No such file or directory");
}

/* ---- files ------------------------------------------------------------------------------------ */

Test(loader, another_abi_is_refused_with_what_to_do)
{
    cr_assert_eq(load("abi_newer_minor", ""), -EINVAL);
    check_fault("/abi_newer_minor.so", 0, "built for ABI 1.3, this daemon is 1.1: update stepd or rebuild the handler");
}

Test(loader, every_module_is_tried)
{
    cr_assert_eq(load("abi_newer_major abi_older_major abi_size abi_function_size no_symbol unresolved unnamed empty good same_name "
                      "duplicate_id",
                      GOOD_OPTIONS "functions: {not-there: {}}\n"),
                 -EINVAL);
    cr_assert_eq(faults.count, 11, "%zu", faults.count);
    cr_assert(has_fault("built for ABI 2.1, this daemon is 1.1: update stepd or rebuild the handler"));
    cr_assert(has_fault("built for ABI 0.1, this daemon is 1.1: rebuild the handler"));
    cr_assert(has_fault("its stepd_module has 24 bytes where ABI 1.1 has "));
    cr_assert(has_fault("bytes each where ABI 1.1 has "));
    cr_assert(has_fault("no symbol 'stepd_module': is STEPD_MODULE(...) missing?"));
    cr_assert(has_fault("undefined symbol: stepd_of_tomorrow: this daemon has no such call: update stepd"));
    cr_assert(has_fault("has no .name"));
    cr_assert(has_fault("[module empty] has no functions: .functions = STEPD_FUNCTIONS(...)"));
    cr_assert(has_fault("is module 'good', as "));
    cr_assert(has_fault("[module duplicate] function 'plain' is declared twice, also by "));
    cr_assert(has_fault("[module duplicate] function 'own' is declared twice"));
}

Test(loader, every_fault_of_a_function_is_told)
{
    cr_assert_eq(load("bad_functions bad_options", ""), -EINVAL);
    cr_assert_eq(faults.count, 17, "%zu", faults.count);
    cr_assert(has_fault("[function no-run] has no .run"));
    cr_assert(has_fault("[function no-trigger] has neither .event nor .topic: what starts it?"));
    cr_assert(has_fault("[function two-triggers] has both .event and .topic: it is started by one"));
    cr_assert(has_fault("[function retries] .retries must be between 0 and 1000"));
    cr_assert(has_fault("[function negative] .retries must be between 0 and 1000"));
    cr_assert(has_fault("[function backoff] .backoff must be up to 1000 delays, each between 0 and a year"));
    cr_assert(has_fault("[module bad] function 13 has the id 'white space': it must be 1 to 200 letters"));
    cr_assert(has_fault("[function taken] option 'timeout' has the name of a setting that every function has: choose another"));
    cr_assert(has_fault("[function no-size] option 'number' lies outside the struct"));
}

Test(loader, what_is_no_shared_object_is_refused)
{
    AUTO_FREE char *path = xasprintf("%s/text.so", folder);
    run_shell("echo hello > '%s'", path);
    cr_assert_eq(load(path, ""), -EINVAL);
    check_fault("/text.so", 0, "file too short: a module is a shared object, as cc -shared -fPIC makes it");
}

Test(loader, a_source_is_no_module)
{
    AUTO_FREE char *path = xasprintf("%s/greeter.c", folder);
    run_shell("head -c 4096 /dev/zero > '%s'; chmod 644 '%s'", path, path);
    cr_assert_eq(load(path, ""), -EINVAL);
    check_fault("/greeter.c", 0, "invalid ELF header: a module is a shared object, as cc -shared -fPIC makes it");
}

Test(loader, a_folder_gives_its_modules_in_order_of_name)
{
    run_shell("mkdir -p '%s/m/folder.so.d' && install -m 755 '%s/refusing.so' '%s/m/a.so' && install -m 755 '%s/good.so' '%s/m/b.so'"
              " && echo no > '%s/m/README'",
              folder, FIXTURES, folder, FIXTURES, folder, folder);
    AUTO_FREE char *path = xasprintf("%s/m", folder);
    load_well(path, GOOD_OPTIONS);
    cr_assert_eq(loaded->module_count, 2);
    cr_assert_str_eq(loaded->modules[0]->declared->name, "refusing");
    cr_assert_eq(loaded->modules[1]->index, 1);
}

Test(loader, a_file_that_is_named_twice_is_loaded_once)
{
    AUTO_FREE char *other = xasprintf("%s/other.so", folder);
    run_shell("ln -s good.so '%s'", other);
    AUTO_FREE char *modules = xasprintf("good %s", other);
    load_well(modules, GOOD_OPTIONS);
    cr_assert_eq(loaded->module_count, 1);
}

Test(loader, an_empty_folder_is_no_fault)
{
    AUTO_FREE char *path = xasprintf("%s/m", folder);
    cr_assert_eq(mkdir(path, 0755), 0);
    load_well(path, "");
    cr_assert_eq(loaded->module_count, 0);
}

/* ---- who may write them ----------------------------------------------------------------------- */

/* The module in a folder of its own, with those modes. */
static int load_with_modes(const char *folder_mode, const char *file_mode)
{
    run_shell("mkdir -p '%s/m' && install -m %s '%s/good.so' '%s/m' && chmod %s '%s/m'", folder, file_mode, FIXTURES, folder, folder_mode,
              folder);
    AUTO_FREE char *path = xasprintf("%s/m/good.so", folder);
    return load(path, GOOD_OPTIONS);
}

Test(loader, a_file_that_everyone_can_write_is_refused)
{
    cr_assert_eq(load_with_modes("755", "757"), -EINVAL);
    AUTO_FREE char *expected = xasprintf("can be written by everyone: chmod go-w '%s/m/good.so'", folder);
    check_fault("/m/good.so", 0, expected);
}

Test(loader, a_folder_that_everyone_can_write_is_refused)
{
    cr_assert_eq(load_with_modes("777", "755"), -EINVAL);
    AUTO_FREE char *expected = xasprintf("its folder '%s/m' can be written by everyone: chmod go-w '%s/m'", folder, folder);
    check_fault("/m/good.so", 0, expected);
}

Test(loader, a_sticky_folder_is_as_good_as_its_files)
{
    cr_assert_eq(load_with_modes("1777", "755"), 0);
}

Test(loader, a_file_that_a_group_can_write_is_refused)
{
    if (geteuid() != 0)
        cr_skip_test("only root can give a file to another group");
    run_shell("mkdir -p '%s/m' && install -m 775 -g daemon '%s/good.so' '%s/m'", folder, FIXTURES, folder);
    AUTO_FREE char *path = xasprintf("%s/m/good.so", folder);
    cr_assert_eq(load(path, GOOD_OPTIONS), -EINVAL);
    AUTO_FREE char *expected = xasprintf("can be written by group daemon: chmod g-w '%s'", path);
    check_fault("/m/good.so", 0, expected);
}

Test(loader, a_file_of_another_user_is_refused)
{
    if (geteuid() != 0)
        cr_skip_test("only root can give a file to another user");
    run_shell("mkdir -p '%s/m' && install -m 755 -o daemon '%s/good.so' '%s/m'", folder, FIXTURES, folder);
    AUTO_FREE char *path = xasprintf("%s/m/good.so", folder);
    cr_assert_eq(load(path, GOOD_OPTIONS), -EINVAL);
    AUTO_FREE char *expected = xasprintf("belongs to user daemon, who could change it: chown root '%s'", path);
    check_fault("/m/good.so", 0, expected);
}

/* ---- init and exit ---------------------------------------------------------------------------- */

Test(loader, modules_are_initialised_with_their_options_and_told_to_exit)
{
    struct error error;

    load_well("good", GOOD_OPTIONS);
    const int *init_count = dlsym(loaded->modules[0]->handle, "good_init_count");
    const int *exit_count = dlsym(loaded->modules[0]->handle, "good_exit_count");
    const char *const *server = dlsym(loaded->modules[0]->handle, "good_seen");
    cr_assert_eq(*init_count, 0);
    cr_assert_eq(modules_init(loaded, &error), 0);
    cr_assert_eq(*init_count, 1);
    cr_assert_str_eq(*server, "mail:25");
    cr_assert_eq((const void *)loaded->modules[0]->shared, (const void *)server);
    modules_exit(loaded);
    modules_exit(loaded);
    cr_assert_eq(*exit_count, 1);
}

Test(loader, when_one_refuses_to_start_those_before_it_exit)
{
    struct error error;

    load_well("good refusing", GOOD_OPTIONS);
    const int *exit_count = dlsym(loaded->modules[0]->handle, "good_exit_count");
    cr_assert_eq(modules_init(loaded, &error), -ECANCELED);
    cr_assert_eq(*exit_count, 1);
    cr_assert_not_null(strstr(error.text, "module refusing ("));
    cr_assert_not_null(strstr(error.text, "refused to start: init answered 7"));
}

/* ---- flow control ------------------------------------------------------------------------------ */

static const struct function *found(const char *id)
{
    const struct function *function = functions_find(&loaded->functions, id);

    cr_assert_not_null(function, "%s", id);
    return function;
}

Test(loader, settings_of_flow_control_are_as_the_module_declares_them)
{
    load_well("flow", "");
    const struct function *many = found("many");

    cr_assert_null(found("plain")->flow, "nothing set costs nothing");
    cr_assert_eq(many->events.count, 2);
    cr_assert_str_eq(many->event, "order/made");
    cr_assert_eq(many->flow->given.throttle.burst, 5);
    cr_assert_eq(many->flow->given.concurrency_limits.count, 2);
    cr_assert(many->flow->is_lined);
}

Test(loader, the_config_overrides_settings_of_flow_control_and_takes_them_away)
{
    load_well("flow", "functions:\n"
                      "  many: {throttle: {limit: 3, period: 2s}, rate_limit: null, singleton: null, priority: null,\n"
                      "         on_error: [{error: RateLimited, retries: 1}, {error: Other, backoff: [5s]}]}\n"
                      "  plain: {events: [x/a, x/b], when: \"event.data.n == 1\"}\n");
    const struct stepd_function *given = &found("many")->flow->given;

    cr_assert_eq(given->throttle.limit, 3);
    cr_assert_eq(given->throttle.period_ms, 2000);
    cr_assert_null(given->throttle.key, "a setting is replaced as a whole");
    cr_assert_eq(given->rate_limit.limit, 0);
    cr_assert_eq(given->singleton.mode, STEPD_SINGLETON_NONE);
    cr_assert_eq(given->on_error.count, 3);
    cr_assert_str_eq(given->on_error.items[0].error, "Other");
    cr_assert_eq(given->on_error.items[0].retries, 4, "the function's");
    cr_assert_eq(given->on_error.items[0].backoff.delays_ms[0], 5000);
    cr_assert_eq(given->on_error.items[1].retries, 1);
    cr_assert_eq(given->on_error.items[1].backoff.count, 0);
    cr_assert_str_eq(given->on_error.items[2].error, "Invalid*");
    cr_assert_eq(found("plain")->events.count, 2);
    cr_assert_str_eq(found("plain")->event, "x/a");
}

Test(loader, what_is_wrong_in_flow_control_is_refused_by_name)
{
    cr_assert_neq(load("bad_flow", ""), 0);
    cr_assert(has_fault("[function no-period] 'throttle' needs 'period'"));
    cr_assert(has_fault("[function negative] 'rate_limit.limit' must be between 1 and 1000000000, not -1"));
    cr_assert(has_fault("[function no-limit] 'concurrency_limits' needs 'limit'"));
    cr_assert(has_fault("[function syntax] 'when' is no expression that can be read: 1:"));
    cr_assert(has_fault("[function unknown] 'priority' is no expression that can be read: 1:"));
    cr_assert(has_fault("[function no-window] 'dedupe_key' needs 'dedupe'"));
    cr_assert(has_fault("[function no-mode] 'singleton' needs 'mode'"));
    cr_assert(has_fault("[function no-pause] 'breaker' needs 'pause'"));
    cr_assert(has_fault("[function star] 'on_error' has 'In*lid'"));
    cr_assert(has_fault("[function two-kinds] has both 'events' and 'topic'"));
    cr_assert_eq(faults.count, 11, "the eleventh: its topic is not read");
}

Test(loader, a_setting_of_flow_control_that_is_wrong_in_the_config_is_named_with_its_place)
{
    cr_assert_neq(load("flow", "functions:\n  plain: {throttle: {limit: 0, period: 1m}}\n  many: {throttle: {limit: 4}}\n"), 0);
    cr_assert(has_fault("'limit' must be between 1 and 1000000000, not '0'"));
    cr_assert(has_fault("[function many] 'throttle' needs 'period'"));
}

Test(loader, a_setting_of_flow_control_that_is_empty_says_nothing_and_is_refused)
{
    static const char *const maps[] = { "rate_limit", "throttle", "debounce", "batch", "singleton", "breaker" };
    char text[80];

    cr_assert_neq(
        load("flow", "functions:\n  plain: {rate_limit: {}, throttle: {}, debounce: {}, batch: {}, singleton: {}, breaker: {}}\n"), 0);
    for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++) {
        (void)snprintf(text, sizeof(text), "'%s' is empty: give it '", maps[i]);
        cr_expect(has_fault(text), "%s", text);
    }
}
