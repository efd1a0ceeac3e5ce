/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A function that waits for an event and ends with what it was given: {"n", "name", "key"} of it, or nil. Its event's data:
 * `for` the name, `when` the condition (none where it is ""; by default that the ids are equal), `timeout_ms`, `fails` so
 * many attempts fail before it waits, `after_fails` so many once it has waited, `sleep_ms` a sleep before, `again` it
 * waits for a second one; `book` a file that gets a line, "ID N", of what it ends with.
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stepd/stepd.h>
#include <string.h>
#include <unistd.h>

static void book_event(struct stepd_ctx *ctx, const msgpack_object *own, const struct stepd_event *event)
{
    const char *path = stepd_get_str(ctx, own, "book", "");
    int book = path[0] != '\0' ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    char line[200];

    if (book < 0)
        return;
    int length = snprintf(line, sizeof(line), "%s %lld\n", stepd_get_str(ctx, own, "id", "?"),
                          event != NULL ? (long long)stepd_get_int(ctx, event->data, "n", -1) : -1);
    if (write(book, line, (size_t)length) != length)
        stepd_log(ctx, STEPD_LOG_ERROR, "the book is lost");
    (void)close(book);
}

static void pack_event(struct stepd_ctx *ctx, const struct stepd_event *event)
{
    msgpack_packer *packer = stepd_output(ctx);

    if (event == NULL) {
        msgpack_pack_nil(packer);
        return;
    }
    msgpack_pack_map(packer, 3);
    msgpack_pack_str_with_body(packer, "n", 1);
    msgpack_pack_int64(packer, stepd_get_int(ctx, event->data, "n", -1));
    msgpack_pack_str_with_body(packer, "name", 4);
    msgpack_pack_str_with_body(packer, event->name, strlen(event->name));
    msgpack_pack_str_with_body(packer, "key", 3);
    msgpack_pack_str_with_body(packer, event->key != NULL ? event->key : "", event->key_len);
}

static enum stepd_status wait(struct stepd_ctx *ctx)
{
    const msgpack_object *data = stepd_event(ctx)->data;
    const char *when = stepd_get_str(ctx, data, "when", "async.data.id == event.data.id");
    const struct stepd_wait wish = {
        .event = stepd_get_str(ctx, data, "for", "order/paid"),
        .when = when[0] != '\0' ? when : NULL,
        .timeout_ms = stepd_get_int(ctx, data, "timeout_ms", 0),
    };
    const struct stepd_event *event = NULL;

    if (stepd_get_int(ctx, data, "sleep_ms", 0) > 0)
        STEPD_TRY(stepd_sleep(ctx, "rest", stepd_get_int(ctx, data, "sleep_ms", 0)));
    if (stepd_attempt(ctx) < stepd_get_int(ctx, data, "fails", 0))
        return stepd_error(ctx, "NotYet", "as it was told");
    STEPD_TRY(stepd_wait_for_event(ctx, "paid", &wish, &event));
    if (stepd_get_bool(ctx, data, "again", false))
        STEPD_TRY(stepd_wait_for_event(ctx, "paid", &wish, &event));
    if (stepd_attempt(ctx) < stepd_get_int(ctx, data, "after_fails", 0))
        return stepd_error(ctx, "NotYet", "as it was told");
    book_event(ctx, data, event);
    pack_event(ctx, event);
    return STEPD_OK;
}

STEPD_MODULE(.name = "waiting",
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "wait", .event = "order/made", .run = wait),
                                          STEPD_FUNCTION(.id = "expects", .event = "expects/made", .run = wait,
                                                         .expects = STEPD_EXPECTS({ .event = "order/paid",
                                                                                    .when = "async.data.id == event.data.id" })),
                                          STEPD_FUNCTION(.id = "ordered", .event = "ordered/made", .run = wait, .ordering = STEPD_BY_KEY)));
