/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/answer.h"

#include <assert.h>
#include <msgpack.h>
#include <string.h>

#include "base/memory.h"
#include "codec/json.h"

void answer_text(struct web_reply *reply, char *text)
{
    assert(reply->body == NULL); /* one answer */
    reply->body = text;
    reply->size = strlen(text);
}

void answer_error(struct web_reply *reply, unsigned status, const char *why)
{
    msgpack_sbuffer quoted;

    assert(status >= 400);
    msgpack_sbuffer_init(&quoted);
    json_write_string(&quoted, (struct bytes){ why, strlen(why) });
    reply->status = status;
    answer_text(reply, xasprintf("{\"error\":%.*s,\"status\":%u}", (int)quoted.size, quoted.data, status));
    msgpack_sbuffer_destroy(&quoted);
}
