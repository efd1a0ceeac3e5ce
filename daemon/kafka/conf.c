/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/conf.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/log.h"
#include "kafka/protocol.h"

/*
 * Lost connections are said once, in plain words, by who notices that nothing works (FAIL and ERROR
 * repeat them for each broker and try); settings of the other kind of client are given to both.
 */
static bool is_noise(const char *facility)
{
    static const char *const noise[] = { "FAIL", "ERROR", "CONFWARN", "MAXPOLL", "SESSTMOUT" };

    for (size_t i = 0; i < COUNT_OF(noise); i++) {
        if (strcmp(facility, noise[i]) == 0)
            return true;
    }
    return false;
}

/* Runs on: librdkafka's threads. `level` is syslog's. */
static void on_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    (void)handle;
    if (level >= 7 || is_noise(facility))
        log_debug("librdkafka: %s: %s", facility, text);
    else if (level >= 5)
        log_info("librdkafka: %s: %s", facility, text);
    else if (level == 4)
        log_warn("librdkafka: %s: %s", facility, text);
    else
        log_error("librdkafka: %s: %s", facility, text);
}

static int set_one(rd_kafka_conf_t *conf, const struct setting *setting, struct error *ret_error)
{
    char why[150];

    if (setting->kind != SETTING_SCALAR)
        return error_set(ret_error, EINVAL, "kafka: %s: wants one value", setting->name);
    if (rd_kafka_conf_set(conf, setting->name, setting->text, why, sizeof(why)) != RD_KAFKA_CONF_OK)
        return error_set(ret_error, EINVAL, "kafka: %s", why);
    return 0;
}

/* ---- what is wrong ------------------------------------------------------------------------------- */

/* Of all that librdkafka knows (a dump has only what has a value, a table has all); NULL: none is near. */
static char *suggest(const char *name)
{
    AUTO_FREE char *table = NULL;
    size_t size;
    FILE *out = open_memstream(&table, &size);
    AUTO_FREE const char **names = NULL;
    size_t count = 0;
    char *rest = NULL;

    if (out == NULL)
        abort();
    rd_kafka_conf_properties_show(out);
    if (fclose(out) != 0)
        abort();
    for (char *line = strtok_r(table, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        line[strcspn(line, " ")] = '\0'; /* name | C/P | range | … */
        if (!islower((unsigned char)line[0]) || strchr(line, '_') != NULL)
            continue; /* a heading; a callback */
        names = xrealloc(names, (count + 1) * sizeof(*names));
        names[count++] = line;
    }
    return xstrdup_or_null(config_suggest(name, names, count));
}

static void fault_unknown(const struct setting *setting, struct config_faults *faults)
{
    AUTO_FREE char *meant = suggest(setting->name);

    config_faults_add(faults, &setting->place, "librdkafka has no setting '%s'%s%s%s", setting->name,
                      meant != NULL ? ", did you mean '" : "", meant != NULL ? meant : "", meant != NULL ? "'?" : "");
}

void conf_check(const struct setting *kafka, struct config_faults *faults)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    for (size_t i = 0; i < kafka->count; i++) {
        const struct setting *setting = &kafka->items[i];
        if (setting->kind != SETTING_SCALAR || protocol_has(setting->name))
            continue; /* the config's reader says so; the protocol's check */
        rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, setting->name, setting->text, NULL, 0);
        if (result == RD_KAFKA_CONF_UNKNOWN)
            fault_unknown(setting, faults);
        else if (result != RD_KAFKA_CONF_OK)
            config_faults_add(faults, &setting->value_place, "librdkafka does not take '%s' for '%s'", setting_shown(setting),
                              setting->name);
    }
    rd_kafka_conf_destroy(conf);
    protocol_check(kafka, rd_kafka_version(), faults);
}

/* ---- what is right ------------------------------------------------------------------------------- */

int conf_create(const struct setting *kafka, rd_kafka_conf_t **ret_conf, struct error *ret_error)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    for (size_t i = 0; i < kafka->count; i++) {
        int failed = protocol_has(kafka->items[i].name) ? 0 : set_one(conf, &kafka->items[i], ret_error);
        if (failed != 0) {
            rd_kafka_conf_destroy(conf);
            return failed;
        }
    }
    conf_default(conf, kafka, "client.id", "stepd");
    rd_kafka_conf_set_log_cb(conf, on_log);
    *ret_conf = conf;
    return 0;
}

const struct setting *conf_named(const struct setting *kafka, const char *reason)
{
    const struct setting *named = NULL;
    const char *first = NULL;

    for (size_t i = 0; i < kafka->count; i++) {
        const char *at = strstr(reason, kafka->items[i].name);
        if (at != NULL && (first == NULL || at < first || (at == first && strlen(kafka->items[i].name) > strlen(named->name)))) {
            named = &kafka->items[i];
            first = at;
        }
    }
    return named;
}

void conf_default(rd_kafka_conf_t *conf, const struct setting *kafka, const char *name, const char *value)
{
    if (setting_find(kafka, name) == NULL)
        (void)rd_kafka_conf_set(conf, name, value, NULL, 0);
}

void conf_force(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[150];

    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK) {
        log_error("librdkafka refuses %s=%s: %s", name, value, why);
        abort();
    }
}

const char *conf_text(const struct setting *kafka, const char *name, const char *otherwise)
{
    const struct setting *setting = setting_find(kafka, name);

    return setting != NULL && setting->kind == SETTING_SCALAR ? setting->text : otherwise;
}
