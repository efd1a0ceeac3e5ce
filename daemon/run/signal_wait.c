/* SPDX-License-Identifier: Apache-2.0 */
#include "run/signal_wait.h"

#include <stdlib.h>
#include <string.h>

#include "codec/expression.h"
#include "codec/json.h"

char *signal_wait_when(const char *signal)
{
    msgpack_sbuffer quoted;

    msgpack_sbuffer_init(&quoted);
    json_write_string(&quoted, (struct bytes){ signal, strlen(signal) });
    char *when = xasprintf("async.data.signal == %.*s", (int)quoted.size, quoted.data);
    msgpack_sbuffer_destroy(&quoted);
    return when;
}

/* False: too much of it has to be escaped. */
static bool write_index(const char *signal, msgpack_sbuffer *later, msgpack_sbuffer *value)
{
    AUTO_FREE char *when = signal_wait_when(signal);
    const struct expression_scope scope = { 0 };
    struct expression_equality equality;
    struct expression *expression = NULL;
    struct error error;

    if (expression_compile((struct bytes){ when, strlen(when) }, &expression, &error) != 0)
        return false;
    bool is_found = expression_find_equality(expression, &equality) && equality.is_whole;
    if (is_found) {
        expression_equality_name(equality.later, later);
        is_found = expression_equality_write(equality.earlier, &scope, value, &error) == 0;
    }
    expression_destroy(expression);
    return is_found;
}

bool signal_name_is_valid(const char *signal)
{
    msgpack_sbuffer later, value;

    if (signal == NULL || signal[0] == '\0' || strlen(signal) > SIGNAL_NAME_MAX)
        return false;
    msgpack_sbuffer_init(&later);
    msgpack_sbuffer_init(&value);
    bool is_valid = write_index(signal, &later, &value);
    msgpack_sbuffer_destroy(&value);
    msgpack_sbuffer_destroy(&later);
    return is_valid;
}

void signal_wait_index(const char *signal, msgpack_sbuffer *later, msgpack_sbuffer *value)
{
    if (!write_index(signal, later, value))
        abort(); /* whoever asks has looked: signal_name_is_valid() */
}
