/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/bulk.h"
#include "ctl/command.h"
#include "ctl/deed.h"
#include "ctl/find.h"
#include "view/run_view.h"

#define ENDED_WITHIN_MS 3000
#define LOOK_EVERY_MS 20

/* A run that waited counts as ended once a daemon has brought its stepd/function.cancelled out. */
static bool has_ended(struct ctl *ctl, const char *id)
{
    struct loaded_run run;
    bool is_ending = false;

    if (runs_load(ctl->store, id, &run, NULL) == 0) {
        is_ending = run.record.status == RUN_ENDING;
        loaded_run_done(&run);
    }
    return !is_ending;
}

static bool wait_for_end(struct ctl *ctl, const char *id)
{
    int64_t until_ms = clock_monotonic_ms() + ENDED_WITHIN_MS;
    int64_t alive = 0;

    while (!has_ended(ctl, id)) {
        if (clock_monotonic_ms() >= until_ms || store_workers_alive(ctl->store, store_shard_of(ctl->store, id), &alive) != 0 || alive == 0)
            return false;
        (void)usleep(LOOK_EVERY_MS * 1000);
    }
    return true;
}

static void print_one(struct ctl *ctl, const char *id, enum runs_change change)
{
    assert(change != RUNS_IN_VAIN);
    if (change == RUNS_CHANGED && !wait_for_end(ctl, id) && !ctl->is_json)
        (void)printf("%s is cancelled: it counts as ended once a daemon has brought its stepd/function.cancelled out.\n", id);
    else if (ctl->is_json)
        (void)printf("{\"id\":\"%s\",\"cancelled\":%s}\n", id, change == RUNS_CHANGED ? "true" : "false");
    else if (change == RUNS_CHANGED)
        (void)printf("%s is cancelled.\n", id);
    else
        (void)printf("%s is in an attempt: it is cancelled as soon as that ends, or at its next step.\n", id);
}

static enum ctl_exit print_dry(const struct ctl *ctl)
{
    if (ctl->is_json)
        (void)puts("{\"dry_run\":true,\"found\":1,\"cancelled\":0}");
    else
        (void)puts("1 run would be cancelled.");
    return CTL_OK;
}

/* Redis knows nothing of a run in its first attempt: daemons are asked, and nobody says whether one had it. */
static enum ctl_exit ask_daemons(struct ctl *ctl, const char *id)
{
    enum runs_change change = RUNS_IN_VAIN;
    struct error error = { 0 };

    if (ctl->is_dry_run)
        return ctl_fail(CTL_NOT_FOUND, "no run %s in Redis: only its first attempt could be under way", id);
    int status = runs_cancel(ctl->store, id, &change, &error);
    if (status != 0)
        return ctl_store_failed(ctl, status);
    if (ctl->is_json)
        (void)printf("{\"id\":\"%s\",\"cancelled\":%s}\n", id, change == RUNS_CHANGED ? "true" : "false");
    else
        (void)printf("%s is not in Redis: its first attempt, should it be under way, is cancelled within a second.\n", id);
    return CTL_OK;
}

static enum ctl_exit cancel_one(struct ctl *ctl, const char *text)
{
    enum runs_change change = RUNS_IN_VAIN;
    struct error error = { 0 };
    struct loaded_run run;
    struct run_id id;

    enum ctl_exit found = find_run(ctl, text, &id);
    if (found != CTL_OK)
        return found;
    int loaded = runs_load(ctl->store, id.text, &run, &error);
    if (loaded == -ENOENT)
        return ask_daemons(ctl, id.text);
    if (loaded != 0)
        return find_failed(ctl, id.text, loaded, &error);
    const char *word = run_status_word(run.record.status);
    const bool is_over = run_status_is_end(run.record.status);
    loaded_run_done(&run);
    if (ctl->is_dry_run && !is_over)
        return print_dry(ctl);
    int status = ctl->is_dry_run ? 0 : runs_cancel(ctl->store, id.text, &change, &error);
    if (status == -ENOENT || status == -EBADMSG)
        return ctl_fail(CTL_FAILED, "%s", error.text);
    if (status != 0)
        return ctl_store_failed(ctl, status);
    if (change == RUNS_IN_VAIN)
        return ctl_fail(CTL_FAILED, "run %s has ended already: it is %s", id.text, word);
    deed_tell(ctl, "1 run cancelled (%s)", id.text);
    print_one(ctl, id.text, change);
    return CTL_OK;
}

static enum ctl_exit cancel_many(struct ctl *ctl)
{
    static const struct bulk bulk = { "cancelled", "is cancelled", "are cancelled", "would be cancelled", RUNS_CANCEL };
    struct choice choice;

    enum ctl_exit status = choice_read(ctl, CHOICE_UNENDED, &choice);
    if (status == CTL_OK && strpbrk(choice.selection.statuses, CHOICE_ENDED) != NULL)
        status = ctl_misused(ctl, "runs that are %s have ended already", ctl->status);
    if (status == CTL_OK)
        status = ctl_open_store(ctl);
    if (status == CTL_OK)
        status = bulk_run(ctl, &bulk, &choice.selection);
    choice_done(&choice);
    return status;
}

static enum ctl_exit run(struct ctl *ctl)
{
    if (choice_is_given(ctl) == (ctl->word_count == 2))
        return ctl_misused(ctl, "which run? One, or those that filters choose");
    if (ctl->word_count != 2)
        return cancel_many(ctl);
    enum ctl_exit status = ctl_open_store(ctl);
    return status != CTL_OK ? status : cancel_one(ctl, ctl->words[1]);
}

const struct command COMMAND_CANCEL = {
    .name = "cancel",
    .arguments = "RUN | [--function F] [--status S] [--error NAME] [--event NAME] [--since TIME] [--until TIME] [--where EXPR]\n"
                 "                      [--dry-run]",
    .summary = "a run goes no further",
    .help = "A run that waits ends now. One that a worker is in ends with its attempt, or at its next step; its handler\n"
            "can see that (stepd_is_cancelled). So does a first attempt, of which Redis knows nothing yet: give its whole id.\n"
            "Nothing is undone, and on_failure does not run: stepd/function.cancelled goes out. Filters choose\n"
            "many, of all that have not ended. Ctrl-C stops between two runs: the same command goes on with the rest.\n\n"
            "  stepctl cancel 8c1f03aa5d2e\n"
            "  stepctl cancel --function user-weekly-digest --status sleeping --since 14:30 --until 15:00 --dry-run",
    .options = TAKES_CHOICE | TAKES_DRY_RUN,
    .most_words = 1,
    .run = run,
};
