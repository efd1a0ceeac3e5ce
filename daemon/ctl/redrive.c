/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters go to their topics again. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "config/setting.h"
#include "ctl/choice.h"
#include "ctl/command.h"
#include "ctl/deed.h"
#include "ctl/marks.h"
#include "ctl/progress.h"
#include "ctl/topic_log.h"
#include "event/event_again.h"
#include "run/emit.h"
#include "view/json_out.h"

#define SHELF "redrives"
#define NAME_DEFAULT "redrive"
#define BATCH 500                     /* messages that are on their way together, */
#define BATCH_BYTES (8 * 1024 * 1024) /* unless they are large */

struct redrive {
    struct ctl *ctl;
    const char *name;
    struct expression *where;
    struct kafka reader, writer;
    const struct rd_kafka_metadata *metadata;
    struct marks marks;
    struct topic_span *spans; /* of the topic that is read, */
    int64_t *begun;           /* and where each began */
    size_t span_count;
    struct kafka_sending sending;
    size_t in_batch;
    size_t found;       /* dead letters that are meant */
    size_t foreign;     /* messages that are no dead letters of ours */
    size_t undecided;   /* for which the expression failed, */
    struct error why;   /* of the first */
    struct error error; /* what ended it */
    int status;
};

/* ---- one letter ------------------------------------------------------------------------------------ */

/* Where the message was. */
struct origin {
    char *topic;    /* NULL: it is no letter of ours */
    char *function; /* NULL: no function was given it */
    int64_t partition, offset;
};

static char *header_text(const struct event_header *headers, size_t count, const char *name)
{
    for (size_t i = count; i-- > 0;)
        if (strcmp(headers[i].name, name) == 0 && headers[i].value.data != NULL)
            return xstrndup(headers[i].value.data, headers[i].value.size);
    return NULL;
}

static int64_t header_number(const struct event_header *headers, size_t count, const char *name)
{
    AUTO_FREE char *text = header_text(headers, count, name);
    int64_t number = -1;

    return text != NULL && parse_int(text, &number) == 0 ? number : -1;
}

static struct origin origin_of(const struct event_header *headers, size_t count)
{
    return (struct origin){
        .topic = header_text(headers, count, "stepd-topic"),
        .function = header_text(headers, count, "stepd-function"),
        .partition = header_number(headers, count, "stepd-partition"),
        .offset = header_number(headers, count, "stepd-offset"),
    };
}

static void origin_done(struct origin *origin)
{
    free(origin->topic);
    free(origin->function);
}

/* The event's own, and ours that says it is sent again. */
static rd_kafka_headers_t *headers_to_send(const struct redrive *redrive, const struct event_header *headers, size_t count)
{
    rd_kafka_headers_t *list = rd_kafka_headers_new(count + 1);

    for (size_t i = 0; i < count; i++)
        if (!event_header_is_own(headers[i].name))
            (void)rd_kafka_header_add(list, headers[i].name, -1, headers[i].value.data, (ssize_t)headers[i].value.size);
    (void)rd_kafka_header_add(list, EVENT_REDRIVE_HEADER, -1, redrive->name, -1);
    return list;
}

/* As the function saw it: at its own place, without what the letter adds. */
static bool holds(struct redrive *redrive, const rd_kafka_message_t *message, const struct origin *origin,
                  const struct event_header *headers, size_t count)
{
    const struct selection selection = { .where = redrive->where };
    AUTO_FREE struct event_header *own = xcalloc(count + 1, sizeof(*own));
    struct event event = { 0 };
    struct error error = { 0 };
    size_t own_count = 0;

    if (redrive->where == NULL)
        return true;
    for (size_t i = 0; i < count; i++)
        if (!event_header_is_own(headers[i].name))
            own[own_count++] = headers[i];
    event_init(&event, origin->topic, (int32_t)origin->partition, origin->offset, rd_kafka_message_timestamp(message, NULL),
               (struct bytes){ message->key, message->key_len }, (struct bytes){ message->payload, message->len }, own, own_count);
    (void)event_find_name(&event, &error);
    int held = selection_holds(&selection, &event, clock_wall_ms(), &error);
    event_done(&event);
    if (held < 0 && redrive->undecided++ == 0)
        redrive->why = error;
    return held > 0;
}

/* The partition that it came from, where there is one: what has its key stays together, whoever chose the partition. */
static int32_t partition_to_send(const struct redrive *redrive, const struct origin *origin)
{
    const struct rd_kafka_metadata *metadata = redrive->metadata;

    assert(metadata != NULL && origin->topic != NULL);
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (strcmp(metadata->topics[i].topic, origin->topic) == 0 && origin->partition >= 0 &&
            origin->partition < metadata->topics[i].partition_cnt)
            return (int32_t)origin->partition;
    return RD_KAFKA_PARTITION_UA;
}

static int send_again(struct redrive *redrive, const rd_kafka_message_t *message, const struct origin *origin,
                      const struct event_header *headers, size_t count)
{
    assert(!redrive->ctl->is_dry_run);
    rd_kafka_headers_t *list = headers_to_send(redrive, headers, count);
    int status =
        kafka_send(&redrive->writer, origin->topic, partition_to_send(redrive, origin), (struct bytes){ message->key, message->key_len },
                   (struct bytes){ message->payload, message->len }, list, &redrive->sending, &redrive->error);

    if (status != 0)
        rd_kafka_headers_destroy(list);
    return status;
}

