/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl/absent.h"
#include "ctl/catalog.h"
#include "ctl/command.h"
#include "ctl/text.h"
#include "view/function_view.h"
#include "view/json_out.h"

static void print_json(const struct catalog *functions)
{
    struct json_out out;

    json_out_init(&out);
    json_out_open(&out, NULL, '[');
    for (size_t i = 0; i < functions->count; i++) {
        const struct function *function = functions->items[i];
        json_out_open(&out, NULL, '{');
        json_out_text(&out, "id", function->id);
        json_out_text(&out, "event", function_has_events_alone(function) ? NULL : function->event);
        json_out_text(&out, "topic", function->topic);
        json_out_text(&out, "module", function->module->declared->name);
        json_out_text(&out, "path", function->module->path);
        function_view_settings(&out, function);
        json_out_close(&out, '{');
    }
    json_out_close(&out, '[');
    json_out_print(&out);
}

/* What is not as it is by default. */
static char *notes(const struct function *function)
{
    AUTO_FREE char *timeout = text_duration(function->timeout_ms);
    AUTO_FREE char *dedupe = text_duration(function->dedupe_ms);
    AUTO_FREE char *first = function->timeout_ms > 0 ? xasprintf("timeout %s  ", timeout) : xstrdup("");
    AUTO_FREE char *second = function->concurrency > 0 ? xasprintf("at most %d at once  ", function->concurrency) : xstrdup("");
    AUTO_FREE char *third = function->dedupe_ms > 0 ? xasprintf("dedupe %s  ", dedupe) : xstrdup("");

    AUTO_FREE char *flow = function_view_flow(function);

    return xasprintf("%s%s%s%s%s%s", function->ordering == STEPD_BY_KEY ? "ordered by key  " : "", first, second, third,
                     function->on_failure != NULL ? "on_failure  " : "", flow);
}

static void print_table(const struct catalog *functions)
{
    static const char *const HEAD[] = { "FUNCTION", "STARTED BY", "MODULE", "RETRIES", "" };
    struct table *table = table_create(5);

    for (size_t i = 0; i < 5; i++)
        table_add(table, COLOUR_DIM, "%s", HEAD[i]);
    for (size_t i = 0; i < functions->count; i++) {
        const struct function *function = functions->items[i];
        assert(function->event != NULL || function->topic != NULL || function->flow->given.cron.count > 0);
        AUTO_FREE char *more = notes(function);
        table_add(table, COLOUR_BOLD, "%s", function->id);
        if (function->event != NULL)
            table_add(table, COLOUR_NONE, "%s%s", function->event, function->events.count > 0 ? ", …" : "");
        else if (function->topic != NULL)
            table_add(table, COLOUR_NONE, "topic %s", function->topic);
        else
            table_add(table, COLOUR_NONE, "cron %s", function->flow->given.cron.items[0]);
        table_add(table, COLOUR_NONE, "%s", function->module->declared->name);
        table_add(table, COLOUR_NONE, "%d", function->retries);
        table_add(table, COLOUR_DIM, "%s", more);
    }
    table_print(table, "");
}

static void print_absent(void *context, const char *url, const char *reason)
{
    (void)context;
    (void)printf("App %s is not there: %s\n", url, reason);
}

static void print(const struct ctl *ctl, const struct catalog *catalog)
{
    if (ctl->is_json)
        print_json(catalog);
    else if (catalog->count == 0 && ctl->config->inngest.is_on)
        (void)printf("No functions: no app has registered, and %s names no module under `modules:`.\n", ctl->config->path);
    else if (catalog->count == 0 && ctl->config->program_count > 0)
        (void)printf("No functions: no program of %s has said hello yet.\n", ctl->config->path);
    else if (catalog->count == 0)
        (void)printf("No functions: name modules under `modules:` in %s, and what uses their templates under `functions:`.\n",
                     ctl->config->path);
    else
        print_table(catalog);
    if (!ctl->is_json && ctl->store != NULL)
        absent_each(ctl->store, ctl->config, print_absent, NULL);
}

static enum ctl_exit run(struct ctl *ctl)
{
    struct catalog catalog;

    enum ctl_exit status = catalog_open(ctl, &catalog);
    if (status == CTL_OK)
        print(ctl, &catalog);
    catalog_close(&catalog);
    return status;
}

const struct command COMMAND_FUNCTIONS = {
    .name = "functions",
    .arguments = "",
    .summary = "the functions there are, and what starts them",
    .help = "Loads the config's modules as the daemon does at its start (none of their functions runs), and lists what\n"
            "they declare with the config's settings applied; then what apps of Inngest's SDKs have registered.\n\n"
            "  stepctl functions\n"
            "  stepctl --json functions | jq -r '.[] | select(.ordering == \"by_key\") | .id'",
    .run = run,
};
