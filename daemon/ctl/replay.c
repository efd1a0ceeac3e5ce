/* SPDX-License-Identifier: Apache-2.0 */
/* A function starts anew on events that are still in the log. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/setting.h"
#include "ctl/catalog.h"
#include "ctl/choice.h"
#include "ctl/command.h"
#include "ctl/deed.h"
#include "ctl/marks.h"
#include "ctl/progress.h"
#include "ctl/topic_log.h"
#include "ctl/when.h"
#include "event/event.h"
#include "event/event_again.h"
#include "run/flow_ask.h"
#include "run/routes.h"
#include "view/json_out.h"

#define SHELF "replays"
#define BATCH 500 /* messages, then what is done is remembered, and others have Redis for a while */
#define REST_US 20000
#define NAME_SIZE 40

struct replay {
    struct ctl *ctl;
    const char *name;
    const struct function *function;
    struct routes *routes; /* to that function alone */
    struct expression *where;
    int64_t from_ms, to_ms;
    struct kafka reader;
    struct marks marks;
    struct topic_span *spans;
    int64_t *begun; /* where each span began */
    size_t span_count;
    size_t in_batch;
    size_t started;     /* a dry run's: would be */
    size_t undecided;   /* for which the expression failed, */
    struct error why;   /* of the first */
    struct error error; /* what ended it */
    int status;
};

/* ---- one event ------------------------------------------------------------------------------------- */

static bool is_wanted(struct replay *replay, struct event *event)
{
    const struct selection selection = { .where = replay->where };
    const struct function *matched[1];
    struct flow_troubles troubles = { 0 };
    struct error error = { 0 };
    const int64_t now_ms = clock_wall_ms();
    const bool is_malformed = event_find_name(event, &error) != 0;

    if (routes_match(replay->routes, event->view.topic, is_malformed ? NULL : event->view.name, matched, 1) == 0)
        return false;
    if (!flow_wants(replay->function, event, now_ms, &troubles))
        return false;
    if (replay->function->wants != NULL && event_decode(event, &error) == 0 && !replay->function->wants(replay->function, &event->view))
        return false;
    int held = selection_holds(&selection, event, now_ms, &error);
    if (held < 0 && replay->undecided++ == 0)
        replay->why = error;
    return held > 0;
}

static uint32_t random_epoch(void)
{
    uint32_t number = 0;

    (void)!getrandom(&number, sizeof(number), 0);
    return number >> 1 | 1;
}

/* What delays events applies to it: it waits for its turn. */
static int admit_run(struct replay *replay, const struct run *run)
{
    struct store *port = store_port(replay->ctl->store);
    enum flow_answer answer = FLOW_KNOWN;
    struct flow_ask ask;

    flow_ask_init_again(&ask, run->function, run->event, run->created_ms);
    int status = port->ops->admit(port, run, &ask, &answer);
    flow_ask_done(&ask);
    if (status != 0)
        return error_set(&replay->error, -status, "Redis: %s", strerror(-status));
    replay->started += answer == FLOW_IN_LINE;
    return 0;
}

/* The run is in the store from here on, due now; one of its id that is there already stays as it is. */
static int record_run(struct replay *replay, struct event *event, const struct run_id *id)
{
    struct store *port = store_port(replay->ctl->store);
    struct transition_reply reply;
    const struct run run = {
        .function = replay->function,
        .event = event,
        .id = *id,
        .first_epoch = random_epoch(),
        .created_ms = store_now_ms(replay->ctl->store),
    };
    const struct transition change = { .kind = TRANSITION_PARK, .status = RUN_DELAYED, .tail = { "", 0 } };

    assert(!replay->ctl->is_dry_run);
    if (function_is_lined(replay->function))
        return admit_run(replay, &run);
    int status = port->ops->advance(port, &run, &change, &reply);
    if (status != 0)
        return error_set(&replay->error, -status, "Redis: %s", strerror(-status));
    replay->started += reply.answer == STORE_OK;
    return 0;
}

