/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"
#include "config/config_faults.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static struct config *config;
static struct config_faults faults;

static void write_file(const char *name, const char *text)
{
    AUTO_FREE char *path = xasprintf("%s/%s", folder, name);
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

static void setup(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/stepd-config-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void teardown(void)
{
    AUTO_FREE char *command = xasprintf("rm -rf '%s'", folder);

    config_destroy(config);
    config_faults_done(&faults);
    cr_assert_eq(system(command), 0);
}

static int load(const char *text)
{
    AUTO_FREE char *path = xasprintf("%s/stepd.yaml", folder);

    write_file("stepd.yaml", text);
    return config_load(path, &config, &faults);
}

#define MINIMAL "kafka: {bootstrap.servers: 'k:9092'}\ntopics: [events]\n"

static void load_well(const char *text)
{
    int status = load(text);

    if (status != 0)
        config_faults_print(&faults, stderr);
    cr_assert_eq(status, 0);
}

/* Loads `text` behind the minimum; the only fault must contain `fault` and stand at line:column. */
static void check_fault(const char *text, int line, int column, const char *fault)
{
    AUTO_FREE char *whole = xasprintf("%s%s", MINIMAL, text);

    cr_assert_neq(load(whole), 0);
    if (faults.count != 1 || strstr(faults.items[0].text, fault) == NULL)
        config_faults_print(&faults, stderr);
    cr_assert_eq(faults.count, 1);
    cr_assert_not_null(strstr(faults.items[0].text, fault));
    cr_assert_eq(faults.items[0].place.line, line, "line %d", faults.items[0].place.line);
    cr_assert_eq(faults.items[0].place.column, column, "column %d", faults.items[0].place.column);
}

TestSuite(config, .init = setup, .fini = teardown);

Test(config, has_the_documented_defaults)
{
    load_well(MINIMAL);
    cr_assert_str_eq(config_kafka(config, "group.id"), "stepd");
    cr_assert_str_eq(config->topics[0], "events");
    cr_assert_null(config->topics[1]);
    cr_assert_null(config->modules[0]);
    cr_assert_str_eq(config->redis.url, "redis://localhost:6379/0");
    cr_assert_eq(config->redis.durability_lag_ms, 2000);
    cr_assert_eq(config->worker.threads, 32);
    cr_assert_eq(config->worker.lease_ms, 5000);
    cr_assert_eq(config->retry.has_retries, false);
    cr_assert_eq(config->retry.schedule_count, 0);
    cr_assert_str_eq(config->dead_letter_topic, "%t.dead");
    cr_assert_eq(config->history, HISTORY_FAILURES);
    cr_assert_eq(config->dedupe_ms, 0);
    cr_assert_str_eq(config->http_listen, "127.0.0.1:8288");
}

Test(config, reads_every_kind_of_value)
{
    load_well("kafka: {bootstrap.servers: 'k:9092', group.id: mine, queued.min.messages: 5000}\n"
              "topics: [a, b]\n"
              "modules: [/usr/lib/x.so, near.so]\n"
              "retry: {retries: 0, schedule: [1s, 1m30s, 1.5h], jitter: 0}\n"
              "history: all\n"
              "limits: {event: 64KiB, state: 1MiB}\n"
              "log: {level: debug, format: json}\n"
              "redis: {url: 'redis+cluster://a,b'}\n");
    AUTO_FREE char *near = xasprintf("%s/near.so", folder);
    cr_assert_str_eq(config_kafka(config, "queued.min.messages"), "5000");
    cr_assert_str_eq(config_kafka(config, "group.id"), "mine");
    cr_assert_str_eq(config->modules[1], near);
    cr_assert_eq(config->retry.has_retries, true);
    cr_assert_eq(config->retry.has_jitter, true);
    cr_assert_eq(config->retry.retries, 0);
    cr_assert_eq(config->retry.schedule_count, 3);
    cr_assert_eq(config->retry.schedule_ms[1], 90000);
    cr_assert_eq(config->retry.schedule_ms[2], 5400000);
    cr_assert_eq(config->limits.event_bytes, 65536);
    cr_assert_eq(config->history, HISTORY_ALL);
    cr_assert_eq(config->log.level, LOG_LEVEL_DEBUG);
    cr_assert_eq(config->log.format, LOG_FORMAT_JSON);
    cr_assert_eq(config->redis.shards, 16);
}

Test(config, keeps_a_functions_own_settings_apart)
{
    load_well(MINIMAL "functions:\n"
                      "  click-recorder: {retries: 10, timeout: 30s, concurrency: 5, ordering: by_key}\n"
                      "  crm:\n"
                      "    use: http\n"
                      "    event: user/*\n"
                      "    url: https://x\n"
                      "    headers: {authorization: Bearer x}\n"
                      "    command: [a, b]\n"
                      "options: {examples: {smtp: 'localhost:25'}}\n");
    const struct config_function *function = config_function_find(config, "click-recorder");
    cr_assert_eq(function->retry.has_retries, true);
    cr_assert_eq(function->has_timeout, true);
    cr_assert_eq(function->has_concurrency, true);
    cr_assert_eq(function->has_ordering, true);
    cr_assert_eq(function->has_dedupe, false);
    cr_assert_eq(function->is_enabled, true);
    cr_assert_eq(function->retry.retries, 10);
    cr_assert_eq(function->timeout_ms, 30000);
    cr_assert_eq(function->ordering, STEPD_BY_KEY);
    cr_assert_eq(function->options.count, 0);
    function = config_function_find(config, "crm");
    cr_assert_str_eq(function->use, "http");
    cr_assert_eq(function->options.count, 3);
    const struct setting *url = setting_find(&function->options, "url");
    cr_assert_str_eq(url->text, "https://x");
    cr_assert_eq(url->place.line, 8);
    cr_assert_eq(url->place.column, 5);
    cr_assert_eq(url->value_place.column, 10);
    cr_assert_str_eq(setting_find(setting_find(&function->options, "headers"), "authorization")->text, "Bearer x");
    cr_assert_str_eq(setting_find(&function->options, "command")->items[1].text, "b");
    cr_assert_str_eq(setting_find(config_module_options(config, "examples"), "smtp")->text, "localhost:25");
    cr_assert_null(config_module_options(config, "other"));
}

Test(config, suggests_the_key_that_was_meant)
{
    check_fault("worker: {thraeds: 4}\n", 3, 10, "unknown key 'thraeds', did you mean 'threads'?");
}

Test(config, suggests_nothing_far_away)
{
    check_fault("zebra: 4\n", 3, 1, "unknown key 'zebra'");
    cr_assert_null(strstr(faults.items[0].text, "mean"));
}

Test(config, refuses_kafka_settings_that_delivery_hangs_on)
{
    cr_assert_neq(load("kafka: {bootstrap.servers: k, enable.auto.commit: true, enable.auto.offset.store: true,\n"
                       "  partition.assignment.strategy: range}\ntopics: [a]\n"),
                  0);
    cr_assert_eq(faults.count, 3);
    cr_assert_not_null(strstr(faults.items[0].text, "'enable.auto.commit' can't be set: stepd commits"));
    cr_assert_eq(faults.items[2].place.line, 2);
}

Test(config, collects_all_faults_at_once)
{
    cr_assert_neq(load("kafka: {}\nworker: {threads: 0, queue: many}\nretry: {schedule: [5]}\nhistory: some\nlog: 4\n"
                       "http: {listen: here}\nfunctions: {'a b': {event: x, topic: y}}\n"),
                  0);
    cr_assert_eq(faults.count, 10, "%zu faults", faults.count);
    AUTO_FREE char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    config_faults_print(&faults, out);
    (void)fclose(out);
    cr_assert_not_null(strstr(text, "stepd.yaml:2:19: error: 'threads' must be between 1 and 4096, not '0'\n"
                                    "    worker: {threads: 0, queue: many}\n"
                                    "                      ^\n"));
}

Test(config, refuses_a_duration_without_its_unit)
{
    check_fault("redis:\n  durability_lag: 5\n", 4, 19, "'durability_lag' must be a duration");
}

Test(config, refuses_a_topic_named_twice)
{
    cr_assert_neq(load("kafka: {bootstrap.servers: k}\ntopics: [events, orders, events]\n"), 0);
    cr_assert_eq(faults.count, 1);
    cr_assert_str_eq(faults.items[0].text, "'events' is named twice");
    cr_assert_eq(faults.items[0].place.column, 26);
}

Test(config, refuses_dead_letters_that_would_come_back)
{
    check_fault("dead_letter: {topic: events}\n", 3, 22, "dead letters would come back");
}

Test(config, refuses_dead_letters_for_what_is_no_topic)
{
    static const char wanted[] = "'topic' must be letters";

    check_fault("dead_letter: {topic: 'dead letters of %t'}\n", 3, 22, wanted);
    config_faults_done(&faults);
    check_fault("dead_letter: {topic: '%t.%d'}\n", 3, 22, wanted);
    config_faults_done(&faults);
    load_well(MINIMAL "dead_letter: {topic: 'dead.%t-%t'}\n");
}

Test(config, says_where_the_yaml_is_broken)
{
    cr_assert_neq(load("kafka: {bootstrap.servers: x\ntopics: [a]\n"), 0);
    cr_assert_geq(faults.count, 1);
    cr_assert_geq(faults.items[0].place.line, 1);
    cr_assert_not_null(faults.items[0].place.file);
}

Test(config, says_which_file_is_missing)
{
    cr_assert_neq(config_load("/nonexistent/stepd.yaml", &config, &faults), 0);
    cr_assert_eq(faults.count, 1);
    cr_assert_not_null(strstr(faults.items[0].text, "No such file"));
}

Test(config, merges_drop_ins_in_order_of_name)
{
    AUTO_FREE char *drop_ins = xasprintf("%s/conf.d", folder);
    cr_assert_eq(mkdir(drop_ins, 0700), 0);
    write_file("conf.d/10-a.yaml", "worker: {threads: 2}\ntopics: [x, y]\n");
    write_file("conf.d/20-b.yaml", "worker: {queue: 7}\ntopics: [z]\nfunctions: {f: {retries: 1}}\n");
    write_file("conf.d/ignored.txt", "nonsense: 1\n");
    load_well(MINIMAL "worker: {threads: 1, lease: 1s}\n");
    cr_assert_eq(config->worker.threads, 2);
    cr_assert_eq(config->worker.queue, 7);
    cr_assert_eq(config->worker.lease_ms, 1000);
    cr_assert_str_eq(config->topics[0], "z");
    cr_assert_null(config->topics[1]);
    cr_assert_eq(config->function_count, 1);
}

Test(config, names_the_drop_in_a_fault_is_in)
{
    AUTO_FREE char *drop_ins = xasprintf("%s/conf.d", folder);
    cr_assert_eq(mkdir(drop_ins, 0700), 0);
    write_file("conf.d/10-a.yaml", "\nworker: {threads: none}\n");
    check_fault("worker: {queue: 3}\n", 2, 19, "'threads' must be a whole number");
    cr_assert_not_null(strstr(faults.items[0].place.file, "conf.d/10-a.yaml"));
}

Test(config, expands_variables_and_credentials)
{
    (void)setenv("STEPD_TEST_HOST", "broker", 1);
    (void)setenv("CREDENTIALS_DIRECTORY", folder, 1);
    (void)unsetenv("STEPD_TEST_NONE");
    write_file("redis-password", "se: cret\n");
    load_well("kafka: {bootstrap.servers: \"${STEPD_TEST_HOST}:9092\", client.id: \"${STEPD_TEST_NONE:-me}\"}\n"
              "topics: [events]\n"
              "redis: {url: \"redis://u:${CREDENTIAL:redis-password}@h\", prefix: \"a$$b\"}\n"
              "options: {m: {template: \"$${x}\"}}\n");
    cr_assert_str_eq(config_kafka(config, "bootstrap.servers"), "broker:9092");
    cr_assert_str_eq(config_kafka(config, "client.id"), "me");
    cr_assert_str_eq(config->redis.url, "redis://u:se%3A%20cret@h");
    cr_assert_str_eq(config->redis.prefix, "a$$b");
    cr_assert_str_eq(setting_find(config_module_options(config, "m"), "template")->text, "${x}");
}

/* openssl rand -base64 makes slashes; a percent sign of a password is none of a URL's. */
Test(config, a_variable_in_the_login_of_a_url_stands_for_itself)
{
    static const struct {
        const char *raw, *url;
    } CASES[] = {
        { "redis://default:${STEPD_TEST_PASSWORD}@h:1/0", "redis://default:a%2Fb%40c%3Ad%2541%3F%23%5B@h:1/0" },
        { "rediss://:${STEPD_TEST_PASSWORD}@h", "rediss://:a%2Fb%40c%3Ad%2541%3F%23%5B@h" },
        { "unix://u:${STEPD_TEST_PASSWORD}@/run/${STEPD_TEST_USER}.sock", "unix://u:a%2Fb%40c%3Ad%2541%3F%23%5B@/run/m/e.sock" },
        { "redis+sentinel://${STEPD_TEST_USER}:${STEPD_TEST_PASSWORD}@h,g/${STEPD_TEST_USER}",
          "redis+sentinel://m%2Fe:a%2Fb%40c%3Ad%2541%3F%23%5B@h,g/m/e" },
        { "redis+cluster://u:x${STEPD_TEST_NONE:-p/q}@h", "redis+cluster://u:xp%2Fq@h" },
        { "redis://${STEPD_TEST_LOGIN}@h", "redis://u:p%2Fq@h" },
        { "redis://${STEPD_TEST_USER}", "redis://m/e" },
        { "${STEPD_TEST_URL}", "redis://u:p%2Fq@h" },
    };

    (void)setenv("STEPD_TEST_PASSWORD", "a/b@c:d%41?#[", 1);
    (void)setenv("STEPD_TEST_USER", "m/e", 1);
    (void)setenv("STEPD_TEST_LOGIN", "u:p/q", 1);
    (void)setenv("STEPD_TEST_URL", "redis://u:p%2Fq@h", 1);
    (void)unsetenv("STEPD_TEST_NONE");
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        AUTO_FREE char *text = xasprintf(MINIMAL "redis: {url: \"%s\"}\n", CASES[i].raw);
        load_well(text);
        cr_expect_str_eq(config->redis.url, CASES[i].url);
        config_destroy(config);
        config = NULL;
    }
    load_well("kafka: {bootstrap.servers: b, sasl.password: \"${STEPD_TEST_PASSWORD}\"}\ntopics: [events]\n");
    cr_expect_str_eq(config_kafka(config, "sasl.password"), "a/b@c:d%41?#[");
}

Test(config, says_which_variable_is_missing)
{
    (void)unsetenv("STEPD_TEST_NONE");
    check_fault("redis: {url: \"${STEPD_TEST_NONE}\"}\n", 3, 14, "the environment has no STEPD_TEST_NONE");
}

Test(config, a_missing_variable_hides_no_other_fault_and_makes_none)
{
    (void)unsetenv("STEPD_TEST_NONE");
    cr_assert_neq(load(MINIMAL "worker: {threads: \"${STEPD_TEST_NONE}\", thraeds: 1}\n"
                               "retry: {schedule: [1s, \"${STEPD_TEST_NONE}\"]}\n"
                               "http: {listen: nowhere}\n"),
                  0);
    cr_assert_eq(faults.count, 4);
}

Test(config, comes_with_its_faults_to_who_looks_for_more)
{
    AUTO_FREE char *path = xasprintf("%s/stepd.yaml", folder);

    write_file("stepd.yaml", MINIMAL "worker: {threads: none}\nmodules: [a.so]\n");
    config = config_load_to_check(path, &faults);
    cr_assert_eq(faults.count, 1);
    cr_assert_eq(config->worker.threads, 32);
    cr_assert_not_null(config->modules[0]);
    write_file("stepd.yaml", "topics: [a\n");
    cr_assert_null(config_load_to_check(path, &faults));
    cr_assert_gt(faults.count, 1);
}

Test(config, who_only_looks_may_lack_variables_and_credentials)
{
    AUTO_FREE char *path = xasprintf("%s/stepd.yaml", folder);

    (void)unsetenv("STEPD_TEST_NONE");
    (void)unsetenv("CREDENTIALS_DIRECTORY");
    write_file("stepd.yaml",
               MINIMAL "functions: {crm: {use: http, event: e, token: \"${STEPD_TEST_NONE}\", secret: \"${CREDENTIAL:crm}\"}}\n");
    cr_assert_eq(config_load_to_look(path, &config, &faults), 0);
    cr_assert_str_eq(setting_find(&config_function_find(config, "crm")->options, "token")->text, "");
    config_destroy(config);
    config = NULL;
    cr_assert_eq(config_load(path, &config, &faults), -EINVAL);
    cr_assert_eq(faults.count, 2);
    config_faults_done(&faults);
    write_file("stepd.yaml", MINIMAL "redis: {url: \"${STEPD_TEST_NONE}\"}\n");
    cr_assert_eq(config_load_to_look(path, &config, &faults), -EINVAL);
    cr_assert_eq(faults.count, 1);
}

Test(config, reads_the_default_config_to_the_defaults)
{
    cr_assert_eq(config_load(STEPD_CONFIG_FILE, &config, &faults), 0);
    struct config *shipped = config;
    config = NULL;
    load_well(MINIMAL);
    cr_assert_str_eq(shipped->worker.journal, config->worker.journal);
    config->worker.journal = shipped->worker.journal;
    cr_assert_eq(memcmp(&shipped->worker, &config->worker, sizeof(config->worker)), 0);
    cr_assert_eq(memcmp(&shipped->limits, &config->limits, sizeof(config->limits)), 0);
    cr_assert_str_eq(shipped->redis.url, config->redis.url);
    cr_assert_eq(shipped->redis.durability_lag_ms, config->redis.durability_lag_ms);
    cr_assert_eq(shipped->redis.timeout_ms, config->redis.timeout_ms);
    cr_assert_eq(shipped->history_age_ms, config->history_age_ms);
    cr_assert_eq(shipped->history_limit, config->history_limit);
    cr_assert_eq(shipped->commit_interval_ms, config->commit_interval_ms);
    cr_assert_str_eq(shipped->http_listen, config->http_listen);
    cr_assert_eq(shipped->retry.has_retries, false);
    config_destroy(shipped);
}

Test(config, refuses_what_is_not_utf8_where_it_stands)
{
    check_fault("history: \xc9t\xe9\n", 3, 10, "not UTF-8");
}

Test(config, a_directive_that_is_not_utf8_ends)
{
    cr_assert_neq(load("%rredis  \xc9"
                       "epd\nlog: {level: info}\n"),
                  0);
}

Test(config, refuses_a_key_given_twice)
{
    check_fault("worker: {threads: 4,\n  threads: 5}\n", 4, 3, "duplicate key");
}

Test(config, takes_empty_sections)
{
    load_well(MINIMAL "redis:\nworker: {}\nfunctions:\noptions: ~\nmodules:\n");
    cr_assert_eq(config->function_count, 0);
    cr_assert_null(config->options);
}

Test(config, takes_files_of_nothing_but_comments)
{
    AUTO_FREE char *path = xasprintf("%s/conf.d", folder);

    cr_assert_eq(mkdir(path, 0777), 0);
    write_file("conf.d/10-none.yaml", "");
    write_file("conf.d/20-comments.yaml", "# history: all\n");
    write_file("conf.d/30-said.yaml", "---\nhistory: none\n...\n");
    load_well(MINIMAL);
    cr_assert_eq(config->history, HISTORY_NONE);
}

Test(config, refuses_a_second_document)
{
    check_fault("---\nhistory: all\n", 3, 1, "a second document begins");
    config_faults_done(&faults);
    cr_assert_neq(load(MINIMAL "---\nhistory: [\n"), 0);
}

Test(config, follows_aliases_but_not_in_circles)
{
    load_well(MINIMAL "functions: {a: &a {retries: 2}, b: *a}\n");
    cr_assert_eq(config_function_find(config, "b")->retry.retries, 2);
    config_destroy(config);
    config = NULL;
    check_fault("options: {m: &m {x: *m}}\n", 3, 18, "more than 32 levels of settings");
    config_faults_done(&faults);
    check_fault("options: {m: &m {x: *m, y: *m}}\n", 3, 18, "more than 32 levels of settings"); /* not 2^32 times */
}

Test(config, merges_texts_as_drop_ins)
{
    const char *const texts[] = {
        "kafka: {bootstrap.servers: a}\ntopics: [events]\nretry: {retries: 3, jitter: 0}",
        "retry: {retries: 7}",
    };

    cr_assert_eq(config_parse("a text", texts, 2, &config, &faults), 0);
    cr_assert_eq(config->retry.retries, 7);
    cr_assert(config->retry.has_jitter);
    cr_assert_eq(config->retry.jitter_ms, 0);
}

/* ---- secrets ---------------------------------------------------------------------------------- */

/* All that is said of the faults. */
static char *faults_said(void)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    config_faults_print(&faults, out);
    (void)fclose(out);
    return text;
}

