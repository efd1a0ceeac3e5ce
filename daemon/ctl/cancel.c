/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "ctl/command.h"
#include "ctl/find.h"
#include "view/run_view.h"

static enum ctl_exit run(struct ctl *ctl)
{
    enum runs_change change = RUNS_IN_VAIN;
    struct error error = { 0 };
    struct loaded_run loaded;

    if (ctl->word_count != 2)
        return ctl_misused(ctl, "which run?");
    enum ctl_exit found = ctl_open_store(ctl);
    if (found == CTL_OK)
        found = find_and_load(ctl, ctl->words[1], &loaded);
    if (found != CTL_OK)
        return found;
    AUTO_FREE char *id = xstrdup(loaded.id);
    const char *word = run_status_word(loaded.record.status);
    loaded_run_done(&loaded);
    int status = runs_cancel(ctl->store, id, &change, &error);
    if (status == -ENOENT || status == -EBADMSG)
        return ctl_fail(CTL_FAILED, "%s", error.text);
    if (status != 0)
        return ctl_store_failed(ctl, status);
    if (change == RUNS_IN_VAIN)
        return ctl_fail(CTL_FAILED, "run %s has ended already: it is %s", id, word);
    if (ctl->is_json)
        (void)printf("{\"id\":\"%s\",\"cancelled\":%s}\n", id, change == RUNS_CHANGED ? "true" : "false");
    else if (change == RUNS_CHANGED)
        (void)printf("%s is cancelled.\n", id);
    else
        (void)printf("%s is in an attempt: it is cancelled as soon as that ends, or at its next step.\n", id);
    return CTL_OK;
}

const struct command COMMAND_CANCEL = {
    .name = "cancel",
    .arguments = "RUN",
    .summary = "a run goes no further",
    .help = "A run that waits ends now. One that a worker is in ends with its attempt, or at its next step; its handler\n"
            "can see that (stepd_is_cancelled). Nothing is undone, and on_failure does not run.\n\n"
            "  stepctl cancel 8c1f03aa5d2e",
    .most_words = 1,
    .run = run,
};
