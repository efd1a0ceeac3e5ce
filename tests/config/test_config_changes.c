/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_changes.h"
#include "config/config_faults.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct config *read_config(const char *text)
{
    char path[] = "/tmp/stepd-changes-XXXXXX";
    struct config_faults faults = { 0 };
    struct config *config = NULL;
    int file = mkstemp(path);

    cr_assert_geq(file, 0);
    (void)dprintf(file, "topics: [events]\n%s%s", strstr(text, "kafka:") == NULL ? "kafka: {bootstrap.servers: 'k:9092'}\n" : "", text);
    (void)close(file);
    int status = config_load(path, &config, &faults);
    (void)unlink(path);
    if (status != 0)
        config_faults_print(&faults, stderr);
    cr_assert_eq(status, 0);
    return config;
}

/* What changes from one to the other, at once and at a restart; empty: nothing. */
static void expect(const char *before_text, const char *after_text, const char *at_once, const char *at_restart)
{
    struct config *before = read_config(before_text);
    struct config *after = read_config(after_text);
    AUTO_FREE char *now = config_changes(before, after, CHANGE_AT_ONCE);
    AUTO_FREE char *later = config_changes(before, after, CHANGE_AT_RESTART);

    cr_assert_str_eq(now != NULL ? now : "", at_once);
    cr_assert_str_eq(later != NULL ? later : "", at_restart);
    config_destroy(before);
    config_destroy(after);
}

Test(config_changes, of_the_same_config_are_none)
{
    expect("log: {level: info}\nfunctions: {f: {retries: 3, list: [1, 2]}}\n",
           "functions: {f: {list: [1, 2], retries: 3}}\nlog: {level: info}\nretry:\n", "", "");
}

Test(config_changes, of_log_level_retry_and_dedupe_are_taken_over)
{
    expect("", "log: {level: debug}\nretry: {retries: 2, schedule: [1s, 2s]}\ndedupe: 1h\n",
           "log.level, retry.retries, retry.schedule, dedupe", "");
    expect("retry: {schedule: [1s, 2s]}\n", "retry: {schedule: [1s, 3s]}\n", "retry.schedule", "");
}

Test(config_changes, of_a_functions_settings_are_taken_over_but_not_of_what_starts_it)
{
    expect("functions: {f: {retries: 1, event: a}}\n", "functions: {f: {timeout: 3s, event: b, url: x}}\n",
           "functions.f.retries, functions.f.timeout, functions.f.url", "functions.f.event");
    expect("functions: {f: {use: http, event: a, url: x}}\n", "", "", "functions.f");
    expect("functions: {f: {retries: 1}}\n", "functions: {f: {retries: 2, enabled: false}}\n", "", "functions.f");
}

Test(config_changes, of_the_rest_need_a_restart)
{
    expect("log: {format: text}\nworker: {threads: 3}\n",
           "log: {format: json}\nredis: {url: 'redis://:geheim@h:1/0'}\nkafka: {bootstrap.servers: 'k:9092', sasl.password: "
           "geheim}\noptions: {m: {a: 1}}\n",
           "", "kafka.sasl.password, log.format, worker.threads, redis.url, options.m");
}