Test(config, never_shows_a_secret_in_a_fault)
{
    static const char *const secrets[] = {
        "redis: {timeout: 'redis://me:hunter2@h', url: ''}\n", "worker: {threads: '${HUNTER}'}\n",
        "worker:\n  threads: no  # password hunter2\n",        "log: {level: '${CREDENTIAL:hunter}'}\n",
        "functions: {f: {secret: hunter2, retries: many}}\n",
    };
    AUTO_FREE char *credential = xasprintf("%s/hunter", folder);
    FILE *file = fopen(credential, "w");

    cr_assert_not_null(file);
    (void)fputs("hunter2\n", file);
    (void)fclose(file);
    (void)setenv("CREDENTIALS_DIRECTORY", folder, 1);
    (void)setenv("HUNTER", "hunter2", 1);
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        AUTO_FREE char *whole = xasprintf("%s%s", MINIMAL, secrets[i]);
        cr_assert_neq(load(whole), 0, "%s", whole);
        AUTO_FREE char *said = faults_said();
        cr_assert_null(strstr(said, "hunter2"), "%s", said);
        config_faults_done(&faults);
    }
}

/* An option whose value is in `lists` lists. */
static int load_nested(int lists)
{
    char open[40] = "", close[40] = "";

    (void)memset(open, '[', (size_t)lists);
    (void)memset(close, ']', (size_t)lists);
    AUTO_FREE char *text = xasprintf("%soptions: {m: {a: %s1%s}}\n", MINIMAL, open, close);
    return load(text);
}

