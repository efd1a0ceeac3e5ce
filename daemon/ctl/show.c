/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "ctl/command.h"
#include "ctl/find.h"
#include "ctl/text.h"
#include "run/attempt_log.h"
#include "run/invoke.h"
#include "view/run_view.h"
#include "view/wish.h"

#define NO_EVENT "(not an event's bytes)"
#define LABEL_COLUMNS 11
#define DATA_SHOWN 2000 /* characters of an event's data, or of a result; --json shows all */

static void line(const char *label, enum colour colour, const char *text)
{
    assert(strlen(label) <= LABEL_COLUMNS);
    (void)printf("  ");
    text_print(COLOUR_DIM, label);
    (void)printf("%*s", (int)(LABEL_COLUMNS - strlen(label)), "");
    text_print(colour, text);
    (void)putchar('\n');
}

static void print_caller(const struct run_view *view)
{
    struct bytes run, step = { 0 };

    if (view->event.view.partition >= 0 || !event_header_find(&view->event, INVOKE_CALLER_HEADER, &run))
        return;
    (void)event_header_find(&view->event, INVOKE_STEP_HEADER, &step);
    AUTO_FREE char *text = xasprintf("run %.*s, step %.*s", (int)run.size, (const char *)run.data, (int)step.size, (const char *)step.data);
    line("invoked by", COLOUR_NONE, text);
}

/* Where an event stands in Kafka; what an invoke or the clock made stands nowhere there. */
static char *text_message(const char *topic, int32_t partition, int64_t offset)
{
    return partition < 0 ? xstrdup("in no topic") : xasprintf("%s/%d at offset %" PRId64, topic, (int)partition, offset);
}

static void print_head(const struct run_view *view)
{
    const struct record *record = &view->run->record;
    AUTO_FREE char *created = text_date(record->created_ms);
    AUTO_FREE char *created_when = text_when(record->created_ms, view->now_ms);
    AUTO_FREE char *when = text_when(record->changed_ms, view->now_ms);
    AUTO_FREE char *since = xasprintf("%s (%s)", created, created_when);
    AUTO_FREE char *message = text_message(record->topic, record->partition, record->offset);
    AUTO_FREE char *event = record->more_count > 0 ? xasprintf("a batch of %zu", record->more_count + 1)
                                                   : xasprintf("%s  id %s  %s", view->event.view.name, view->event.view.id, message);

    text_print(COLOUR_BOLD, view->run->id);
    (void)printf("  ");
    text_print(text_status_colour(record->status), view->status);
    (void)putchar('\n');
    line("function", COLOUR_NONE, record->function);
    line("event", COLOUR_NONE, event);
    print_caller(view);
    line("created", COLOUR_NONE, since);
    if (run_status_is_end(record->status))
        line("ended", COLOUR_NONE, when);
    if (view->due_ms != 0)
        line("next due", COLOUR_YELLOW, when);
    if (record->status == RUN_BEHIND)
        line("waits", COLOUR_YELLOW, "behind another run of its key; `stepctl why` says which");
    if (record->takeovers > 0) {
        AUTO_FREE char *takeovers = xasprintf("%d", record->takeovers);
        line("takeovers", COLOUR_NONE, takeovers);
    }
    if (record->phase == RUN_IN_ON_FAILURE && !run_status_is_end(record->status))
        line("phase", COLOUR_RED, "failed; its on_failure is at work");
}

static char *shown(const msgpack_object *object)
{
    AUTO_FREE char *text = json_text(object);

    return text_clean((struct bytes){ text, strlen(text) }, DATA_SHOWN);
}

static char *shown_packed(struct bytes packed)
{
    msgpack_object object;
    msgpack_zone zone;
    char *text = NULL;

    if (!msgpack_zone_init(&zone, 1024))
        abort();
    if (packed.size > 0 && packed_decode(packed, &zone, &object, NULL) == 0)
        text = shown(&object);
    msgpack_zone_destroy(&zone);
    return text != NULL ? text : xstrdup("");
}

