/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "ctl/command.h"
#include "ctl/find.h"
#include "ctl/run_table.h"

/* false: there is no such status. */
static bool parse_status(const char *word, enum run_status *ret_status)
{
    static const enum run_status ALL[] = { RUN_OWNED, RUN_DELAYED, RUN_SLEEPING, RUN_COMPLETED, RUN_FAILED, RUN_CANCELLED };

    for (size_t i = 0; i < COUNT_OF(ALL); i++) {
        if (strcmp(word, run_status_word(ALL[i])) == 0) {
            *ret_status = ALL[i];
            return true;
        }
    }
    return false;
}

struct listing {
    struct table *table;
    struct json_out out;
    size_t count;
};

static void take_row(void *context, const struct run_view *view)
{
    struct listing *listing = context;

    run_table_add(listing->table, view);
    listing->count++;
}

static void take_json(void *context, const struct run_view *view)
{
    struct listing *listing = context;

    (void)fputs(listing->count++ == 0 ? "\n" : ",\n", stdout);
    run_view_json(view, &listing->out);
    json_out_flush(&listing->out);
}

static int print_json(struct ctl *ctl, const struct find_filter *filter, const struct found *found, size_t count)
{
    struct listing listing = { 0 };

    json_out_init(&listing.out);
    (void)putchar('[');
    int status = run_views_each(ctl, filter, found, count, take_json, &listing);
    if (status == 0)
        (void)puts(listing.count == 0 ? "]" : "\n]");
    json_out_done(&listing.out);
    return status;
}

static int print_table(struct ctl *ctl, const struct find_filter *filter, const struct found *found, size_t count, bool is_cut)
{
    struct listing listing = { .table = run_table_begin() };
    int status = run_views_each(ctl, filter, found, count, take_row, &listing);

    if (listing.count > 0)
        table_print(listing.table, "");
    else
        table_destroy(listing.table);
    if (status != 0)
        return status;
    if (listing.count == 0)
        (void)puts(filter->status != 0 || filter->function != NULL ? "No such runs." : "No runs (finished ones are kept as `history` says).");
    else if (count == filter->limit)
        (void)printf("The newest %zu; --limit shows more.\n", count);
    if (is_cut)
        (void)puts("More runs are delayed than were looked at: of them, those due next.");
    return 0;
}

static enum ctl_exit run(struct ctl *ctl)
{
    struct find_filter filter = { .function = ctl->function, .limit = ctl->limit };
    AUTO_FREE struct found *found = NULL;
    size_t count = 0;
    bool is_cut = false;

    if (ctl->status != NULL && !parse_status(ctl->status, &filter.status))
        return ctl_misused(ctl, "'%s' is no status: running delayed sleeping completed failed cancelled", ctl->status);
    enum ctl_exit opened = ctl_open_store(ctl);
    if (opened != CTL_OK)
        return opened;
    int status = find_runs(ctl->store, &filter, &found, &count, &is_cut);
    if (status == 0)
        status = ctl->is_json ? print_json(ctl, &filter, found, count) : print_table(ctl, &filter, found, count, is_cut);
    return status != 0 ? ctl_store_failed(ctl, status) : CTL_OK;
}

const struct command COMMAND_RUNS = {
    .name = "runs",
    .arguments = "[--status S] [--function F] [--limit N]",
    .summary = "the newest runs",
    .help = "Lists runs, newest first: those that wait, those that a daemon holds, and of the finished ones what\n"
            "`history` keeps. Redis knows a run from its first checkpoint, sleep or failure on: before that none is\n"
            "listed, and one that finished without only with `history: all`.\n\n"
            "  stepctl runs\n"
            "  stepctl runs --status failed --function user-weekly-digest\n"
            "  stepctl --json runs --limit 1000 | jq -r '.[] | select(.attempt > 2) | .id'",
    .options = TAKES_STATUS | TAKES_FUNCTION | TAKES_LIMIT,
    .most_words = 0,
    .run = run,
};
