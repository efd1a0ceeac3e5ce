/* SPDX-License-Identifier: Apache-2.0 */
/* The one reason why a run is not moving, from the lists that the scripts decide by. */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/find.h"
#include "ctl/text.h"
#include "run/invoke.h"
#include "store/operations.h"
#include "store/shelf.h"
#include "view/run_view.h"
#include "view/wish.h"

struct reason {
    char code[16]; /* for programs: ended due sleeping waiting late owned expired order throttle concurrency breaker pause lost */
    char *text;
    int64_t place;  /* in line, the next is 1; 0: it is in none */
    int64_t due_ms; /* when the next in line may begin at the earliest; 0, -1: nobody knows */
    bool has_key;
    char key[260]; /* that the line is of */
};

static void give(struct reason *reason, const char *code, const char *format, ...) PRINTF_LIKE(3, 4);
static void give(struct reason *reason, const char *code, const char *format, ...)
{
    va_list arguments;

    assert(reason->text == NULL && strlen(code) < sizeof(reason->code)); /* one reason, and its whole code */
    va_start(arguments, format);
    reason->text = xvasprintf(format, arguments);
    va_end(arguments);
    (void)snprintf(reason->code, sizeof(reason->code), "%s", code);
}

/* Who paused its function; NULL: nobody. Caller frees. */
static int find_pauser(struct redis_store *store, const struct run_view *view, char **ret_who)
{
    struct bytes paused;

    int status = shelf_find(store, PAUSED_SHELF, view->run->record.function, &paused);
    if (status != 0)
        return status;
    *ret_who = paused.data != NULL ? xstrndup(paused.data, paused.size) : NULL;
    free((void *)(uintptr_t)paused.data);
    return 0;
}

/* The same of all functions together. */
static char *find_pauser_of_all(struct redis_store *store)
{
    struct bytes who;

    if (shelf_find(store, PAUSED_SHELF, PAUSED_ALL, &who) != 0 || who.data == NULL)
        return NULL;
    char *text = xstrndup(who.data, who.size);
    free((void *)(uintptr_t)who.data);
    return text;
}

static void give_pause(struct reason *reason, const struct run_view *view, const char *who, const char *since)
{
    give(reason, "pause", "function %s is paused, by %s: it waits in line since %s, until `stepctl resume %s`", view->run->record.function,
         who, since, view->run->record.function);
}

static int why_waiting(struct redis_store *store, const struct run_view *view, const struct runs_standing *standing, struct reason *reason)
{
    AUTO_FREE char *when = text_when(view->due_ms, view->now_ms);
    int64_t alive = 0;

    int status = store_workers_alive(store, store_shard_of(store, view->run->id), &alive);
    if (status != 0)
        return status;
    AUTO_FREE char *who = NULL;
    status = find_pauser(store, view, &who);
    if (status != 0)
        return status;
    AUTO_FREE char *who_of_all = find_pauser_of_all(store);
    if (standing->is_in_line && who != NULL)
        give_pause(reason, view, who, when);
    else if (who_of_all != NULL && view->due_ms <= view->now_ms)
        give(reason, "pause", "all functions are paused, by %s: it was due %s, and waits until `stepctl resume --all`", who_of_all, when);
    else if (standing->is_in_line)
        give(reason, "concurrency",
             "it has waited in line since %s: as many runs of %s are under way as its concurrency lets begin (%" PRId64 " daemon%s alive)",
             when, view->run->record.function, alive, alive == 1 ? "" : "s");
    else if (standing->due_ms < 0)
        give(reason, "lost",
             "it is marked as waiting, but stands in no list; a daemon's sweep makes it due (`stepctl doctor` looks for more like it)");
    else if (view->due_ms > view->now_ms && view->run->record.status == RUN_SLEEPING)
        give(reason, "sleeping", "it sleeps; that is over %s", when);
    else if (view->due_ms > view->now_ms)
        give(reason, "due", "its next attempt is due %s", when);
    else if (alive == 0)
        give(reason, "late", "it was due %s, and no daemon is alive to take it: start stepd", when);
    else
        give(reason, "late", "it was due %s; %" PRId64 " daemon%s alive, with no worker free for it yet", when, alive,
             alive == 1 ? " is" : "s are");
    return 0;
}

static char *wish_in(const struct checkpoint *waiting)
{
    struct invoke_view invoked;
    struct wish wish;

    if (invoke_read(waiting->value, &invoked))
        return xasprintf("in step '%s' for run %.*s of %.*s, which it invoked", waiting->id, RUN_ID_LENGTH,
                         (const char *)invoked.run_id.data, (int)invoked.function_id.size, (const char *)invoked.function_id.data);
    if (!wish_read(waiting, &wish))
        return xasprintf("in step '%s' for what comes from elsewhere", waiting->id);
    char *words = xasprintf("in step '%s' for an event '%s'%s%s", waiting->id, wish.event, wish.when != NULL ? " of which is true: " : "",
                            wish.when != NULL ? wish.when : "");
    wish_done(&wish);
    return words;
}