/* With the headers of its message, and what says that it is played again. */
static int start(struct replay *replay, const struct event *found)
{
    const struct run_id of = run_id_of(replay->function, found);
    const struct run_id id = run_id_of_replay(replay->name, &of);
    AUTO_FREE struct event_header *headers = xcalloc(found->header_count + 2, sizeof(*headers));
    const struct stepd_event *view = &found->view;
    struct event event = { 0 };
    struct error error = { 0 };
    size_t count = 0;

    for (size_t i = 0; i < found->header_count; i++)
        headers[count++] = found->headers[i];
    headers[count++] = (struct event_header){ EVENT_REPLAY_HEADER, { replay->name, strlen(replay->name) } };
    headers[count++] = (struct event_header){ EVENT_REPLAY_OF_HEADER, { of.text, RUN_ID_LENGTH } };
    event_init(&event, view->topic, view->partition, view->offset, found->timestamp_ms, (struct bytes){ view->key, view->key_len },
               (struct bytes){ view->raw, view->raw_len }, headers, count);
    event.part = found->part;
    (void)!event_find_name(&event, &error);
    int status = record_run(replay, &event, &id);
    event_done(&event);
    return status;
}

static int take_event(struct replay *replay, struct event *event)
{
    if (!is_wanted(replay, event))
        return 0;
    if (!replay->ctl->is_dry_run)
        return start(replay, event);
    replay->started++;
    return 0;
}

static int take_message(struct replay *replay, const rd_kafka_message_t *message)
{
    struct event_header *headers;
    struct event event = { 0 };
    struct error error = { 0 };
    int status = 0;

    topic_event(message, &event, &headers);
    (void)!event_find_name(&event, &error);
    if (event.parts == NULL)
        status = take_event(replay, &event);
    for (size_t i = 0; event.parts != NULL && i < event.parts->count && status == 0; i++)
        status = take_event(replay, &event.parts->events[i]);
    event_done(&event);
    free(headers);
    return status;
}

/* ---- the log --------------------------------------------------------------------------------------- */

static int remember(struct replay *replay)
{
    replay->in_batch = 0;
    if (replay->ctl->is_dry_run)
        return 0;
    for (size_t i = 0; i < replay->span_count; i++)
        marks_add(&replay->marks, replay->spans[i].partition, replay->begun[i], replay->spans[i].first);
    int status = marks_save(replay->ctl->store, &replay->marks);
    (void)usleep(REST_US);
    return status == 0 ? 0 : error_set(&replay->error, -status, "Redis: %s", strerror(-status));
}

static bool take(void *context, const rd_kafka_message_t *message)
{
    struct replay *replay = context;

    if (replay->in_batch >= BATCH)
        replay->status = remember(replay);
    if (replay->status != 0 || progress_is_stopped())
        return false;
    replay->in_batch++;
    if (!marks_have(&replay->marks, message->partition, message->offset))
        replay->status = take_message(replay, message);
    progress_show("started", replay->started, 0);
    return replay->status == 0;
}

static int read_log(struct replay *replay)
{
    const char *topic = replay->ctl->topic;

    assert(replay->spans == NULL && replay->from_ms <= replay->to_ms);
    int status = topic_spans(&replay->reader, topic, &replay->spans, &replay->span_count, &replay->error);
    if (status == 0)
        status = topic_spans_cut(&replay->reader, topic, replay->from_ms, replay->to_ms, replay->spans, replay->span_count, &replay->error);
    if (status != 0)
        return status;
    replay->begun = xcalloc(replay->span_count + 1, sizeof(*replay->begun));
    marks_skip(&replay->marks, replay->spans, replay->span_count);
    for (size_t i = 0; i < replay->span_count; i++)
        replay->begun[i] = replay->spans[i].first;
    status = topic_read(&replay->reader, topic, replay->spans, replay->span_count, take, replay, &replay->error);
    if (status == 0)
        status = replay->status;
    return status == 0 ? remember(replay) : status;
}