Test(config, nests_32_levels_and_no_more)
{
    cr_assert_eq(load_nested(29), 0); /* below options and m, above 1 */
    config_destroy(config);
    config = NULL;
    cr_assert_neq(load_nested(30), 0);
    AUTO_FREE char *said = faults_said();
    cr_assert_not_null(strstr(said, "more than 32 levels of settings"), "%s", said);
}

Test(config, reads_no_file_larger_than_16_MiB)
{
    AUTO_FREE char *path = xasprintf("%s/stepd.yaml", folder);

    write_file("stepd.yaml", MINIMAL);
    cr_assert_eq(truncate(path, (16 << 20) + 1), 0);
    cr_assert_neq(config_load(path, &config, &faults), 0);
    AUTO_FREE char *said = faults_said();
    cr_assert_not_null(strstr(said, "can't be read: File too large"), "%s", said);
}

Test(config, bounds_what_aliases_of_aliases_make)
{
    char text[1024] = "options:\n  m: {a0: &a0 [x,x,x,x,x,x,x,x,x,x]";

    for (int i = 1; i < 8; i++) {
        AUTO_FREE char *next = xasprintf(", a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]", i, i, i - 1, i - 1, i - 1, i - 1,
                                         i - 1, i - 1, i - 1, i - 1, i - 1);
        (void)strncat(text, next, sizeof(text) - strlen(text) - 1);
    }
    (void)strncat(text, "}\n", sizeof(text) - strlen(text) - 1);
    AUTO_FREE char *whole = xasprintf("%s%s", MINIMAL, text);
    cr_assert_neq(load(whole), 0);
    AUTO_FREE char *said = faults_said();
    cr_assert_not_null(strstr(said, "more than 200000 settings"), "%s", said);
}

