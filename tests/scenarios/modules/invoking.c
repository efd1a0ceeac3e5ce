/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that invoke each other. Each begin of one that is invoked, and each end of one that asks, is a line of the file. */
#include <stddef.h>
#include <stdio.h>
#include <stepd/stepd.h>
#include <string.h>

struct invoking_options {
    const char *file;
};

static const char *file;

static int init(const void *options, void **ret_shared)
{
    (void)ret_shared;
    file = ((const struct invoking_options *)options)->file;
    return 0;
}

static void note(struct stepd_ctx *ctx, const char *what)
{
    FILE *book = fopen(file, "a");

    if (book == NULL)
        return;
    (void)fprintf(book, "%s %s\n", what, stepd_run_id(ctx));
    (void)fclose(book);
}

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

static enum stepd_status tell_error(struct stepd_ctx *ctx)
{
    msgpack_packer *output = stepd_output(ctx);

    msgpack_pack_array(output, 2);
    pack_text(output, stepd_last_error(ctx)->name);
    pack_text(output, stepd_last_error(ctx)->message);
    return STEPD_OK;
}

/* Its output: what the function `function` made of `data`, or its error as [name, message]. */
static enum stepd_status ask(struct stepd_ctx *ctx)
{
    const msgpack_object *data = stepd_event(ctx)->data;
    const msgpack_object *given = stepd_get(ctx, data, "data");
    const msgpack_object *result;
    msgpack_sbuffer packed;
    msgpack_packer packer;

    msgpack_sbuffer_init(&packed);
    msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
    if (given != NULL)
        stepd_pack(ctx, &packer, given);
    enum stepd_status status = stepd_invoke(ctx, "ask", stepd_get_str(ctx, data, "function", ""), given != NULL ? &packed : NULL,
                                            stepd_get_int(ctx, data, "timeout_ms", 0), &result);
    msgpack_sbuffer_destroy(&packed);
    if (status == STEPD_SUSPENDED)
        return status;
    note(ctx, "asked");
    if (status == STEPD_FAILED)
        return tell_error(ctx);
    stepd_pack(ctx, stepd_output(ctx), result);
    return STEPD_OK;
}

static enum stepd_status add(struct stepd_ctx *ctx)
{
    note(ctx, "added");
    msgpack_pack_int64(stepd_output(ctx), stepd_get_int(ctx, stepd_event(ctx)->data, "n", 0) + 1);
    return STEPD_OK;
}

static enum stepd_status look(struct stepd_ctx *ctx)
{
    const struct stepd_event *event = stepd_event(ctx);
    msgpack_packer *output = stepd_output(ctx);

    msgpack_pack_map(output, 4);
    pack_text(output, "name");
    pack_text(output, event->name);
    pack_text(output, "topic");
    pack_text(output, event->topic);
    pack_text(output, "partition");
    msgpack_pack_int64(output, event->partition);
    pack_text(output, "offset");
    msgpack_pack_int64(output, event->offset);
    return STEPD_OK;
}

static enum stepd_status fail(struct stepd_ctx *ctx)
{
    return stepd_non_retriable(ctx, "Declined", "card %s", "expired");
}

static enum stepd_status nap(struct stepd_ctx *ctx)
{
    note(ctx, "napped");
    STEPD_TRY(stepd_sleep(ctx, "nap", stepd_get_int(ctx, stepd_event(ctx)->data, "ms", 3600000)));
    msgpack_pack_int(stepd_output(ctx), 1);
    return STEPD_OK;
}

/* How many of it are inside it. */
static enum stepd_status deepen(struct stepd_ctx *ctx)
{
    const msgpack_object *inner;
    enum stepd_status status = stepd_invoke(ctx, "deeper", "deep", NULL, 0, &inner);

    if (status == STEPD_FAILED && strcmp(stepd_last_error(ctx)->name, "InvokeTooDeep") != 0)
        return status;
    if (status == STEPD_SUSPENDED)
        return status;
    msgpack_pack_int64(stepd_output(ctx), status == STEPD_OK ? stepd_get_int(ctx, inner, "", 0) + 1 : 0);
    return STEPD_OK;
}

STEPD_MODULE(.name = "invoking", .init = init,
             .options = STEPD_OPTIONS(STEPD_OPTION(.name = "file", .type = STEPD_STRING, .offset = offsetof(struct invoking_options, file),
                                                   .help = "where lines go")),
             .options_size = sizeof(struct invoking_options),
             .functions = STEPD_FUNCTIONS(
                 STEPD_FUNCTION(.id = "ask", .event = "invoke/ask", .run = ask),
                 STEPD_FUNCTION(.id = "add", .event = "invoke/never", .run = add),
                 STEPD_FUNCTION(.id = "look", .event = "invoke/never", .run = look),
                 STEPD_FUNCTION(.id = "fail", .event = "invoke/never", .run = fail),
                 STEPD_FUNCTION(.id = "nap", .event = "invoke/never", .run = nap),
                 STEPD_FUNCTION(.id = "deep", .event = "invoke/deep", .run = deepen),
                 STEPD_FUNCTION(.id = "one-at-a-time", .event = "invoke/never", .run = add, .concurrency = 1),
                 STEPD_FUNCTION(.id = "rated", .event = "invoke/never", .run = add, .rate_limit = { .limit = 1, .period_ms = 3600000 }),
                 STEPD_FUNCTION(.id = "throttled", .event = "invoke/never", .run = add, .throttle = { .limit = 1, .period_ms = 1000 }),
                 STEPD_FUNCTION(.id = "choosy", .event = "invoke/never", .run = add, .when = "false")));
