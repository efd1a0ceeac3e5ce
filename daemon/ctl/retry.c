/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/bulk.h"
#include "ctl/command.h"
#include "ctl/deed.h"
#include "ctl/find.h"
#include "view/run_view.h"

static void print_one(const struct ctl *ctl, const char *id)
{
    if (ctl->is_json)
        (void)printf("{\"id\":\"%s\",\"retried\":true}\n", id);
    else
        (void)printf("%s begins anew, from its last good checkpoint.\n", id);
}

static enum ctl_exit retry_dry(const struct ctl *ctl, const char *id, const char *word)
{
    const bool is_possible = strcmp(word, "failed") == 0 || strcmp(word, "cancelled") == 0;

    if (!is_possible)
        return ctl_fail(CTL_FAILED, "run %s is %s: only a failed or cancelled run can be retried", id, word);
    if (ctl->is_json)
        (void)puts("{\"dry_run\":true,\"found\":1,\"retried\":0}");
    else
        (void)puts("1 run would begin anew.");
    return CTL_OK;
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
    if (ctl->is_dry_run)
        return retry_dry(ctl, id, word);
    int status = runs_retry(ctl->store, id, &change, &error);
    if (status == -ENOENT || status == -EBADMSG)
        return ctl_fail(CTL_FAILED, "%s", error.text);
    if (status != 0)
        return ctl_store_failed(ctl, status);
    if (change == RUNS_IN_VAIN)
        return ctl_fail(CTL_FAILED, "run %s is %s: only a failed or cancelled run can be retried", id, word);
    deed_tell(ctl, "1 run retried (%s)", id);
    print_one(ctl, id);
    return CTL_OK;
}

/* Letters of enum run_status. */
#define CANCELLED "x"
#define CANCELLED_OR_ENDING "xe"

static enum ctl_exit retry_many(struct ctl *ctl)
{
    static const struct bulk bulk = { "retried", "begins anew", "begin anew", "would begin anew", RUNS_RETRY };
    struct choice choice;

    enum ctl_exit status = choice_read(ctl, "f", &choice);
    if (status == CTL_OK && strspn(choice.selection.statuses, CHOICE_UNDONE) != strlen(choice.selection.statuses))
        status = ctl_misused(ctl, "only failed and cancelled runs can be retried, not those that are %s", ctl->status);
    if (status == CTL_OK && strcmp(choice.selection.statuses, CANCELLED) == 0)
        choice.selection.statuses = CANCELLED_OR_ENDING;
    if (status == CTL_OK)
        status = ctl_open_store(ctl);
    if (status == CTL_OK)
        status = bulk_run(ctl, &bulk, &choice.selection);
    choice_done(&choice);
    return status;
}

static enum ctl_exit run(struct ctl *ctl)
{
    const bool is_many = ctl->is_all_failed || choice_is_given(ctl);

    if (is_many && ctl->word_count == 2)
        return ctl_misused(ctl, "one run, or those that filters choose: not both");
    if (!is_many && ctl->word_count != 2)
        return ctl_misused(ctl, "which run? One, --all-failed, or those that filters choose");
    if (ctl->is_all_failed && ctl->status != NULL && strcmp(ctl->status, "failed") != 0)
        return ctl_misused(ctl, "--all-failed is --status failed, not %s", ctl->status);
    if (is_many)
        return retry_many(ctl);
    enum ctl_exit status = ctl_open_store(ctl);
    return status != CTL_OK ? status : retry_one(ctl, ctl->words[1]);
}

const struct command COMMAND_RETRY = {
    .name = "retry",
    .arguments = "RUN | --all-failed | [--function F] [--status S] [--error NAME] [--event NAME] [--since TIME] [--until TIME]\n"
                 "                     [--where EXPR] [--dry-run]",
    .summary = "failed runs begin anew",
    .help = "A run that failed or was cancelled is due now, with all its attempts before it. Steps that are done stay\n"
            "done; those that failed are tried again. Filters choose many, of those that failed unless --status says\n"
            "`cancelled`. Ctrl-C stops between two runs: the same command goes on with the rest.\n\n"
            "  stepctl retry 8c1f03aa5d2e\n"
            "  stepctl retry --all-failed --function user-weekly-digest\n"
            "  stepctl retry --function charge --error Declined --since -2h --where 'event.data.total > 100' --dry-run",
    .options = TAKES_ALL_FAILED | TAKES_CHOICE | TAKES_DRY_RUN,
    .most_words = 1,
    .run = run,
};