/* What its latest step that waits says that it waits for; the caller frees. */
static char *wish_of(const struct run_view *view)
{
    const struct checkpoint *waiting = NULL, *checkpoint;

    for (size_t i = 0; (checkpoint = checkpoints_at(view->steps, i)) != NULL; i++) {
        if (checkpoint->kind == CHECKPOINT_WAITING && !run_view_is_told_further_on(view, i))
            waiting = checkpoint;
    }
    return waiting != NULL ? wish_in(waiting) : xstrdup("for what comes from elsewhere");
}

/* For what comes from elsewhere. */
static void why_for_others(const struct run_view *view, const struct runs_standing *standing, struct reason *reason)
{
    AUTO_FREE char *when = text_when(view->due_ms, view->now_ms);
    AUTO_FREE char *wish = wish_of(view);

    if (standing->due_ms < 0)
        give(reason, "lost", "it waits, but stands in no list; a daemon's sweep puts it back (`stepctl doctor` looks for more like it)");
    else if (view->due_ms > 0)
        give(reason, "waiting", "it waits %s; its time is over %s", wish, when);
    else
        give(reason, "waiting", "it waits %s", wish);
}

static void why_owned(const struct run_view *view, const struct runs_standing *standing, struct reason *reason)
{
    const struct record *record = &view->run->record;
    AUTO_FREE char *since = text_when(record->changed_ms, view->now_ms);
    AUTO_FREE char *expired = text_when(standing->lease_until_ms, view->now_ms);

    if (!standing->is_owned)
        give(reason, "lost", "worker %.*s is said to hold it, but it stands in no list; a daemon's sweep makes it due", FIND_SHORT_LENGTH,
             standing->worker);
    else if (standing->lease_until_ms < view->now_ms)
        give(reason, "expired", "worker %.*s held it and gave its last sign of life %s; another takes it over as soon as one looks",
             FIND_SHORT_LENGTH, standing->worker, standing->lease_until_ms < 0 ? "long ago" : expired);
    else
        give(reason, "owned", "worker %.*s is in its attempt %d, since %s%s", FIND_SHORT_LENGTH, standing->worker, record->attempt, since,
             (record->flags & RECORD_CANCEL) != 0 ? "; it is to be cancelled" : "");
}

static void why_behind(struct redis_store *store, const struct run_view *view, const struct runs_standing *standing, struct reason *reason)
{
    struct loaded_run first;
    const char *state = "gone";

    if (standing->before < 0 || standing->first.text[0] == '\0') {
        give(reason, "lost", "it is marked as waiting behind another run of its key, but none is there; a daemon's sweep makes it due");
        return;
    }
    if (runs_load(store, standing->first.text, &first, NULL) == 0) {
        state = run_status_word(first.record.status);
        loaded_run_done(&first);
    }
    AUTO_FREE char *between = standing->before > 0 ? xasprintf(" and %" PRId64 " more", standing->before) : xstrdup("");
    reason->place = standing->before + 1;
    reason->has_key = true;
    (void)snprintf(reason->key, sizeof(reason->key), "%.*s", (int)view->run->record.key.size,
                   view->run->record.key.size > 0 ? (const char *)view->run->record.key.data : "");
    give(reason, "order", "runs of one key go one at a time: it waits behind run %s (%s)%s; ask why that one waits", standing->first.text,
         state, between);
}

/* The next one in line is 1. */
static int why_queued(struct redis_store *store, const struct run_view *view, const struct runs_standing *standing, struct reason *reason)
{
    AUTO_FREE char *who = NULL;
    AUTO_FREE char *since = text_when(view->run->record.changed_ms, view->now_ms);
    AUTO_FREE char *key = standing->has_key ? xasprintf(" of key '%s'", standing->key) : xstrdup("");
    AUTO_FREE char *when = text_when(standing->due_ms > view->now_ms ? standing->due_ms : view->now_ms, view->now_ms);

    int status = find_pauser(store, view, &who);
    if (status != 0)
        return status;
    reason->place = standing->before + 1;
    reason->due_ms = standing->due_ms;
    if (standing->has_key)
        (void)snprintf(reason->key, sizeof(reason->key), "%s", standing->key);
    reason->has_key = standing->has_key;
    if (standing->before < 0)
        give(reason, "lost", "it is marked as waiting for its turn, but stands in no line; a daemon's sweep puts it back");
    else if (standing->is_debounced)
        give(reason, "debounce", "it waits for a later event%s, whose run it will be; it begins %s unless one comes", key, when);
    else if (who != NULL)
        give_pause(reason, view, who, since);
    else if (standing->is_held)
        give(reason, "breaker",
             "it is number %" PRId64 " in the line%s: too many attempts of %s failed of late, and its breaker lets one try again %s",
             reason->place, key, view->run->record.function, when);
    else if (standing->is_one_too_many)
        give(reason, "concurrency",
             "it is number %" PRId64
             " in the line%s: as many runs of %s live as may (limits.waits), since a condition of its cancel_on has no "
             "equality by which they are found",
             reason->place, key, view->run->record.function);
    else if (standing->is_blocked)
        give(reason, "concurrency", "it is number %" PRId64 " in the line%s: as many attempts execute as a concurrency limit of %s lets",
             reason->place, key, view->run->record.function);
    else
        give(reason, "throttle", "it is number %" PRId64 " in the line%s, whose next may begin %s", reason->place, key, when);
    return 0;
}

