/* SPDX-License-Identifier: Apache-2.0 */
/* What is set up in a way that loses runs or time, said with its remedy. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "crash/journal_place.h"
#include "ctl/absent.h"
#include "ctl/command.h"
#include "ctl/doctor.h"
#include "ctl/find.h"
#include "ctl/text.h"
#include "program/programs.h"
#include "registry/client.h"
#include "service/proxy.h"
#include "store/health.h"
#include "store/operations.h"
#include "store/orphans.h"
#include "store/runs.h"
#include "store/shelf.h"
#include "view/json_out.h"
#include "view/store_config.h"

void findings_add(struct findings *findings, enum severity severity, const char *about, const char *remedy, const char *format, ...)
{
    va_list arguments;

    assert(severity == SEVERITY_OK || remedy[0] != '\0');
    va_start(arguments, format);
    char *text = xvasprintf(format, arguments);
    va_end(arguments);
    findings->items = xrealloc(findings->items, (findings->count + 1) * sizeof(*findings->items));
    findings->items[findings->count++] = (struct finding){ severity, about, text, xstrdup(severity == SEVERITY_OK ? "" : remedy) };
}

/* ---- the schema registry ------------------------------------------------------------------------ */

static void say_registry(struct findings *findings, const struct config *config, long status)
{
    const char *user = config->schema_registry.user != NULL ? config->schema_registry.user : "(none)";

    if (status == 200)
        findings_add(findings, SEVERITY_OK, "schema_registry", "", "%s answers user %s", config->schema_registry.url, user);
    else if (status == 401 || status == 403)
        findings_add(findings, SEVERITY_FAULT, "schema_registry",
                     "set schema_registry.user and .password to one that may read: what needs a schema waits until then",
                     "%s refuses user %s (%ld)", config->schema_registry.url, user, status);
    else
        findings_add(findings, SEVERITY_FAULT, "schema_registry",
                     "schema_registry.url is where /subjects and /schemas/ids/ are; Apicurio has them under /apis/ccompat/v7",
                     "%s answers %ld when it is asked for its subjects", config->schema_registry.url, status);
}

static void check_registry(struct findings *findings, const struct config *config)
{
    if (!config->schema_registry.is_on)
        return;
    const struct registry_address address = registry_address_of(config);
    struct registry_client *client = registry_client_create(&address, NULL);
    struct registry_reply reply;
    struct error error;

    if (registry_client_get(client, "/subjects", &reply, &error) == 0)
        say_registry(findings, config, reply.status);
    else
        findings_add(findings, SEVERITY_FAULT, "schema_registry",
                     "is it up, and is schema_registry.url right? Partitions whose schemas are not known wait until then",
                     "%s can't be reached: %s", config->schema_registry.url, error.text);
    registry_client_destroy(client);
}

/* ---- Redis -------------------------------------------------------------------------------------- */

static void check_persistence(struct findings *findings, const struct store_health *health)
{
    if (health->has_append_only_file)
        findings_add(findings, SEVERITY_OK, "redis", "", "append-only file: on");
    else
        findings_add(findings, SEVERITY_FAULT, "redis", "set `appendonly yes` (stepd's own redis.conf does)",
                     "append-only file: off; a restart of Redis forgets every waiting run whose offset is committed");
    if (health->append_status[0] != '\0' && strcmp(health->append_status, "ok") != 0)
        findings_add(findings, SEVERITY_FAULT, "redis", "see Redis's log, and its disk", "the append-only file can't be written: %s",
                     health->append_status);
}

static void check_eviction(struct findings *findings, const struct store_health *health)
{
    if (health->eviction[0] == '\0' || strcmp(health->eviction, "noeviction") == 0)
        findings_add(findings, SEVERITY_OK, "redis", "", "eviction: none");
    else
        findings_add(findings, SEVERITY_FAULT, "redis", "set `maxmemory-policy noeviction`",
                     "eviction: %s; when memory is short Redis throws runs away", health->eviction);
}