Test(config, schema_registry_is_off_without_its_section)
{
    load_well(MINIMAL);
    cr_assert_not(config->schema_registry.is_on);
    cr_assert(config->schema_registry.verifies);
}

Test(config, schema_registry_names_where_who_and_whose_values)
{
    load_well(MINIMAL "schema_registry: {url: 'https://r:8081/', user: me, password: 'p:@', topics: ['shop.*', orders], ca_file: ca.pem,"
                      " certificate: /c.pem, private_key: k.pem, verify: false}\n");
    AUTO_FREE char *authority = xasprintf("%s/ca.pem", folder);
    cr_assert(config->schema_registry.is_on);
    cr_assert_str_eq(config->schema_registry.url, "https://r:8081");
    cr_assert_str_eq(config->schema_registry.user, "me");
    cr_assert_str_eq(config->schema_registry.password, "p:@");
    cr_assert_str_eq(config->schema_registry.topics[0], "shop.*");
    cr_assert_null(config->schema_registry.topics[2]);
    cr_assert_str_eq(config->schema_registry.ca_file, authority);
    cr_assert_str_eq(config->schema_registry.certificate, "/c.pem");
    cr_assert_not(config->schema_registry.verifies);
}

Test(config, schema_registry_without_a_url_is_refused)
{
    check_fault("schema_registry: {user: me}\n", 3, 1, "schema_registry has no 'url'");
}