/* ---- the command ----------------------------------------------------------------------------------- */

static enum ctl_exit read_span(struct replay *replay)
{
    const struct ctl *ctl = replay->ctl;
    const int64_t now_ms = clock_wall_ms();
    struct error error = { 0 };

    if (ctl->function == NULL || ctl->topic == NULL || ctl->from == NULL || ctl->to == NULL)
        return ctl_misused(ctl, "it wants --function, --topic, --from and --to");
    if (ctl->name != NULL && ctl->name[0] == '\0')
        return ctl_misused(ctl, "--name wants a name");
    if (when_since(ctl->from, now_ms, &replay->from_ms, &error) != 0)
        return ctl_misused(ctl, "--from: %s", error.text);
    if (when_until(ctl->to, now_ms, replay->from_ms, &replay->to_ms, &error) != 0)
        return ctl_misused(ctl, "--to: %s", error.text);
    if (replay->to_ms < replay->from_ms)
        return ctl_misused(ctl, "--to is before --from");
    return choice_compile(ctl, &replay->where);
}

/* What a name stands for: another use of it is refused, or one event might be started twice under it. */
static char *purpose(const struct ctl *ctl)
{
    return xasprintf("--function %s --topic %s%s%s", ctl->function, ctl->topic, ctl->where != NULL ? " --where " : "",
                     ctl->where != NULL ? ctl->where : "");
}

static enum ctl_exit load_marks(struct replay *replay)
{
    AUTO_FREE char *what = purpose(replay->ctl);
    int status = marks_load(replay->ctl->store, SHELF, replay->name, what, &replay->marks, &replay->error);

    if (status == -EINVAL)
        return ctl_misused(replay->ctl, "a replay named '%s' was: %s; give this one another name", replay->name, replay->error.text);
    return status != 0 ? ctl_store_failed(replay->ctl, status) : CTL_OK;
}

static void print_result(const struct replay *replay)
{
    const struct ctl *ctl = replay->ctl;

    if (replay->undecided > 0)
        (void)fprintf(stderr, "stepctl: --where failed for %zu event%s, left out: %s\n", replay->undecided,
                      replay->undecided == 1 ? "" : "s", replay->why.text);
    if (ctl->is_json) {
        struct json_out out;
        json_out_init(&out);
        json_out_open(&out, NULL, '{');
        json_out_text(&out, "name", replay->name);
        if (ctl->is_dry_run)
            json_out_bool(&out, "dry_run", true);
        json_out_number(&out, ctl->is_dry_run ? "found" : "started", (int64_t)replay->started);
        if (ctl->is_dry_run)
            json_out_number(&out, "started", 0);
        json_out_close(&out, '{');
        json_out_print(&out);
    } else if (replay->started == 0) {
        (void)puts("none");
    } else if (ctl->is_dry_run) {
        (void)printf("%zu run%s of %s would start.\n", replay->started, replay->started == 1 ? "" : "s", replay->function->id);
    } else {
        (void)printf("%zu run%s of %s started, by the name %s.\n", replay->started, replay->started == 1 ? "" : "s", replay->function->id,
                     replay->name);
    }
}

static enum ctl_exit end(struct replay *replay, int status)
{
    progress_end();
    if (status == 0)
        print_result(replay);
    if (status == -ENOENT)
        return ctl_fail(CTL_NOT_FOUND, "%s", replay->error.text);
    if (status == -EAGAIN)
        return ctl_fail(CTL_UNREACHABLE, "%s (kafka.bootstrap.servers of %s)", replay->error.text, replay->ctl->config->path);
    if (status != 0)
        return ctl_fail(CTL_FAILED, "%s; with --name %s the same command goes on with the rest", replay->error.text, replay->name);
    if (progress_is_stopped())
        return ctl_fail(CTL_FAILED, "stopped; with --name %s the same command goes on with the rest", replay->name);
    return CTL_OK;
}

