/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/offset_times.h"

#include <assert.h>
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/memory.h"
#include "base/thread.h"
#include "dev/apis.h"

enum {
    TIME_LATEST = -1, /* else below 0: the earliest */
    FIRST_WITH_TIMES = 1,
    ASK_MS = 5000
};

struct question {
    struct question *next;
    void *ticket;
    int16_t version;
    struct wire_buffer request, answer;
};

struct question_list {
    struct question *first, **last;
};

struct offset_times {
    struct thread thread;
    rd_kafka_t *consumer; /* the thread only, once it runs */
    int answered_fd;
    struct condition changed;
    struct lock lock; /* guards what follows */
    struct question_list asked, answered;
    bool is_stopping;
};

static void list_add(struct question_list *list, struct question *question)
{
    question->next = NULL;
    *list->last = question;
    list->last = &question->next;
}

static struct question *list_take(struct question_list *list)
{
    struct question *question = list->first;

    if (question == NULL)
        return NULL;
    list->first = question->next;
    if (list->first == NULL)
        list->last = &list->first;
    return question;
}

static void question_free(struct question *question)
{
    wire_buffer_done(&question->request);
    wire_buffer_done(&question->answer);
    free(question);
}

/* ---- the request ---- */

struct asked_partition {
    struct wire_span topic;
    int32_t partition;
    int64_t time_ms; /* below 0: an end */
};

static void skip_head(int16_t version, struct wire_reader *request)
{
    (void)wire_read_i32(request); /* replica */
    if (version >= 2)
        (void)wire_read_i8(request); /* isolation */
}

static struct asked_partition read_partition(struct wire_reader *request, struct wire_span topic)
{
    struct asked_partition asked = { .topic = topic, .partition = wire_read_i32(request) };

    asked.time_ms = wire_read_i64(request);
    return asked;
}

bool offset_times_are_asked(int16_t version, struct wire_reader request)
{
    bool are_asked = false;

    if (version < FIRST_WITH_TIMES)
        return false;
    skip_head(version, &request);
    for (int32_t topics = wire_read_i32(&request); topics > 0 && !request.is_short; topics--) {
        const struct wire_span topic = wire_read_string(&request);
        for (int32_t partitions = wire_read_i32(&request); partitions > 0 && !request.is_short; partitions--)
            are_asked |= read_partition(&request, topic).time_ms >= 0;
    }
    return are_asked && !request.is_short;
}

/* ---- the log ---- */

struct found {
    int16_t code;
    int64_t time_ms, offset; /* -1: no message is as young */
};

static const struct found NOTHING = { OK, -1, -1 };

/* What librdkafka says without a broker's answer is that there is no such partition. */
static struct found failure(rd_kafka_resp_err_t failed)
{
    return (struct found){ failed > 0 ? (int16_t)failed : UNKNOWN_TOPIC_OR_PARTITION, -1, -1 };
}

/* The next message. */
static struct found read_next(rd_kafka_topic_t *topic, int32_t partition)
{
    rd_kafka_message_t *message = rd_kafka_consume(topic, partition, ASK_MS);

    if (message == NULL)
        return (struct found){ REQUEST_TIMED_OUT, -1, -1 };
    struct found read = { OK, rd_kafka_message_timestamp(message, NULL), message->offset };
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        read = failure(message->err);
    rd_kafka_message_destroy(message);
    return read;
}

static struct found read_from(rd_kafka_topic_t *topic, const struct asked_partition *asked, int64_t first, int64_t end)
{
    if (rd_kafka_consume_start(topic, asked->partition, first) != 0)
        return failure(rd_kafka_last_error());
    struct found found = { .time_ms = -1, .offset = first - 1 };
    while (found.code == OK && found.time_ms < asked->time_ms && found.offset + 1 < end)
        found = read_next(topic, asked->partition);
    (void)rd_kafka_consume_stop(topic, asked->partition);
    return found.code == OK && found.time_ms < asked->time_ms ? NOTHING : found;
}

static struct found find(rd_kafka_t *consumer, const struct asked_partition *asked)
{
    AUTO_FREE char *name = wire_span_text(asked->topic);
    int64_t first = 0, end = 0;
    rd_kafka_resp_err_t failed = rd_kafka_query_watermark_offsets(consumer, name, asked->partition, &first, &end, ASK_MS);

    if (failed != RD_KAFKA_RESP_ERR_NO_ERROR)
        return failure(failed);
    if (asked->time_ms < 0)
        return (struct found){ OK, -1, asked->time_ms == TIME_LATEST ? end : first };
    rd_kafka_topic_t *topic = rd_kafka_topic_new(consumer, name, NULL);
    const struct found found = topic != NULL ? read_from(topic, asked, first, end) : failure(rd_kafka_last_error());
    if (topic != NULL)
        rd_kafka_topic_destroy(topic);
    return found;
}

/* ---- the answer ---- */

static void put_partition(struct wire_buffer *answer, int32_t partition, struct found found)
{
    wire_put_i32(answer, partition);
    wire_put_i16(answer, found.code);
    wire_put_i64(answer, found.time_ms);
    wire_put_i64(answer, found.offset);
}

