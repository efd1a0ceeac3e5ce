/* SPDX-License-Identifier: Apache-2.0 */
/* A function is paused, or resumed, in all daemons. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/catalog.h"
#include "ctl/command.h"
#include "ctl/deed.h"
#include "store/operations.h"
#include "store/shelf.h"
#include "view/json_out.h"

static bool is_all(const char *function)
{
    return strcmp(function, PAUSED_ALL) == 0;
}

static void print(const struct ctl *ctl, const char *function, bool is_paused, bool is_changed)
{
    struct json_out out;

    if (!ctl->is_json && is_all(function)) {
        (void)puts(is_paused ? "No attempt begins any more, of any function in any daemon, until `stepctl resume --all`."
                             : "All functions go on, but for those that are paused by name.");
        return;
    }
    if (!ctl->is_json) {
        (void)printf("%s %s.\n", function,
                     is_paused    ? (is_changed ? "is paused: its runs wait, in all daemons, until it is resumed" : "was paused already")
                     : is_changed ? "goes on"
                                  : "was not paused");
        return;
    }
    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_text(&out, "function", function);
    json_out_bool(&out, "paused", is_paused);
    json_out_close(&out, '{');
    json_out_print(&out);
}

static enum ctl_exit pause_function(struct ctl *ctl, const char *function)
{
    AUTO_FREE char *who = deed_who();
    struct bytes before;

    assert(ctl->store != NULL);
    int status = shelf_find(ctl->store, PAUSED_SHELF, function, &before);
    const bool is_changed = before.data == NULL;
    free((void *)(uintptr_t)before.data);
    if (status == 0 && is_changed)
        status = shelf_save(ctl->store, PAUSED_SHELF, function, (struct bytes){ who, strlen(who) });
    if (status != 0)
        return ctl_store_failed(ctl, status);
    if (is_changed)
        deed_tell(ctl, is_all(function) ? "pause of all functions" : "pause of function %s", function);
    print(ctl, function, true, is_changed);
    return CTL_OK;
}

static enum ctl_exit resume_function(struct ctl *ctl, const char *function)
{
    bool was_there = false;
    assert(ctl->store != NULL);
    int status = shelf_remove(ctl->store, PAUSED_SHELF, function, &was_there);

    if (status != 0)
        return ctl_store_failed(ctl, status);
    if (was_there)
        deed_tell(ctl, is_all(function) ? "resume of all functions" : "resume of function %s", function);
    print(ctl, function, false, was_there);
    return CTL_OK;
}

/* A name that nobody knows may be a slip, and pausing it would do nothing. */
static enum ctl_exit check_name(struct ctl *ctl)
{
    struct catalog catalog;

    enum ctl_exit status = catalog_open(ctl, &catalog);
    if (status == CTL_OK && catalog_find(&catalog, ctl->words[1]) == NULL)
        status = ctl_fail(CTL_NOT_FOUND, "there is no function '%s'; `stepctl functions` lists them", ctl->words[1]);
    catalog_close(&catalog);
    return status;
}

static enum ctl_exit run_pause(struct ctl *ctl)
{
    if (ctl->is_all ? ctl->word_count != 1 : ctl->word_count != 2 || ctl->words[1][0] == '\0')
        return ctl_misused(ctl, "which function?");
    enum ctl_exit status = ctl->is_all ? CTL_OK : check_name(ctl);
    if (status == CTL_OK && ctl->store == NULL)
        status = ctl_open_store(ctl);
    return status == CTL_OK ? pause_function(ctl, ctl->is_all ? PAUSED_ALL : ctl->words[1]) : status;
}

/* Of a function that is gone, too. */
static enum ctl_exit run_resume(struct ctl *ctl)
{
    if (ctl->word_count != (ctl->is_all ? 1 : 2))
        return ctl_misused(ctl, "which function?");
    enum ctl_exit status = ctl_open_store(ctl);
    return status == CTL_OK ? resume_function(ctl, ctl->is_all ? PAUSED_ALL : ctl->words[1]) : status;
}

const struct command COMMAND_PAUSE = {
    .name = "pause",
    .arguments = "FUNCTION | --all",
    .summary = "a function's runs wait",
    .help = "Pauses a function in all daemons, within a second and across restarts. Attempts under way end; what comes\n"
            "for it afterwards, and what is due of it, waits in Redis in its line. Other functions of the same events go\n"
            "on. `stepctl resume` ends it. --all pauses all functions at once: events stay in Kafka, due runs in Redis; so a\n"
            "fleet is stopped in order (docs/fleet.md).\n\n"
            "  stepctl pause charge\n"
            "  stepctl pause --all",
    .options = TAKES_ALL,
    .most_words = 1,
    .run = run_pause,
};

const struct command COMMAND_RESUME = {
    .name = "resume",
    .arguments = "FUNCTION | --all",
    .summary = "a paused function goes on",
    .help = "Ends a pause: the runs that waited go on, in the order in which they came.\n\n"
            "  stepctl resume charge\n"
            "  stepctl resume --all",
    .options = TAKES_ALL,
    .most_words = 1,
    .run = run_resume,
};