/* ---- a topic of them ------------------------------------------------------------------------------- */

/* What was read is done once the brokers have what was sent of it; that is remembered. */
static int settle(struct redrive *redrive)
{
    assert(redrive->span_count == 0 || redrive->begun != NULL);
    int status = kafka_settle(&redrive->writer, &redrive->sending, &redrive->error);

    redrive->in_batch = 0;
    if (status != 0 || redrive->ctl->is_dry_run)
        return status;
    for (size_t i = 0; i < redrive->span_count; i++)
        marks_add(&redrive->marks, redrive->spans[i].partition, redrive->begun[i], redrive->spans[i].first);
    status = marks_save(redrive->ctl->store, &redrive->marks);
    return status == 0 ? 0 : error_set(&redrive->error, -status, "Redis: %s", strerror(-status));
}

static bool is_meant(struct redrive *redrive, const rd_kafka_message_t *message, const struct origin *origin,
                     const struct event_header *headers, size_t count)
{
    const char *function = redrive->ctl->function;

    if (origin->topic == NULL) {
        redrive->foreign++;
        return false;
    }
    if (function != NULL && (origin->function == NULL || strcmp(function, origin->function) != 0))
        return false;
    return holds(redrive, message, origin, headers, count);
}

static bool take(void *context, const rd_kafka_message_t *message)
{
    struct redrive *redrive = context;
    size_t count = 0;
    AUTO_FREE struct event_header *headers = topic_headers(message, &count);

    /* Before this one: its span is not yet behind it. */
    if (redrive->in_batch >= BATCH || redrive->sending.bytes >= BATCH_BYTES)
        redrive->status = settle(redrive);
    if (redrive->status != 0 || progress_is_stopped())
        return false;
    struct origin origin = origin_of(headers, count);
    if (is_meant(redrive, message, &origin, headers, count)) {
        redrive->found++;
        if (!redrive->ctl->is_dry_run)
            redrive->status = send_again(redrive, message, &origin, headers, count);
        progress_show("redriven", redrive->found, 0);
    }
    redrive->in_batch++;
    origin_done(&origin);
    return redrive->status == 0;
}

/* What is remembered is told by all that chooses. */
static char *memory_name(const struct redrive *redrive, const char *topic)
{
    struct json_out out;

    json_out_init(&out);
    json_out_open(&out, NULL, '[');
    json_out_text(&out, NULL, redrive->name);
    json_out_text(&out, NULL, topic);
    json_out_text(&out, NULL, redrive->ctl->function);
    json_out_text(&out, NULL, redrive->ctl->where);
    json_out_close(&out, '[');
    char *text = xstrndup(out.buffer.data, out.buffer.size);
    json_out_done(&out);
    return text;
}

static int read_spans(struct redrive *redrive, const char *topic)
{
    redrive->begun = xcalloc(redrive->span_count + 1, sizeof(*redrive->begun));
    if (!redrive->ctl->is_again)
        marks_skip(&redrive->marks, redrive->spans, redrive->span_count);
    for (size_t i = 0; i < redrive->span_count; i++)
        redrive->begun[i] = redrive->spans[i].first;
    int status = topic_read(&redrive->reader, topic, redrive->spans, redrive->span_count, take, redrive, &redrive->error);
    if (status == 0)
        status = redrive->status;
    return status == 0 ? settle(redrive) : status;
}

/* A topic that is not there has no letters. */
static int redrive_topic(struct redrive *redrive, const char *topic)
{
    AUTO_FREE char *name = memory_name(redrive, topic);

    assert(redrive->spans == NULL && redrive->begun == NULL); /* the topic before is done with */
    int status = topic_spans(&redrive->reader, topic, &redrive->spans, &redrive->span_count, &redrive->error);
    if (status != 0)
        return status == -ENOENT && redrive->ctl->topic == NULL ? 0 : status;
    status = marks_load(redrive->ctl->store, SHELF, name, "", &redrive->marks, &redrive->error);
    if (status == 0)
        status = read_spans(redrive, topic);
    /* What is still on its way names memory of ours. */
    (void)kafka_settle(&redrive->writer, &redrive->sending, &redrive->error);
    marks_done(&redrive->marks);
    free(redrive->spans);
    free(redrive->begun);
    redrive->spans = NULL;
    redrive->begun = NULL;
    redrive->span_count = 0;
    return status;
}

/* ---- the command ----------------------------------------------------------------------------------- */

/* That of --topic, or those of all topics that the config reads, each once. */
static int redrive_topics(struct redrive *redrive)
{
    const struct config *config = redrive->ctl->config;
    char *before = NULL;
    int status = 0;

    if (redrive->ctl->topic != NULL)
        return redrive_topic(redrive, redrive->ctl->topic);
    for (size_t i = 0; config->topics[i] != NULL && status == 0 && !progress_is_stopped(); i++) {
        char *topic = emit_letter_topic(config->dead_letter_topic, config->topics[i]);
        if (before == NULL || strcmp(before, topic) != 0)
            status = redrive_topic(redrive, topic);
        free(before);
        before = topic;
    }
    free(before);
    return status;
}