static void answer(struct offset_times *times, struct question *question)
{
    struct wire_reader request = wire_reader(wire_buffer_data(&question->request), wire_buffer_size(&question->request));

    skip_head(question->version, &request);
    int32_t topics = wire_read_i32(&request);
    wire_put_throttle(&question->answer, question->version, 2);
    wire_put_i32(&question->answer, topics);
    for (; topics > 0 && !request.is_short; topics--) {
        const struct wire_span topic = wire_read_string(&request);
        int32_t partitions = wire_read_i32(&request);
        wire_put_string_span(&question->answer, topic);
        wire_put_i32(&question->answer, partitions);
        for (; partitions > 0 && !request.is_short; partitions--) {
            const struct asked_partition asked = read_partition(&request, topic);
            put_partition(&question->answer, asked.partition, find(times->consumer, &asked));
        }
    }
}

/* ---- the thread ---- */

/* Waits for one; NULL: it is over. */
static struct question *next_question(struct offset_times *times)
{
    LOCK_GUARD(&times->lock);
    while (!times->is_stopping && times->asked.first == NULL)
        condition_wait(&times->changed, &times->lock);
    return times->is_stopping ? NULL : list_take(&times->asked);
}

static void give_back(struct offset_times *times, struct question *question)
{
    const uint64_t one = 1;

    {
        LOCK_GUARD(&times->lock);
        list_add(&times->answered, question);
    }
    ssize_t written = write(times->answered_fd, &one, sizeof(one));
    assert(written == sizeof(one));
}

static void *answer_all(void *opaque)
{
    struct offset_times *times = opaque;
    struct question *question;

    while ((question = next_question(times)) != NULL) {
        answer(times, question);
        give_back(times, question);
    }
    return NULL;
}

static int create_consumer(struct offset_times *times, uint16_t broker_port, struct error *ret_error)
{
    char address[40], text[160];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", broker_port);
    (void)rd_kafka_conf_set(conf, "bootstrap.servers", address, text, sizeof(text));
    (void)rd_kafka_conf_set(conf, "client.id", "stepd-dev-offset-times", text, sizeof(text));
    (void)rd_kafka_conf_set(conf, "log_level", "2", text, sizeof(text));
    (void)rd_kafka_conf_set(conf, "fetch.wait.max.ms", "10", text, sizeof(text));
    times->consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
    if (times->consumer != NULL)
        return 0;
    rd_kafka_conf_destroy(conf);
    return error_set(ret_error, EIO, "the embedded broker does not start: %s", text);
}

int offset_times_start(uint16_t broker_port, struct offset_times **ret_times, struct error *ret_error)
{
    struct offset_times *times = xcalloc(1, sizeof(*times));

    lock_init(&times->lock);
    condition_init(&times->changed);
    times->asked.last = &times->asked.first;
    times->answered.last = &times->answered.first;
    times->answered_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int status = times->answered_fd < 0 ? error_set(ret_error, EMFILE, "the embedded broker does not start: no descriptor is free") : 0;
    if (status == 0)
        status = create_consumer(times, broker_port, ret_error);
    if (status == 0)
        status = thread_start(&times->thread, "offset-times", 0, answer_all, times, ret_error);
    if (status != 0) {
        offset_times_stop(times);
        return status;
    }
    *ret_times = times;
    return 0;
}

static void stop_thread(struct offset_times *times)
{
    {
        LOCK_GUARD(&times->lock);
        times->is_stopping = true;
        condition_wake_all(&times->changed);
    }
    thread_join(&times->thread);
}

void offset_times_stop(struct offset_times *times)
{
    struct question *question;

    if (times == NULL)
        return;
    stop_thread(times);
    while ((question = list_take(&times->asked)) != NULL || (question = list_take(&times->answered)) != NULL)
        question_free(question);
    if (times->consumer != NULL)
        rd_kafka_destroy(times->consumer);
    if (times->answered_fd >= 0)
        (void)close(times->answered_fd);
    condition_done(&times->changed);
    lock_done(&times->lock);
    free(times);
}

/* ---- the forwarder's side ---- */

void offset_times_ask(struct offset_times *times, void *ticket, int16_t version, struct wire_reader request)
{
    struct question *question = xcalloc(1, sizeof(*question));

    question->ticket = ticket;
    question->version = version;
    wire_buffer_add(&question->request, request.at, (size_t)(request.end - request.at));
    LOCK_GUARD(&times->lock);
    list_add(&times->asked, question);
    condition_wake_one(&times->changed);
}

int offset_times_fd(const struct offset_times *times)
{
    return times->answered_fd;
}

void *offset_times_take(struct offset_times *times, struct wire_buffer *ret_answer)
{
    struct question *question;
    uint64_t count;

    (void)!read(times->answered_fd, &count, sizeof(count)); /* first: what is answered after that wakes again */
    {
        LOCK_GUARD(&times->lock);
        question = list_take(&times->answered);
    }
    if (question == NULL)
        return NULL;
    void *ticket = question->ticket;
    *ret_answer = question->answer;
    question->answer = (struct wire_buffer){ 0 };
    question_free(question);
    return ticket;
}
