/* SPDX-License-Identifier: Apache-2.0 */
/* What an expression costs on a decoded event. Prints nanoseconds of the processor an evaluation. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "event/event_fields.h"

#define ROUNDS 1000000

static const char value[] =
    "{\"name\":\"order/made\",\"id\":\"01HF3Z6Y8M2K4Q7R9T1V3X5Z7B\",\"ts\":1700000000123,\"data\":{\"user_id\":\"user-48213\","
    "\"page\":\"/cart/summary\",\"total\":412,\"items\":[1,2,3],\"ok\":true,\"account\":{\"id\":7,\"plan\":\"pro\"}}}";

static void measure(const char *text, const struct expression_scope *scope)
{
    struct expression *expression = NULL;
    struct error error = { 0 };
    int holding = 0;

    if (expression_compile((struct bytes){ text, strlen(text) }, &expression, &error) != 0) {
        (void)fprintf(stderr, "%s: %s\n", text, error.text);
        return;
    }
    clock_t start = clock(); /* of the processor */
    for (int i = 0; i < ROUNDS; i++)
        holding += expression_holds(expression, scope, &error) == 1;
    printf("%-60s %5.0f ns  %s\n", text, (double)(clock() - start) * (1e9 / CLOCKS_PER_SEC) / ROUNDS,
           holding == ROUNDS ? "" : "does not hold");
    expression_destroy(expression);
}

int main(void)
{
    struct event event = { 0 };
    struct event_fields fields;
    struct error error;

    event_init(&event, "orders", 0, 1, 1700000000000, (struct bytes){ 0 }, (struct bytes){ value, sizeof(value) - 1 }, NULL, 0);
    if (event_decode(&event, &error) != 0)
        return 1;
    event_fields_init(&fields, &event);
    const struct expression_scope scope = { .event = &fields.base, .async = &fields.base, .now_ms = 1700000000000 };
    measure("event.data.total > 100", &scope);
    measure("event.data.account.plan == 'pro'", &scope);
    measure("async.data.user_id == event.data.user_id", &scope);
    measure("event.data.total > 100 && event.data.account.plan in ['pro', 'team']", &scope);
    measure("event.data.page.matches('^/cart/[a-z]+$')", &scope);
    measure("event.data.items.exists(x, x == 3)", &scope);
    event_done(&event);
    return 0;
}
