/* SPDX-License-Identifier: Apache-2.0 */
/* What apps say: the reply to a call, a registration, times. The first byte chooses which. */
#include "fuzz.h"

#include "codec/json.h"
#include "run/context.h"
#include "sdk/app.h"
#include "sdk/op_list.h"
#include "sdk/sdk_time.h"

static void try_reply(struct stepd_ctx *ctx, struct bytes body)
{
    const msgpack_object *object = stepd_from_json(ctx, body.data, body.size);
    struct op_error error;
    struct op_list ops = { 0 };

    if (object != NULL)
        op_list_read(ctx, object, &ops);
    for (size_t i = 0; i < ops.count; i++)
        require(strlen(ops.items[i].name) < STEP_ID_SIZE);
    op_error_read(ctx, 500, object, &error);
    require(error.name != NULL && error.message != NULL);
}

static void try_registration(struct bytes body)
{
    struct app *app = NULL;
    char *why = NULL;

    if (app_create(body, NULL, &app, &why) != 0) {
        require(why != NULL && why[0] != '\0');
        free(why);
        return;
    }
    require(app->name != NULL);
    app_destroy(app);
}

static void try_moment(const char *text)
{
    int64_t ms = 0;

    require(sdk_time_parse(text, &ms) <= 0);
    require(sdk_time_parse_delay(text, &ms) != 0 || ms >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct stepd_ctx ctx;

    if (size == 0)
        return 0;
    void *exact = exact_copy(data + 1, size - 1);
    char *text = text_copy(data + 1, size - 1);
    context_init(&ctx);
    switch (data[0] % 3) {
    case 0:
        try_reply(&ctx, (struct bytes){ exact, size - 1 });
        break;
    case 1:
        try_registration((struct bytes){ exact, size - 1 });
        break;
    case 2:
        try_moment(text);
        break;
    }
    context_done(&ctx);
    free(text);
    free(exact);
    return 0;
}
