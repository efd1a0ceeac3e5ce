/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "ctl/command.h"
#include "ctl/kafka.h"
#include "view/json_out.h"

/* All of standard input. */
static int read_input(msgpack_sbuffer *text)
{
    char part[4096];
    size_t size;

    while ((size = fread(part, 1, sizeof(part), stdin)) > 0)
        if (msgpack_sbuffer_write(text, part, size) != 0)
            abort();
    return ferror(stdin) != 0 ? -EIO : 0;
}

/* Appends the envelope {"id":…,"name":…,"data":…}. */
static enum ctl_exit write_envelope(const struct ctl *ctl, struct bytes data, struct json_out *out)
{
    struct error error = { 0 };
    msgpack_object object;
    msgpack_zone zone;

    if (!msgpack_zone_init(&zone, 4096))
        abort();
    int status = json_decode(data, &zone, &object, &error);
    if (status == 0) {
        json_out_open(out, NULL, '{');
        if (ctl->id != NULL)
            json_out_text(out, "id", ctl->id);
        json_out_text(out, "name", ctl->words[1]);
        json_out_object(out, "data", &object);
        json_out_close(out, '{');
    }
    msgpack_zone_destroy(&zone);
    return status == 0 ? CTL_OK : ctl_fail(CTL_USAGE, "the data: %s", error.text);
}

static enum ctl_exit make_message(const struct ctl *ctl, struct json_out *out)
{
    const char *data = ctl->word_count == 3 ? ctl->words[2] : "{}";
    msgpack_sbuffer input;

    assert(ctl->word_count >= 2); /* its name */
    msgpack_sbuffer_init(&input);
    enum ctl_exit status = CTL_OK;
    if (strcmp(data, "-") != 0)
        (void)msgpack_sbuffer_write(&input, data, strlen(data));
    else if (read_input(&input) != 0)
        status = ctl_fail(CTL_FAILED, "standard input can't be read: %s", strerror(errno));
    if (status == CTL_OK)
        status = write_envelope(ctl, (struct bytes){ input.data, input.size }, out);
    msgpack_sbuffer_destroy(&input);
    return status;
}

static enum ctl_exit produce(struct ctl *ctl, const char *topic, struct bytes value)
{
    struct bytes key = { ctl->key, ctl->key != NULL ? strlen(ctl->key) : 0 };
    struct kafka_place place;
    struct error error = { 0 };
    struct kafka kafka;

    if (kafka_open(&kafka, ctl->config, &error) != 0)
        return ctl_fail(CTL_FAILED, "%s (in %s)", error.text, ctl->config->path);
    int status = kafka_produce(&kafka, topic, key, value, &place, &error);
    kafka_close(&kafka);
    if (status == -EAGAIN)
        return ctl_fail(CTL_UNREACHABLE, "%s (kafka.bootstrap.servers of %s)", error.text, ctl->config->path);
    if (status != 0)
        return ctl_fail(CTL_FAILED, "%s", error.text);
    const char *who_reads = config_reads_topic(ctl->config, topic) ? "" : ", which this config does not read";
    if (ctl->is_json)
        (void)printf("{\"topic\":\"%s\",\"partition\":%d,\"offset\":%" PRId64 "}\n", topic, (int)place.partition, place.offset);
    else
        (void)printf("%s is in %s%s, partition %d, offset %" PRId64 "\n", ctl->words[1], topic, who_reads, (int)place.partition,
                     place.offset);
    return CTL_OK;
}

static enum ctl_exit run(struct ctl *ctl)
{
    struct json_out message;

    if (ctl->word_count < 2 || ctl->words[1][0] == '\0')
        return ctl_misused(ctl, "which event? Its name comes first");
    enum ctl_exit status = ctl_load_config(ctl);
    if (status != CTL_OK)
        return status;
    const char *topic = ctl->topic != NULL ? ctl->topic : ctl->config->topics[0];
    if (topic == NULL)
        return ctl_fail(CTL_FAILED, "%s has no topics: name one with --topic", ctl->config->path);
    json_out_init(&message);
    status = make_message(ctl, &message);
    if (status == CTL_OK)
        status = produce(ctl, topic, (struct bytes){ message.buffer.data, message.buffer.size });
    json_out_done(&message);
    return status;
}

const struct command COMMAND_SEND = {
    .name = "send",
    .arguments = "NAME [JSON] [--topic T] [--key K] [--id ID]",
    .summary = "an event to Kafka",
    .help = "Produces the event as a JSON envelope, and says where it stands once the brokers have it. JSON is its\n"
            "data, {} by default; - reads it from standard input.\n\n"
            "  stepctl send app/button.clicked '{\"button\": \"buy\"}'\n"
            "  stepctl send user/signed.up --key ada --id signup-17 - < user.json",
    .options = TAKES_TOPIC | TAKES_KEY | TAKES_ID,
    .most_words = 2,
    .run = run,
};
