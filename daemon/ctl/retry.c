/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "ctl/command.h"
#include "ctl/find.h"
#include "view/run_view.h"

#define ALL_MOST 10000000

static void print_one(const struct ctl *ctl, const char *id)
{
    if (ctl->is_json)
        (void)printf("{\"id\":\"%s\",\"retried\":true}\n", id);
    else
        (void)printf("%s begins anew, from its last good checkpoint.\n", id);
}

static enum ctl_exit retry_one(struct ctl *ctl, const char *text)
{
    enum runs_change change = RUNS_IN_VAIN;
    struct error error = { 0 };
    struct loaded_run run;

    enum ctl_exit found = find_and_load(ctl, text, &run);
    if (found != CTL_OK)
        return found;
    AUTO_FREE char *id = xstrdup(run.id);
    const char *word = run_status_word(run.record.status);
    loaded_run_done(&run);
    int status = runs_retry(ctl->store, id, &change, &error);
    if (status == -ENOENT || status == -EBADMSG)
        return ctl_fail(CTL_FAILED, "%s", error.text);
    if (status != 0)
        return ctl_store_failed(ctl, status);
    if (change == RUNS_IN_VAIN)
        return ctl_fail(CTL_FAILED, "run %s is %s: only what failed or was cancelled can be retried", id, word);
    print_one(ctl, id);
    return CTL_OK;
}

static enum ctl_exit retry_all(struct ctl *ctl)
{
    const struct find_filter filter = { .status = RUN_FAILED, .function = ctl->function, .limit = ALL_MOST };
    AUTO_FREE struct found *found = NULL;
    size_t count = 0, retried = 0;
    bool is_cut;

    /* All are found first: one that fails again at once is not retried twice. */
    int status = find_runs(ctl->store, &filter, &found, &count, &is_cut);
    for (size_t i = count; i-- > 0 && status == 0;) {
        enum runs_change change = RUNS_IN_VAIN;
        status = runs_retry(ctl->store, found[i].id.text, &change, NULL);
        if (status == -ENOENT || status == -EBADMSG)
            status = 0;
        retried += change != RUNS_IN_VAIN;
    }
    if (status != 0)
        return ctl_store_failed(ctl, status);
    if (ctl->is_json)
        (void)printf("{\"retried\":%zu}\n", retried);
    else
        (void)printf("%zu run%s anew.\n", retried, retried == 1 ? " begins" : "s begin");
    return CTL_OK;
}

static enum ctl_exit run(struct ctl *ctl)
{
    if (ctl->is_all_failed == (ctl->word_count == 2))
        return ctl_misused(ctl, "which run? One, or --all-failed");
    if (ctl->function != NULL && !ctl->is_all_failed)
        return ctl_misused(ctl, "--function goes with --all-failed");
    enum ctl_exit status = ctl_open_store(ctl);
    if (status != CTL_OK)
        return status;
    return ctl->is_all_failed ? retry_all(ctl) : retry_one(ctl, ctl->words[1]);
}

const struct command COMMAND_RETRY = {
    .name = "retry",
    .arguments = "RUN | --all-failed [--function F]",
    .summary = "failed runs begin anew",
    .help = "A run that failed or was cancelled is due now, with all its attempts before it. Steps that are done stay\n"
            "done; those that failed are tried again.\n\n"
            "  stepctl retry 8c1f03aa5d2e\n"
            "  stepctl retry --all-failed --function user-weekly-digest",
    .options = TAKES_ALL_FAILED | TAKES_FUNCTION,
    .most_words = 1,
    .run = run,
};
