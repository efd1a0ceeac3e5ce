/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/follow.h"

#include <assert.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/choice.h"
#include "ctl/find.h"
#include "ctl/run_table.h"
#include "ctl/text.h"
#include "view/json_out.h"

#define LOOK_US 1000000
#define LEAST 200 /* of the newest runs that are watched */

/* What was told of a run last. */
struct seen {
    char id[RUN_ID_LENGTH + 1];
    char status[16];
    int attempt;
};

struct seen_list {
    struct seen *items;
    size_t count;
};

struct follow {
    struct ctl *ctl;
    struct seen_list before, now;
    char **lines; /* of this look, the newest run's first */
    size_t line_count;
};

static atomic_bool is_interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    atomic_store(&is_interrupted, true);
}

static const struct seen *find_seen(const struct seen_list *list, const char *id)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].id, id) == 0)
            return &list->items[i];
    return NULL;
}

static void see(struct seen_list *list, const struct run_view *view)
{
    list->items = xrealloc(list->items, (list->count + 1) * sizeof(*list->items));
    struct seen *seen = &list->items[list->count++];
    (void)snprintf(seen->id, sizeof(seen->id), "%s", view->run->id);
    (void)snprintf(seen->status, sizeof(seen->status), "%s", view->status);
    seen->attempt = view->run->record.attempt;
}

static bool is_news(const struct follow *follow, const struct run_view *view)
{
    const struct seen *seen = find_seen(&follow->before, view->run->id);

    return seen == NULL || strcmp(seen->status, view->status) != 0 || seen->attempt != view->run->record.attempt;
}

static char *line_of(const struct run_view *view)
{
    const struct record *record = &view->run->record;
    AUTO_FREE char *when = text_date(record->changed_ms < view->now_ms ? record->changed_ms : view->now_ms);
    AUTO_FREE char *why = view->has_error ? xasprintf("  %s: %s", view->error.name, view->error.message) : xstrdup("");
    AUTO_FREE char *line = xasprintf("%s  %-9s  %.*s  %s  %s  attempt %d%s", when, view->status, FIND_SHORT_LENGTH, view->run->id,
                                     record->function, view->event.view.name, view->attempt, why);

    return text_clean((struct bytes){ line, strlen(line) }, text_width());
}

static char *json_of(const struct run_view *view)
{
    struct json_out out;

    json_out_init(&out);
    run_view_json(view, &out);
    char *text = xstrndup(out.buffer.data, out.buffer.size);
    json_out_done(&out);
    return text;
}

static bool take(void *context, const struct run_view *view)
{
    struct follow *follow = context;

    if (is_news(follow, view)) {
        follow->lines = xrealloc(follow->lines, (follow->line_count + 1) * sizeof(*follow->lines));
        follow->lines[follow->line_count++] = follow->ctl->is_json ? json_of(view) : line_of(view);
    }
    see(&follow->now, view);
    return true;
}

/* What changed last is told last. False: nobody reads. */
static bool print_lines(struct follow *follow)
{
    for (size_t i = follow->line_count; i-- > 0;) {
        (void)puts(follow->lines[i]);
        free(follow->lines[i]);
    }
    follow->line_count = 0;
    return fflush(stdout) == 0;
}

static int look(struct follow *follow, const struct selection *selection)
{
    const struct find_filter filter = { .selection = selection,
                                        .limit = follow->ctl->limit > LEAST ? follow->ctl->limit : LEAST,
                                        .lines = choice_lines(follow->ctl) };
    struct finds finds = { 0 };

    int status = find_runs(follow->ctl->store, &filter, &finds);
    if (status == 0)
        status = run_views_each(follow->ctl, &filter, &finds, take, follow);
    free(finds.all);
    free(follow->before.items);
    follow->before = follow->now;
    follow->now = (struct seen_list){ 0 };
    return status;
}

enum ctl_exit follow_runs(struct ctl *ctl, const struct selection *selection)
{
    const struct sigaction action = { .sa_handler = on_interrupt };
    struct follow follow = { .ctl = ctl };
    int status;

    assert(ctl->store != NULL);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    do {
        status = look(&follow, selection);
        if (!print_lines(&follow))
            break;
        if (status == 0 && !atomic_load(&is_interrupted))
            (void)usleep(LOOK_US);
    } while (status == 0 && !atomic_load(&is_interrupted));
    free(follow.before.items);
    free(follow.lines);
    return status != 0 ? ctl_store_failed(ctl, status) : CTL_OK;
}
