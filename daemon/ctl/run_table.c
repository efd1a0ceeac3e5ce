/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/run_table.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "ctl/choice.h"

/* Only a look at its line tells what is queued, and no longer delayed. */
static bool is_asked_for(const struct ctl *ctl, const struct run_view *view)
{
    return choice_lines(ctl) == FIND_LINES_TOO || strcmp(view->status, ctl->status) == 0;
}

int run_views_each(struct ctl *ctl, const struct find_filter *filter, const struct finds *finds,
                   bool (*take)(void *context, const struct run_view *view), void *context)
{
    bool goes_on = true;

    assert(finds->count == 0 || finds->all != NULL);
    for (size_t i = 0; i < finds->count && goes_on; i++) {
        struct loaded_run run;
        struct run_view view;
        int status = runs_load(ctl->store, finds->all[i].id.text, &run, NULL);
        if (status == -ENOENT || status == -EBADMSG)
            continue;
        if (status != 0)
            return status;
        run_view_open(&view, &run, store_now_ms(ctl->store));
        view.redact = ctl->config->redact;
        status = run_view_see_line(&view, ctl->store);
        if (find_takes(filter->selection, &view) && is_asked_for(ctl, &view))
            goes_on = take(context, &view);
        run_view_done(&view);
        loaded_run_done(&run);
        if (status != 0)
            return status;
    }
    return 0;
}

struct table *run_table_begin(void)
{
    static const char *const HEAD[] = { "STATUS", "RUN", "FUNCTION", "EVENT", "CREATED", "ATTEMPT", "CHANGED", "ERROR" };
    struct table *table = table_create(COUNT_OF(HEAD));

    for (size_t i = 0; i < COUNT_OF(HEAD); i++)
        table_add(table, COLOUR_DIM, "%s", HEAD[i]);
    return table;
}

void run_table_add(struct table *table, const struct run_view *view)
{
    const struct record *record = &view->run->record;
    AUTO_FREE char *when = text_when(record->changed_ms, view->now_ms);
    AUTO_FREE char *created = text_when(record->created_ms, view->now_ms);

    table_add(table, text_status_colour(record->status), "%s", view->status);
    table_add(table, COLOUR_BOLD, "%.*s", FIND_SHORT_LENGTH, view->run->id);
    table_add(table, COLOUR_NONE, "%s", record->function);
    table_add(table, COLOUR_NONE, "%s", view->event.view.name);
    table_add(table, COLOUR_DIM, "%s", created);
    table_add(table, COLOUR_NONE, "%d", view->attempt);
    if (record->status == RUN_BEHIND)
        table_add(table, COLOUR_DIM, "behind another");
    else if (view->due_ms != 0)
        table_add(table, COLOUR_NONE, "due %s", when);
    else
        table_add(table, COLOUR_DIM, "%s", when);
    table_add(table, COLOUR_NONE, "%s%s%s", view->has_error ? view->error.name : "", view->has_error ? ": " : "",
              view->has_error ? view->error.message : "");
}