static void check_listpack(struct findings *findings, const char *name, long value)
{
    if (value < 0)
        return;
    if (value >= 512)
        findings_add(findings, SEVERITY_OK, "redis", "", "%s: %ld", name, value);
    else {
        AUTO_FREE char *remedy = xasprintf("set `%s 512`", name);
        findings_add(findings, SEVERITY_WARNING, "redis", remedy, "%s: %ld; a run with steps takes several times the memory", name, value);
    }
}

static void check_settings(struct findings *findings, struct redis_store *store)
{
    struct store_health health;

    if (store_health(store, &health) != 0)
        return;
    findings_add(findings, SEVERITY_OK, "redis", "", "%s %s answers", health.product,
                 health.version[0] != '\0' ? health.version : "(of unknown version)");
    check_persistence(findings, &health);
    check_eviction(findings, &health);
    check_listpack(findings, "zset-max-listpack-value", health.zset_listpack_value);
    check_listpack(findings, "hash-max-listpack-value", health.hash_listpack_value);
}

static void check_workers(struct findings *findings, struct redis_store *store)
{
    struct runs_stats stats;
    int64_t alive = 0;

    if (runs_stats(store, &stats) != 0 || store_workers_alive(store, 0, &alive) != 0)
        return;
    const uint64_t waiting = stats.delayed + stats.queued + stats.waiting;
    if (alive == 0)
        findings_add(findings, SEVERITY_WARNING, "runs", "start stepd", "no daemon is alive; %" PRIu64 " run%s", waiting,
                     waiting == 1 ? " waits" : "s wait");
    else
        findings_add(findings, SEVERITY_OK, "runs", "", "%" PRId64 " daemon%s alive, %" PRIu64 " run%s", alive,
                     alive == 1 ? " is" : "s are", waiting, waiting == 1 ? " waits" : "s wait");
    int64_t late_ms = store_now_ms(store) - stats.next_due_ms;
    if (alive > 0 && stats.next_due_ms > 0 && late_ms > 10000) {
        AUTO_FREE char *late = text_duration(late_ms);
        findings_add(findings, SEVERITY_WARNING, "runs", "more workers (worker.threads) or more daemons",
                     "the run that has waited longest past its time has done so for %s", late);
    }
}

static void check_orphans(struct findings *findings, struct redis_store *store)
{
    struct orphans orphans;

    if (orphans_find(store, &orphans) != 0)
        return;
    if (orphans.count == 0)
        findings_add(findings, SEVERITY_OK, "runs", "", "%zu run%s looked at%s, none is in no list", orphans.looked_at,
                     orphans.looked_at == 1 ? "" : "s", orphans.is_whole ? "" : " (of more)");
    else
        findings_add(findings, SEVERITY_WARNING, "runs", "the daemon's sweep makes them due; if they are there again in an hour, report it",
                     "%zu of %zu runs stand in no list, the first is %s", orphans.count, orphans.looked_at, orphans.first.text);
}

static void add_absent(void *context, const char *url, const char *reason)
{
    findings_add(context, SEVERITY_WARNING, "apps", "a daemon asks it again every five seconds", "app %s does not register: %s", url,
                 reason);
}

static void add_silent_program(void *context, const char *name, struct bytes why)
{
    if (why.size > 0)
        findings_add(context, SEVERITY_WARNING, "programs", "its events and due runs wait; the daemon starts it again",
                     "program %s does not serve: %.*s", name, (int)why.size, (const char *)why.data);
}

/* Why the store did not start: what access rules lack is said in full. */
static void add_no_redis(struct findings *findings, const struct config *config, int status, const char *why)
{
    const struct store_settings settings = store_settings_of(config);
    AUTO_FREE char *missing = status == -EACCES ? store_rights_missing(&settings) : xstrdup("");

    if (missing[0] != '\0') {
        AUTO_FREE char *remedy = xasprintf("ACL SETUSER with the user of redis.url, and: %s", missing);
        findings_add(findings, SEVERITY_FAULT, "redis", remedy, "its access rules keep from stepd's user what stepd needs");
    } else {
        AUTO_FREE char *remedy = status == -EACCES ? xasprintf("it answers: change redis.url of %s, or what it allows", config->path)
                                                   : xasprintf("is Redis up at redis.url of %s?", config->path);
        findings_add(findings, SEVERITY_FAULT, "redis", remedy, "%s", why);
    }
}

