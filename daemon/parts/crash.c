/* SPDX-License-Identifier: Apache-2.0 */
/* The crash journal, and what it tells the store at the next start. */
#include "crash/crashes.h"

#include "base/log.h"
#include "config/config.h"
#include "crash/journal_place.h"
#include "crash/recovery.h"
#include "engine/dispatch.h"
#include "parts/part.h"
#include "publish/producer.h"
#include "run/journal.h"

/* Twice as many slots as threads that run attempts and branches: stuck ones keep theirs. */
static int start_journal(struct daemon *daemon, struct error *ret_error)
{
    const struct config *config = daemon->config;
    AUTO_FREE char *path = journal_place(&(struct journal_owner){ config->path, config_kafka(config, "group.id"), config->worker.journal });

    daemon->crashes = crashes_create();
    if (path == NULL) {
        log_warn("the crash journal can't be written: neither $STATE_DIRECTORY, $XDG_STATE_HOME/stepd, /var/lib/stepd nor "
                 "~/.local/state/stepd; " JOURNAL_MISSING ": name a file as worker.journal");
        return 0;
    }
    size_t slots = (size_t)config->worker.threads * 4 + (size_t)config->worker.max_stuck;
    int status = journal_open(path, slots, &daemon->journal, ret_error);
    if (status == 0)
        journal_catch_crashes();
    return status;
}

static void end_journal(struct daemon *daemon)
{
    journal_close(daemon->journal);
    crashes_destroy(daemon->crashes);
}

const struct part PART_CRASH = { .name = "crash", .start = start_journal, .end = end_journal };

static int start_recovery(struct daemon *daemon, struct error *ret_error)
{
    const struct recovery_settings settings = {
        .journal = daemon->journal,
        .store = daemon->store,
        .publisher = producer_port(daemon->producer),
        .attempts = dispatch_attempt_settings(daemon->dispatch),
        .find_function = part_learn_function,
        .context = daemon,
    };

    return recovery_start(&settings, &daemon->recovery, ret_error);
}

static void end_recovery(struct daemon *daemon)
{
    recovery_destroy(daemon->recovery);
}

const struct part PART_RECOVERY = { .name = "recovery", .start = start_recovery, .end = end_recovery };