static void print_result(const struct redrive *redrive)
{
    const struct ctl *ctl = redrive->ctl;

    if (redrive->foreign > 0)
        (void)fprintf(stderr, "stepctl: %zu message%s passed over: no `stepd-topic` says where to\n", redrive->foreign,
                      redrive->foreign == 1 ? " is" : "s are");
    if (redrive->undecided > 0)
        (void)fprintf(stderr, "stepctl: --where failed for %zu dead letter%s, left out: %s\n", redrive->undecided,
                      redrive->undecided == 1 ? "" : "s", redrive->why.text);
    if (ctl->is_json && ctl->is_dry_run)
        (void)printf("{\"dry_run\":true,\"found\":%zu,\"redriven\":0}\n", redrive->found);
    else if (ctl->is_json)
        (void)printf("{\"redriven\":%zu}\n", redrive->found);
    else if (redrive->found == 0)
        (void)puts("none");
    else
        (void)printf("%zu dead letter%s %s.\n", redrive->found, redrive->found == 1 ? "" : "s",
                     ctl->is_dry_run       ? "would go to their topics again"
                     : redrive->found == 1 ? "is in its topic again"
                                           : "are in their topics again");
}

static enum ctl_exit end(struct redrive *redrive, int status)
{
    progress_end();
    if (status == 0)
        print_result(redrive);
    if (status == -ENOENT)
        return ctl_fail(CTL_NOT_FOUND, "%s", redrive->error.text);
    if (status == -EAGAIN)
        return ctl_fail(CTL_UNREACHABLE, "%s (kafka.bootstrap.servers of %s)", redrive->error.text, redrive->ctl->config->path);
    if (status != 0)
        return ctl_fail(CTL_FAILED, "%s; the same command goes on with the rest", redrive->error.text);
    if (progress_is_stopped())
        return ctl_fail(CTL_FAILED, "stopped; the same command goes on with the rest");
    return CTL_OK;
}

static enum ctl_exit redrive_all(struct redrive *redrive)
{
    int status = kafka_open_reader(&redrive->reader, redrive->ctl->config, &redrive->error);

    if (status == 0)
        status = kafka_open(&redrive->writer, redrive->ctl->config, &redrive->error);
    if (status == 0)
        status = kafka_look(&redrive->writer, &redrive->metadata, &redrive->error);
    progress_begin();
    if (status == 0)
        status = redrive_topics(redrive);
    if (redrive->found > 0 && !redrive->ctl->is_dry_run)
        deed_tell(redrive->ctl, "%zu dead letter%s redriven (%s)", redrive->found, redrive->found == 1 ? "" : "s", redrive->name);
    enum ctl_exit answer = end(redrive, status);
    if (redrive->metadata != NULL)
        rd_kafka_metadata_destroy(redrive->metadata);
    kafka_close(&redrive->writer);
    kafka_close(&redrive->reader);
    return answer;
}

static enum ctl_exit run(struct ctl *ctl)
{
    AUTO_FREE struct redrive *redrive = xcalloc(1, sizeof(*redrive));

    redrive->ctl = ctl;
    redrive->name = ctl->name != NULL ? ctl->name : NAME_DEFAULT;
    enum ctl_exit status = choice_compile(ctl, &redrive->where);
    if (status == CTL_OK && redrive->name[0] == '\0')
        status = ctl_misused(ctl, "--name wants a name");
    if (status == CTL_OK)
        status = ctl_open_store(ctl);
    if (status == CTL_OK && ctl->topic != NULL && config_reads_topic(ctl->config, ctl->topic))
        status = ctl_misused(ctl, "'%s' is read for events: name the topic of its dead letters", ctl->topic);
    if (status == CTL_OK)
        status = redrive_all(redrive);
    expression_destroy(redrive->where);
    return status;
}

const struct command COMMAND_REDRIVE = {
    .name = "redrive",
    .arguments = "[--topic T.dead] [--function F] [--where EXPR] [--name NAME] [--again] [--dry-run]",
    .summary = "dead letters go to their topics again",
    .help = "Sends dead letters to the topics, and the partitions, that they came from: their bytes, key and headers,\n"
            "without stepd's own but `stepd-redrive: NAME`. All functions of the event run. What drops events (dedupe)\n"
            "lets them through. Without --topic those of all topics of the config.\n\n"
            "It remembers how far it came, by name, topic, function and expression: run again it sends what has come\n"
            "since; with --again it sends all. To start failed runs alone anew, see `stepctl retry`.\n\n"
            "  stepctl redrive --dry-run\n"
            "  stepctl redrive --topic orders.dead --function charge --where 'event.data.total > 100'",
    .options = TAKES_TOPIC | TAKES_FUNCTION | TAKES_WHERE | TAKES_NAME | TAKES_AGAIN | TAKES_DRY_RUN,
    .most_words = 0,
    .run = run,
};