static void add_paused(void *context, const char *function, struct bytes who)
{
    if (strcmp(function, PAUSED_ALL) == 0) {
        findings_add(context, SEVERITY_WARNING, "functions", "`stepctl resume --all` once they may go on",
                     "all functions are paused, by %.*s: events stay in Kafka, runs wait", (int)who.size, (const char *)who.data);
        return;
    }
    AUTO_FREE char *remedy = xasprintf("`stepctl resume %s` once it may go on", function);

    findings_add(context, SEVERITY_WARNING, "functions", remedy, "function %s is paused, by %.*s: its runs wait", function, (int)who.size,
                 (const char *)who.data);
}

/* What is paused, as far as it is asked for. */
struct paused {
    const char *function;
    bool is_there;
};

static void look_for_pause(void *context, const char *function, struct bytes who)
{
    struct paused *paused = context;

    (void)who;
    paused->is_there |= strcmp(function, paused->function) == 0;
}

/* Functions with as many queued runs as they may have: their events' partitions stop. */
static void check_queues(struct findings *findings, const struct ctl *ctl)
{
    const int64_t least_most = ctl->config->pause_most < ctl->config->flow_most ? ctl->config->pause_most : ctl->config->flow_most;
    struct queued_list queued;

    if (runs_queued(ctl->store, NULL, &queued) != 0)
        return;
    for (size_t i = 0; i < queued.count; i++) {
        const struct queued_runs *of = &queued.items[i];
        struct paused paused = { .function = of->function };
        if (of->count < (uint64_t)least_most)
            continue;
        (void)!shelf_load(ctl->store, PAUSED_SHELF, look_for_pause, &paused);
        int64_t most = paused.is_there ? ctl->config->pause_most : ctl->config->flow_most;
        if (of->count < (uint64_t)most)
            continue;
        AUTO_FREE char *remedy = paused.is_there ? xasprintf("`stepctl resume %s`, or a larger pause.most", of->function)
                                                 : xasprintf("a wider limit or more daemons for %s, or a larger flow.most", of->function);
        findings_add(findings, SEVERITY_WARNING, "functions", remedy,
                     "function %s has %" PRIu64 " runs queued, and %s is %" PRId64
                     ": partitions that bring more stop, for all their functions",
                     of->function, of->count, paused.is_there ? "pause.most" : "flow.most", most);
    }
    queued_list_done(&queued);
}

static void check_redis(struct findings *findings, struct ctl *ctl)
{
    struct error error = { 0 };
    int status = ctl_try_store(ctl, &error);

    if (status != 0) {
        add_no_redis(findings, ctl->config, status, error.text);
        findings->is_unreachable |= status == -EAGAIN;
        return;
    }
    check_settings(findings, ctl->store);
    check_workers(findings, ctl->store);
    check_orphans(findings, ctl->store);
    if (ctl->config->program_count > 0)
        (void)!shelf_load(ctl->store, PROGRAMS_TROUBLE_SHELF, add_silent_program, findings);
    absent_each(ctl->store, ctl->config, add_absent, findings);
    (void)!shelf_load(ctl->store, PAUSED_SHELF, add_paused, findings);
    check_queues(findings, ctl);
}

/* ---- this machine ------------------------------------------------------------------------------- */