static void print_event_of_batch(void *context, const struct stepd_event *event, bool is_read)
{
    struct table *table = context;
    AUTO_FREE char *data = shown(event->data);
    AUTO_FREE char *message = text_message(event->topic, event->partition, event->offset);

    table_add(table, COLOUR_NONE, "%s", event->name);
    table_add(table, COLOUR_DIM, "id %s", event->id);
    table_add(table, COLOUR_DIM, "%s", message);
    table_add(table, COLOUR_NONE, "%s", is_read ? data : NO_EVENT);
}

/* Of a batch each event's. */
static void print_data(const struct run_view *view)
{
    if (view->run->record.more_count == 0) {
        AUTO_FREE char *data = shown(view->event.view.data);
        line("data", COLOUR_NONE, view->has_event ? data : NO_EVENT);
        return;
    }
    (void)puts("\nEvents");
    struct table *table = table_create(4);
    run_view_each_event(view, print_event_of_batch, table);
    table_print(table, "  ");
}

static void print_attempts(const struct run_view *view)
{
    struct bytes tail = view->run->record.tail;
    size_t count = attempt_log_count(tail);
    struct attempt_entry entry;
    struct failure failure;

    if (count == 0)
        return;
    (void)puts("\nAttempts");
    struct table *table = table_create(5);
    for (size_t i = 0; i < count; i++) {
        attempt_log_at(tail, i, &entry, &failure);
        AUTO_FREE char *started = text_date(entry.started_ms);
        AUTO_FREE char *took = text_duration(entry.duration_ms);
        AUTO_FREE char *wait = text_duration(entry.due_ms - entry.started_ms - entry.duration_ms);
        table_add(table, COLOUR_DIM, "%d", entry.attempt);
        table_add(table, COLOUR_NONE, "%s", started);
        table_add(table, COLOUR_DIM, "took %s", took);
        if (entry.due_ms > entry.started_ms + entry.duration_ms)
            table_add(table, COLOUR_DIM, "then waits %s", wait);
        else
            table_add(table, COLOUR_DIM, " ");
        if (entry.failure != NULL)
            table_add(table, COLOUR_RED, "%s%s%s: %s", failure.step_id, failure.step_id[0] != '\0' ? ": " : "", failure.name,
                      failure.message);
        else
            table_add(table, COLOUR_GREEN, "%s", entry.due_ms != 0 ? "sleeps" : "ok");
    }
    table_print(table, "  ");
    if (view->due_ms != 0) {
        AUTO_FREE char *when = text_when(view->due_ms, view->now_ms);
        (void)printf("  next is due %s\n", when);
    }
}

static enum colour step_colour(const struct checkpoint *checkpoint)
{
    if (checkpoint->kind == CHECKPOINT_FAILED)
        return COLOUR_RED;
    return checkpoint->kind == CHECKPOINT_COMPLETED ? COLOUR_GREEN : COLOUR_YELLOW;
}

/* " invokes FUNCTION (run ID)", " waits for EVENT", or nothing. The caller frees. */
static char *awaited_by_step(const struct run_view *view, size_t position)
{
    const struct checkpoint *waiting = run_view_wait_of(view, position);
    struct invoke_view invoked;
    struct wish wish;

    if (waiting == NULL)
        return xstrdup("");
    if (invoke_read(waiting->value, &invoked))
        return xasprintf(" invokes %.*s (run %.*s)", (int)invoked.function_id.size, (const char *)invoked.function_id.data,
                         FIND_SHORT_LENGTH, (const char *)invoked.run_id.data);
    if (!wish_read(waiting, &wish))
        return xstrdup("");
    char *words = xasprintf(" waits for %s%s%s", wish.event, wish.when != NULL ? " when " : "", wish.when != NULL ? wish.when : "");
    wish_done(&wish);
    return words;
}