Test(config, schema_registry_refuses_a_url_with_a_user)
{
    check_fault("schema_registry: {url: 'https://me:pw@r'}\n", 3, 24, "'user' and 'password' are keys of their own");
}

Test(config, schema_registry_refuses_what_is_no_url)
{
    check_fault("schema_registry: {url: 'r:8081'}\n", 3, 24, "'url' must be one such as");
}

Test(config, schema_registry_refuses_keys_that_it_has_not)
{
    check_fault("schema_registry: {url: 'http://r', usr: me}\n", 3, 36, "usr");
}

Test(config, schema_registry_refuses_a_password_without_a_user)
{
    check_fault("schema_registry: {url: 'http://r', password: x}\n", 3, 1, "a 'password' and no 'user'");
}

Test(config, schema_registry_refuses_a_user_with_a_colon)
{
    check_fault("schema_registry: {url: 'http://r', user: 'me:pw'}\n", 3, 42, "'user' can't have a ':'");
}

Test(config, schema_registry_refuses_an_empty_pattern)
{
    check_fault("schema_registry: {url: 'http://r', topics: ['']}\n", 3, 45, "'topics' has an empty entry");
}

Test(config, redact_refuses_an_empty_pattern)
{
    check_fault("redact: [cookie, '']\n", 3, 18, "'redact' has an empty entry");
}

Test(config, schema_registry_refuses_half_a_certificate)
{
    check_fault("schema_registry: {url: 'http://r', certificate: c.pem}\n", 3, 1, "they go together");
}

Test(config, schema_registry_refuses_topics_that_are_no_list)
{
    check_fault("schema_registry: {url: 'http://r', topics: shop}\n", 3, 44, "'topics' must be a list");
}