/* Of a run in line: whether its function has all that it may have there. */
static void add_crowd(struct ctl *ctl, const struct run_view *view, struct reason *reason)
{
    bool is_paused = strcmp(reason->code, "pause") == 0;
    int64_t most = is_paused ? ctl->config->pause_most : ctl->config->flow_most;
    struct queued_list queued;

    assert(reason->text != NULL);
    if (!is_paused && reason->place == 0 && strcmp(reason->code, "concurrency") != 0)
        return;
    if (runs_queued(ctl->store, view->run->record.function, &queued) != 0)
        return;
    if (queued.count > 0 && queued.items[0].count >= (uint64_t)most) {
        AUTO_FREE char *text = reason->text;
        reason->text =
            xasprintf("%s. %" PRIu64 " are queued, all that %s allows: partitions with more events of it stop, for all their functions",
                      text, queued.items[0].count, is_paused ? "pause.most" : "flow.most");
    }
    queued_list_done(&queued);
}

static int find_reason(struct redis_store *store, const struct run_view *view, struct reason *reason)
{
    const struct record *record = &view->run->record;
    AUTO_FREE char *when = text_when(record->changed_ms, view->now_ms);
    struct runs_standing standing;

    int status = runs_standing(store, view->run, &standing);
    if (status != 0)
        return status;
    switch (record->status) {
    case RUN_DELAYED:
    case RUN_SLEEPING:
        return why_waiting(store, view, &standing, reason);
    case RUN_WAITING:
        why_for_others(view, &standing, reason);
        return 0;
    case RUN_OWNED:
        why_owned(view, &standing, reason);
        return 0;
    case RUN_BEHIND:
        why_behind(store, view, &standing, reason);
        return 0;
    case RUN_QUEUED:
        return why_queued(store, view, &standing, reason);
    case RUN_COMPLETED:
        give(reason, "ended", "it completed %s", when);
        return 0;
    case RUN_FAILED:
        give(reason, "ended", "it failed for good %s; `stepctl retry` begins it anew", when);
        return 0;
    case RUN_CANCELLED:
        give(reason, "ended", "it was cancelled %s; `stepctl retry` begins it anew", when);
        return 0;
    case RUN_ENDING:
        give(reason, "ending", "it was cancelled %s, and counts as ended once a daemon has brought its stepd/function.cancelled out", when);
        return 0;
    }
    give(reason, "unknown", "its status is unknown to this version");
    return 0;
}

static void print(const struct ctl *ctl, const struct run_view *view, const struct reason *reason)
{
    assert(reason->text != NULL);
    if (!ctl->is_json) {
        (void)printf("%s: ", view->run->id);
        text_print(COLOUR_NONE, reason->text);
        (void)putchar('\n');
        return;
    }
    struct json_out out;
    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_text(&out, "id", view->run->id);
    json_out_text(&out, "status", view->status);
    json_out_text(&out, "reason", reason->code);
    json_out_text(&out, "text", reason->text);
    if (reason->place > 0) {
        json_out_text(&out, "key", reason->has_key ? reason->key : NULL);
        json_out_number(&out, "place", reason->place);
        if (reason->due_ms > 0)
            json_out_number(&out, "due_ms", reason->due_ms);
        else
            json_out_null(&out, "due_ms");
    }
    json_out_close(&out, '{');
    json_out_print(&out);
}

static enum ctl_exit run(struct ctl *ctl)
{
    struct loaded_run loaded;
    struct run_view view;
    struct reason reason = { 0 };

    if (ctl->word_count != 2)
        return ctl_misused(ctl, "which run?");
    enum ctl_exit found = ctl_open_store(ctl);
    if (found == CTL_OK)
        found = find_and_load(ctl, ctl->words[1], &loaded);
    if (found != CTL_OK)
        return found;
    run_view_open(&view, &loaded, store_now_ms(ctl->store));
    (void)!run_view_see_line(&view, ctl->store);
    int status = find_reason(ctl->store, &view, &reason);
    if (status == 0)
        add_crowd(ctl, &view, &reason);
    if (status == 0)
        print(ctl, &view, &reason);
    free(reason.text);
    run_view_done(&view);
    loaded_run_done(&loaded);
    return status != 0 ? ctl_store_failed(ctl, status) : CTL_OK;
}

const struct command COMMAND_WHY = {
    .name = "why",
    .arguments = "RUN",
    .summary = "the one reason why a run is not moving",
    .help = "When it is due, which run of its key it waits for, which worker holds it, or what else keeps it.\n\n"
            "  stepctl why 8c1f03aa5d2e",
    .most_words = 1,
    .run = run,
};
