/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/choice.h"
#include "ctl/command.h"
#include "ctl/find.h"
#include "ctl/follow.h"
#include "ctl/run_table.h"

#define SPARE 1000 /* runs found beyond those that are shown: some end before they are read */

struct listing {
    struct table *table;
    struct json_out out;
    size_t count;
    size_t limit;
};

static bool take_row(void *context, const struct run_view *view)
{
    struct listing *listing = context;

    assert(listing->count < listing->limit);
    run_table_add(listing->table, view);
    return ++listing->count < listing->limit;
}

static bool take_json(void *context, const struct run_view *view)
{
    struct listing *listing = context;

    assert(listing->count < listing->limit);
    (void)fputs(listing->count++ == 0 ? "\n" : ",\n", stdout);
    run_view_json(view, &listing->out);
    json_out_flush(&listing->out);
    return listing->count < listing->limit;
}

static int print_json(struct ctl *ctl, const struct find_filter *filter, const struct finds *finds)
{
    struct listing listing = { .limit = ctl->limit };

    json_out_init(&listing.out);
    (void)putchar('[');
    int status = run_views_each(ctl, filter, finds, take_json, &listing);
    if (status == 0)
        (void)puts(listing.count == 0 ? "]" : "\n]");
    json_out_done(&listing.out);
    return status;
}

/* That there are none may be a slip in the function's name. */
static void print_none(struct ctl *ctl)
{
    bool is_known = true;

    (void)puts(choice_is_given(ctl) ? "No such runs." : "No runs (finished ones are kept as `history` says).");
    if (ctl->function != NULL && runs_function_is_known(ctl->store, ctl->function, &is_known) == 0 && !is_known)
        (void)printf("No daemon has had a function '%s' within a day; `stepctl functions` lists those of the config.\n", ctl->function);
}

static int print_table(struct ctl *ctl, const struct find_filter *filter, const struct finds *finds)
{
    struct listing listing = { .table = run_table_begin(), .limit = ctl->limit };
    int status = run_views_each(ctl, filter, finds, take_row, &listing);

    if (listing.count > 0)
        table_print(listing.table, "");
    else
        table_destroy(listing.table);
    if (status != 0)
        return status;
    if (listing.count == 0)
        print_none(ctl);
    else if (listing.count == ctl->limit)
        (void)printf("The newest %zu; --limit shows more, --until TIME those before.\n", listing.count);
    if (finds->is_cut)
        (void)puts("There are more runs than were looked at (of those that wait, those due next): a larger --limit looks at more.");
    return 0;
}

static enum ctl_exit list(struct ctl *ctl, const struct selection *selection)
{
    const struct find_filter filter = { .selection = selection, .limit = ctl->limit + SPARE, .lines = choice_lines(ctl) };
    struct finds finds = { 0 };

    int status = find_runs(ctl->store, &filter, &finds);
    finds_warn(&finds);
    if (status == 0)
        status = ctl->is_json ? print_json(ctl, &filter, &finds) : print_table(ctl, &filter, &finds);
    free(finds.all);
    return status != 0 ? ctl_store_failed(ctl, status) : CTL_OK;
}

static enum ctl_exit run(struct ctl *ctl)
{
    struct choice choice;

    enum ctl_exit status = choice_read(ctl, NULL, &choice);
    if (status == CTL_OK)
        status = ctl_open_store(ctl);
    if (status == CTL_OK)
        status = ctl->is_following ? follow_runs(ctl, &choice.selection) : list(ctl, &choice.selection);
    choice_done(&choice);
    return status;
}

const struct command COMMAND_RUNS = {
    .name = "runs",
    .arguments =
        "[--status S] [--function F] [--error NAME] [--event NAME] [--since TIME] [--until TIME] [--where EXPR] [--limit N] [--follow]",
    .summary = "the newest runs",
    .help = "Lists runs, newest first: those that wait, those that a daemon holds, and of the finished ones what\n"
            "`history` keeps. Redis knows a run from its first checkpoint, sleep or failure on: before that none is\n"
            "listed, and one that finished without only with `history: all`. TIME is when a run was created.\n"
            "With --follow it goes on: once a second it tells of each of the newest 200 (--limit: more) that began or changed, oldest\n"
            "first; with --json an object a line.\n\n"
            "  stepctl runs\n"
            "  stepctl runs --function charge --follow\n"
            "  stepctl runs --status failed --function user-weekly-digest --since -2h\n"
            "  stepctl runs --error Declined --where 'event.data.total > 100'\n"
            "  stepctl --json runs --limit 1000 | jq -r '.[] | select(.attempt > 2) | .id'",
    .options = TAKES_CHOICE | TAKES_LIMIT | TAKES_FOLLOW,
    .most_words = 0,
    .run = run,
};
