/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "base/array.h"
#include "ctl/command.h"
#include "ctl/find.h"
#include "ctl/text.h"
#include "store/runs.h"
#include "view/json_out.h"

struct row {
    const char *name;
    uint64_t value;
    const char *meaning;
};

static void print_json(const struct row *rows, size_t count, int64_t next_due_ms)
{
    struct json_out out;

    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    for (size_t i = 0; i < count; i++)
        json_out_number(&out, rows[i].name, (int64_t)rows[i].value);
    if (next_due_ms > 0)
        json_out_number(&out, "next_due_ms", next_due_ms);
    else
        json_out_null(&out, "next_due_ms");
    json_out_close(&out, '{');
    json_out_print(&out);
}

static void print_table(const struct row *rows, size_t count, int64_t next_due_ms, int64_t now_ms)
{
    struct table *table = table_create(3);

    for (size_t i = 0; i < count; i++) {
        table_add(table, COLOUR_NONE, "%s", rows[i].name);
        table_add(table, COLOUR_BOLD, "%" PRIu64, rows[i].value);
        table_add(table, COLOUR_DIM, "%s", rows[i].meaning);
    }
    table_print(table, "");
    if (next_due_ms > 0) {
        AUTO_FREE char *when = text_when(next_due_ms, now_ms);
        (void)printf("The next run is due %s.\n", when);
    }
}

static enum ctl_exit run(struct ctl *ctl)
{
    struct runs_stats stats;
    int64_t alive = 0;

    enum ctl_exit opened = ctl_open_store(ctl);
    if (opened != CTL_OK)
        return opened;
    int status = runs_stats(ctl->store, &stats);
    if (status == 0)
        status = store_workers_alive(ctl->store, 0, &alive);
    if (status != 0)
        return ctl_store_failed(ctl, status);
    const struct row rows[] = {
        { "events_consumed", stats.counts.events_consumed, "events read from Kafka" },
        { "runs_started", stats.counts.runs_started, "functions begun on an event" },
        { "runs_completed", stats.counts.runs_completed, "that ended well" },
        { "runs_failed", stats.counts.runs_failed, "that failed for good" },
        { "retries_scheduled", stats.counts.retries_scheduled, "attempts to be made again" },
        { "dead_letters", stats.counts.dead_letters, "messages sent to dead letter topics" },
        { "delayed", stats.delayed, "runs that wait for their time now" },
        { "queued", stats.queued, "runs that wait for their turns now" },
        { "waiting", stats.waiting, "runs that wait for what comes from elsewhere now" },
        { "owned", stats.owned, "runs that a worker holds now, of those Redis knows" },
        { "dead", stats.dead, "failed runs kept, to look at and retry" },
        { "history", stats.history, "finished runs kept" },
        { "workers", (uint64_t)alive, "daemons alive" },
    };
    if (ctl->is_json)
        print_json(rows, COUNT_OF(rows), stats.next_due_ms);
    else
        print_table(rows, COUNT_OF(rows), stats.next_due_ms, store_now_ms(ctl->store));
    return CTL_OK;
}

const struct command COMMAND_STATS = {
    .name = "stats",
    .arguments = "",
    .summary = "how much was done, how much waits",
    .help = "Counts of all daemons together since the first start, as of their latest heartbeats.\n\n"
            "  stepctl stats\n"
            "  stepctl --json stats | jq .delayed",
    .run = run,
};
