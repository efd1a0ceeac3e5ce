/* SPDX-License-Identifier: Apache-2.0 */
/* What one event costs: its name found, and its data built. Prints nanoseconds an event. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "event/event.h"

#define ROUNDS 1000000

static const char json[] =
    "{\"name\":\"app/button.clicked\",\"id\":\"01HF3Z6Y8M2K4Q7R9T1V3X5Z7B\",\"ts\":1700000000123,\"data\":{\"user_id\":\"user-48213\","
    "\"button\":\"checkout\",\"page\":\"/cart/summary\",\"x\":412,\"y\":96,\"items\":[1,2,3],\"ok\":true}}";

static const char packed[] = "\x82\xa4name\xb2"
                             "app/button.clicked\xa4"
                             "data\x83\xa7user_id\xaauser-48213\xa6"
                             "button\xa8"
                             "checkout\xa1x\xcd\x01\x9c";

static void measure(const char *what, const char *value, size_t size, int (*read)(struct event *, struct error *))
{
    struct event event = { 0 };
    struct error error;
    int64_t start_ns = clock_monotonic_ns();

    for (int i = 0; i < ROUNDS; i++) {
        event_init(&event, "events", 0, i, 1700000000000, (struct bytes){ 0 }, (struct bytes){ value, size }, NULL, 0);
        if (read(&event, &error) < 0)
            return;
    }
    printf("%-24s %4zu B  %5.0f ns\n", what, size, (double)(clock_monotonic_ns() - start_ns) / ROUNDS);
    event_done(&event);
}

int main(void)
{
    measure("json, name found", json, sizeof(json) - 1, event_find_name);
    measure("json, data built", json, sizeof(json) - 1, event_decode);
    measure("msgpack, name found", packed, sizeof(packed) - 1, event_find_name);
    measure("msgpack, data built", packed, sizeof(packed) - 1, event_decode);
    return 0;
}
