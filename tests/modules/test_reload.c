/* SPDX-License-Identifier: Apache-2.0 */
#include "modules/reload.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define FIXTURE STEPD_TEST_BUILD_DIR "/tests/fixtures/good.so"

static char folder[64];
static struct config *config;
static struct loaded *loaded;
static struct reload *reload;

static void write_config(const char *text)
{
    AUTO_FREE char *path = xasprintf("%s/stepd.yaml", folder);
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    (void)fprintf(file, "kafka: {bootstrap.servers: 'k:9092'}\ntopics: [events]\n%s%s",
                  strstr(text, "modules:") == NULL ? "modules: [good.so]\n" : "", text);
    (void)fclose(file);
}

static void setup(void)
{
    struct config_faults faults = { 0 };

    (void)snprintf(folder, sizeof(folder), "/tmp/stepd-reload-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    AUTO_FREE char *install = xasprintf("install -m 755 '%s' '%s'", FIXTURE, folder);
    cr_assert_eq(system(install), 0);
    write_config("options: {good: {server: 'mail:25'}}\n"
                 "functions: {call: {use: hook, event: call/me, url: 'http://one'}}\n");
    AUTO_FREE char *path = xasprintf("%s/stepd.yaml", folder);
    cr_assert_eq(config_load(path, &config, &faults), 0);
    cr_assert_eq(loader_load(config, &loaded, &faults), 0);
    reload = reload_create(config, loaded);
    log_open(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
}

static void teardown(void)
{
    AUTO_FREE char *remove = xasprintf("rm -rf '%s'", folder);

    loaded_destroy(loaded);
    reload_destroy(reload);
    config_destroy(config);
    cr_assert_eq(system(remove), 0);
}

TestSuite(reload, .init = setup, .fini = teardown);

/* What the log says meanwhile; the caller frees. */
static char *reload_with(const char *text)
{
    char *said = xcalloc(1, 8192);
    int ends[2];

    write_config(text);
    cr_assert_eq(pipe(ends), 0);
    int stderr_before = dup(STDERR_FILENO);
    (void)dup2(ends[1], STDERR_FILENO);
    reload_run(reload);
    (void)dup2(stderr_before, STDERR_FILENO);
    (void)close(stderr_before);
    (void)close(ends[1]);
    for (ssize_t got, used = 0; (got = read(ends[0], said + used, (size_t)(8191 - used))) > 0;)
        used += got;
    (void)close(ends[0]);
    return said;
}

static const struct function *function(const char *id)
{
    const struct function *found = functions_find(&loaded->functions, id);

    cr_assert_not_null(found);
    return found;
}

/* What an attempt can see of the template's options: the first field of its struct. */
static const char *url_of(const struct function *made)
{
    return *(const char *const *)made->options;
}

#define GOOD_OPTIONS "options: {good: {server: 'mail:25'}}\n"
#define CALL(more) "functions: {call: {use: hook, event: call/me, url: 'http://one'}" more "}\n"

Test(reload, gives_functions_their_new_settings)
{
    const struct function *before = function("plain");

    free(reload_with(GOOD_OPTIONS "retry: {schedule: [1s, 2s]}\nlog: {level: debug}\n" CALL(
        ", plain: {retries: 9, timeout: 5s, concurrency: 3}, tuned: {jitter: 0}")));
    const struct function *after = function("plain");
    cr_assert_eq(after->retries, 9);
    cr_assert_eq(after->timeout_ms, 5000);
    cr_assert_eq(after->concurrency, 3);
    cr_assert_eq(after->backoff.delays_ms[1], 2000);
    cr_assert_eq(after->index, before->index);
    cr_assert_eq(function("tuned")->backoff.jitter_ms, 0);
    cr_assert(log_has_level(LOG_LEVEL_DEBUG));
    cr_assert_eq(before->retries, 4, "what has begun goes on as it began");
}

Test(reload, what_waits_with_settings_of_before_finds_the_newest)
{
    free(reload_with(GOOD_OPTIONS CALL(", plain: {concurrency: 1}")));
    const struct function *waits_with = function("plain");
    free(reload_with(GOOD_OPTIONS CALL(", plain: {concurrency: 2}")));
    free(reload_with(GOOD_OPTIONS CALL(", plain: {concurrency: 3}")));
    cr_assert_eq(waits_with->concurrency, 1);
    cr_assert_eq(function_newest(waits_with), function("plain"));
    cr_assert_eq(function("plain")->concurrency, 3);
}

Test(reload, gives_functions_their_new_options)
{
    const struct function *before = function("call");

    free(reload_with(GOOD_OPTIONS "functions: {call: {use: hook, event: call/me, url: 'http://two'}}\n"));
    cr_assert_str_eq(url_of(function("call")), "http://two");
    cr_assert_str_eq(url_of(before), "http://one");
}

Test(reload, takes_back_what_is_no_longer_said)
{
    free(reload_with(GOOD_OPTIONS CALL(", plain: {retries: 9}")));
    cr_assert_eq(function("plain")->retries, 9);
    free(reload_with(GOOD_OPTIONS CALL("")));
    cr_assert_eq(function("plain")->retries, 4);
}

Test(reload, refuses_what_is_broken_and_keeps_the_old)
{
    AUTO_FREE char *slip = reload_with(GOOD_OPTIONS "log: {level: debug}\n" CALL(", plain: {retries: 9, timeout: soon}"));
    cr_assert_not_null(strstr(slip, "stepd.yaml:6:"), "%s", slip);
    cr_assert_not_null(strstr(slip, "the config has 1 fault: the daemon keeps the old one"), "%s", slip);
    AUTO_FREE char *unknown = reload_with(GOOD_OPTIONS "log: {level: debug}\n" CALL(", plein: {retries: 9}"));
    cr_assert_not_null(strstr(unknown, "did you mean 'plain'?"), "%s", unknown);
    AUTO_FREE char *option = reload_with("options: {good: {sorver: x}}\n" CALL(", plain: {retries: 9}"));
    cr_assert_not_null(strstr(option, "sorver"), "%s", option);
    AUTO_FREE char *checked = reload_with(GOOD_OPTIONS "functions: {call: {use: hook, event: call/me, url: 'ftp://one'}}\n");
    cr_assert_not_null(strstr(checked, "must begin with http"), "%s", checked);
    cr_assert_eq(function("plain")->retries, 4);
    cr_assert_str_eq(url_of(function("call")), "http://one");
    cr_assert(!log_has_level(LOG_LEVEL_DEBUG));
}

Test(reload, says_what_needs_a_restart_each_time_until_then)
{
    static const char *const text =
        GOOD_OPTIONS "worker: {threads: 3}\n"
                     "functions: {call: {use: hook, event: call/you, url: 'http://one', retries: 1}, plain: {ordering: by_key}}\n";
    AUTO_FREE char *first = reload_with(text);
    cr_assert_not_null(strstr(first, "now in force: functions.call.retries"), "%s", first);
    cr_assert_not_null(strstr(first, "need a restart: functions.call.event, functions.plain.ordering, worker.threads"), "%s", first);
    cr_assert_str_eq(function("call")->event, "call/me");
    cr_assert_eq(function("plain")->ordering, STEPD_UNORDERED);
    AUTO_FREE char *second = reload_with(text);
    cr_assert_null(strstr(second, "now in force"), "%s", second);
    cr_assert_not_null(strstr(second, "need a restart: functions.call.event"), "%s", second);
}

Test(reload, knows_nothing_of_modules_that_are_not_loaded)
{
    AUTO_FREE char *said = reload_with(GOOD_OPTIONS "modules: [good.so, more.so]\n" CALL(", new: {retries: 1}"));
    cr_assert_null(strstr(said, "refused"), "%s", said);
    cr_assert_not_null(strstr(said, "need a restart: modules"), "%s", said);
}

Test(reload, says_so_when_nothing_has_changed)
{
    AUTO_FREE char *said = reload_with(GOOD_OPTIONS CALL(""));
    cr_assert_not_null(strstr(said, "nothing has changed"), "%s", said);
}

static void *read_settings(void *is_over)
{
    while (!atomic_load((atomic_bool *)is_over)) {
        const struct function *found = functions_find(&loaded->functions, "plain");
        cr_assert_eq(found->retries, found->timeout_ms, "of one config, not of two");
    }
    return NULL;
}

Test(reload, is_seen_whole_by_other_threads)
{
    atomic_bool is_over = false;
    pthread_t reader;

    free(reload_with(GOOD_OPTIONS CALL(", plain: {retries: 0, timeout: 0}")));
    cr_assert_eq(pthread_create(&reader, NULL, read_settings, &is_over), 0);
    for (int i = 1; i <= 50; i++) {
        AUTO_FREE char *text = xasprintf(GOOD_OPTIONS CALL(", plain: {retries: %d, timeout: %dms}"), i, i);
        free(reload_with(text));
    }
    atomic_store(&is_over, true);
    (void)pthread_join(reader, NULL);
    cr_assert_eq(function("plain")->retries, 50);
}