static enum ctl_exit play(struct replay *replay)
{
    assert(replay->function != NULL && replay->ctl->store != NULL);
    enum ctl_exit loaded = load_marks(replay);

    if (loaded != CTL_OK)
        return loaded;
    replay->routes = routes_create(&replay->function, 1);
    int status = kafka_open_reader(&replay->reader, replay->ctl->config, &replay->error);
    progress_begin();
    if (status == 0)
        status = read_log(replay);
    if (replay->started > 0 && !replay->ctl->is_dry_run)
        deed_tell(replay->ctl, "%zu event%s replayed for function %s (%s)", replay->started, replay->started == 1 ? "" : "s",
                  replay->function->id, replay->name);
    enum ctl_exit answer = end(replay, status);
    kafka_close(&replay->reader);
    routes_destroy(replay->routes);
    free(replay->spans);
    free(replay->begun);
    return answer;
}

static enum ctl_exit play_function(struct ctl *ctl, struct replay *replay)
{
    struct catalog catalog;

    enum ctl_exit status = catalog_open(ctl, &catalog);
    if (status == CTL_OK) {
        replay->function = catalog_find(&catalog, ctl->function);
        if (replay->function == NULL)
            status = ctl_fail(CTL_NOT_FOUND, "there is no function '%s'; `stepctl functions` lists them", ctl->function);
    }
    if (status == CTL_OK && ctl->store == NULL)
        status = ctl_open_store(ctl);
    if (status == CTL_OK)
        status = play(replay);
    catalog_close(&catalog);
    return status;
}

/* "20261128T143000Z-a1b2c3": nobody else's. */
static void make_name(char name[NAME_SIZE])
{
    const time_t now = time(NULL);
    struct tm parts;
    uint32_t number = random_epoch();

    (void)gmtime_r(&now, &parts);
    size_t length = strftime(name, NAME_SIZE, "%Y%m%dT%H%M%SZ", &parts);
    (void)snprintf(name + length, NAME_SIZE - length, "-%06" PRIx32, number & 0xffffff);
}

static enum ctl_exit run(struct ctl *ctl)
{
    AUTO_FREE struct replay *replay = xcalloc(1, sizeof(*replay));
    char name[NAME_SIZE];

    make_name(name);
    replay->ctl = ctl;
    replay->name = ctl->name != NULL ? ctl->name : name;
    enum ctl_exit status = read_span(replay);
    if (status == CTL_OK)
        status = play_function(ctl, replay);
    marks_done(&replay->marks);
    expression_destroy(replay->where);
    return status;
}

const struct command COMMAND_REPLAY = {
    .name = "replay",
    .arguments = "--function F --topic T --from TIME --to TIME [--where EXPR] [--name NAME] [--dry-run]",
    .summary = "a function starts anew on events of the log",
    .help = "Starts F on each event of the topic that its trigger takes, from the first as young as --from to the last\n"
            "before one younger than --to. The runs have ids of their own, are marked as replayed, and linked to the run\n"
            "that the event started first (`replay` in JSON). No other function runs; F's steps begin from the first.\n"
            "What drops events (dedupe) does not apply.\n\n"
            "A replay has a name. Under the same name an event starts nothing twice, so that a replay that was stopped\n"
            "goes on; without --name it gets one of its own.\n\n"
            "  stepctl replay --function invoice --topic orders --from 14:30 --to 15:10 --dry-run\n"
            "  stepctl replay --function invoice --topic orders --from -2h --to -1h --name fix-17 --where 'event.data.total > 100'",
    .options = TAKES_FUNCTION | TAKES_TOPIC | TAKES_SPAN | TAKES_WHERE | TAKES_NAME | TAKES_DRY_RUN,
    .most_words = 0,
    .run = run,
};