/* As a daemon of this user, on this machine, would have it. */
static void check_journal(struct findings *findings, const struct config *config)
{
    AUTO_FREE char *path = journal_place(&(struct journal_owner){ config->path, config_kafka(config, "group.id"), config->worker.journal });
    AUTO_FREE char *copy = xstrdup_or_null(path);

    if (path != NULL && access(dirname(copy), W_OK | X_OK) == 0)
        findings_add(findings, SEVERITY_OK, "journal", "", "the crash journal is %s", path);
    else
        findings_add(findings, SEVERITY_WARNING, "journal",
                     "name a file that the daemon can write as worker.journal, or give it a $STATE_DIRECTORY",
                     "the crash journal %s%scan't be written by this user; for a daemon that runs so, " JOURNAL_MISSING,
                     path != NULL ? path : "", path != NULL ? " " : "");
}

/* ---- all of it ---------------------------------------------------------------------------------- */

static const char *const WORDS[] = { [SEVERITY_OK] = "ok", [SEVERITY_WARNING] = "warning", [SEVERITY_FAULT] = "fault" };

static void print_json(const struct findings *findings, bool is_well)
{
    struct json_out out;

    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_bool(&out, "ok", is_well);
    json_out_open(&out, "checks", '[');
    for (size_t i = 0; i < findings->count; i++) {
        json_out_open(&out, NULL, '{');
        json_out_text(&out, "verdict", WORDS[findings->items[i].severity]);
        json_out_text(&out, "about", findings->items[i].about);
        json_out_text(&out, "text", findings->items[i].text);
        json_out_text(&out, "remedy", findings->items[i].remedy[0] != '\0' ? findings->items[i].remedy : NULL);
        json_out_close(&out, '{');
    }
    json_out_close(&out, '[');
    json_out_close(&out, '{');
    json_out_print(&out);
}

static void print_lines(const struct findings *findings)
{
    static const enum colour COLOURS[] = {
        [SEVERITY_OK] = COLOUR_GREEN, [SEVERITY_WARNING] = COLOUR_YELLOW, [SEVERITY_FAULT] = COLOUR_RED
    };

    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];
        assert((size_t)finding->severity < COUNT_OF(WORDS));
        text_print(COLOURS[finding->severity], WORDS[finding->severity]);
        (void)printf("%*s%-7s ", (int)(9 - strlen(WORDS[finding->severity])), "", finding->about);
        text_print(COLOUR_NONE, finding->text);
        (void)putchar('\n');
        if (finding->remedy[0] != '\0')
            (void)printf("%17s-> %s\n", "", finding->remedy);
    }
}

static void findings_done(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        free(findings->items[i].text);
        free(findings->items[i].remedy);
    }
    free(findings->items);
}

static enum ctl_exit run(struct ctl *ctl)
{
    struct findings findings = { 0 };
    bool is_well = true;

    enum ctl_exit status = ctl_load_config(ctl);
    if (status != CTL_OK)
        return status;
    proxy_spare_loopback();
    findings_add(&findings, SEVERITY_OK, "config", "", "%s can be read", ctl->config->path);
    doctor_check_kafka(&findings, ctl->config);
    check_registry(&findings, ctl->config);
    check_redis(&findings, ctl);
    check_journal(&findings, ctl->config);
    for (size_t i = 0; i < findings.count; i++)
        is_well &= findings.items[i].severity != SEVERITY_FAULT;
    if (ctl->is_json)
        print_json(&findings, is_well);
    else
        print_lines(&findings);
    bool is_unreachable = findings.is_unreachable;
    findings_done(&findings);
    return is_well ? CTL_OK : is_unreachable ? CTL_UNREACHABLE : CTL_FAILED;
}

const struct command COMMAND_DOCTOR = {
    .name = "doctor",
    .arguments = "",
    .summary = "what is set up wrong, with its remedy",
    .help = "Looks at the config, at Kafka and its topics, at the schema registry, at Redis's access rules, persistence, eviction and "
            "memory settings, for runs\n"
            "that stand in no list, and for the place of the crash journal. Changes nothing. Exit status 0: no fault (there may be "
            "warnings).\n\n"
            "  stepctl doctor\n"
            "  stepctl --json doctor | jq '.checks[] | select(.severity != \"ok\")'",
    .run = run,
};