static void print_steps(const struct run_view *view)
{
    const struct checkpoint *checkpoint;

    if (view->damaged_steps > 0)
        (void)printf("\n%zu checkpoint%s damaged.\n", view->damaged_steps, view->damaged_steps == 1 ? " is" : "s are");
    if (checkpoints_count(view->steps) == 0)
        return;
    (void)puts("\nSteps");
    struct table *table = table_create(4);
    for (size_t i = 0; (checkpoint = checkpoints_at(view->steps, i)) != NULL; i++) {
        if (run_view_is_told_further_on(view, i))
            continue;
        AUTO_FREE char *result = shown_packed(checkpoint->value);
        AUTO_FREE char *awaited = awaited_by_step(view, i);
        AUTO_FREE char *until = text_when(checkpoint->until_ms, view->now_ms);
        table_add(table, COLOUR_NONE, "%s%s%s", checkpoint->phase == RUN_IN_ON_FAILURE ? "on_failure: " : "", checkpoint->id, awaited);
        table_add(table, step_colour(checkpoint), "%s", checkpoint_word(view, checkpoint));
        if (checkpoint->kind == CHECKPOINT_SLEEP)
            table_add(table, COLOUR_DIM, " ");
        else
            table_add(table, COLOUR_DIM, "%d attempt%s", checkpoint->executions, checkpoint->executions == 1 ? "" : "s");
        if (checkpoint->failure != NULL)
            table_add(table, COLOUR_RED, "%s: %s", checkpoint->failure->name, checkpoint->failure->message);
        else if (checkpoint->kind == CHECKPOINT_SLEEP || checkpoint->kind == CHECKPOINT_WAITING)
            table_add(table, COLOUR_NONE, "%s%s", checkpoint->until_ms < WAIT_FOREVER_MS ? "until " : "",
                      checkpoint->until_ms < WAIT_FOREVER_MS ? until : "");
        else
            table_add(table, COLOUR_NONE, "%s", result);
    }
    table_print(table, "  ");
}

static void print_outcome(const struct run_view *view)
{
    if (view->has_error) {
        AUTO_FREE char *text =
            xasprintf("%s: %s%s%s%s", view->error.name, view->error.message, view->error.step_id[0] != '\0' ? " (step " : "",
                      view->error.step_id, view->error.step_id[0] != '\0' ? ")" : "");
        (void)printf("\nError\n  ");
        text_print(COLOUR_RED, text);
        (void)putchar('\n');
    }
    if (view->output.size > 0) {
        AUTO_FREE char *output = shown_packed(view->output);
        (void)printf("\nOutput\n  %s\n", output);
    }
}

static enum ctl_exit run(struct ctl *ctl)
{
    struct loaded_run loaded;
    struct run_view view;

    if (ctl->word_count != 2)
        return ctl_misused(ctl, "which run?");
    enum ctl_exit status = ctl_open_store(ctl);
    if (status == CTL_OK)
        status = find_and_load(ctl, ctl->words[1], &loaded);
    if (status != CTL_OK)
        return status;
    run_view_open(&view, &loaded, store_now_ms(ctl->store));
    view.redact = ctl->config->redact;
    int line = run_view_see_line(&view, ctl->store);
    if (line != 0) {
        status = ctl_store_failed(ctl, line);
    } else if (ctl->is_json) {
        struct json_out out;
        json_out_init(&out);
        run_view_json(&view, &out);
        json_out_print(&out);
    } else {
        print_head(&view);
        print_data(&view);
        print_attempts(&view);
        print_steps(&view);
        print_outcome(&view);
    }
    run_view_done(&view);
    loaded_run_done(&loaded);
    return status;
}

const struct command COMMAND_SHOW = {
    .name = "show",
    .arguments = "RUN",
    .summary = "one run: its event, attempts, steps, error",
    .help = "RUN is a run's id, or as much of its beginning (four digits at least) as no other run shares.\n\n"
            "  stepctl show 8c1f03aa5d2e\n"
            "  stepctl --json show 8c1f03aa5d2e | jq .steps",
    .most_words = 1,
    .run = run,
};
