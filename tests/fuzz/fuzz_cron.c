/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules, and files of time zones, out of any bytes. The first byte chooses which: a schedule is refused with a
 * reason, or its ticks go forward; a file is no zone, or each of its spans holds the instant that it was asked for. */
#include "fuzz.h"

#include "codec/cron.h"
#include "codec/zone.h"

static void try_schedule(const char *text)
{
    struct cron *cron = NULL;
    struct error error = { 0 };
    int64_t at_ms = INT64_C(1795890839027), next_ms;

    if (cron_parse(text, &cron, &error) != 0) {
        require(error.text[0] != '\0');
        return;
    }
    for (int i = 0; i < 20 && cron_next(cron, at_ms, &next_ms); i++) {
        require(next_ms > at_ms && next_ms % 1000 == 0);
        at_ms = next_ms;
    }
    cron_destroy(cron);
}

static void try_zone(struct bytes file)
{
    static const int64_t instants[] = { INT64_C(-62135596800), INT64_C(-3000000000), -1, 0, INT64_C(1795890839),
                                        INT64_C(4102444800),   INT64_C(253402300799) };
    struct zone *zone = NULL;

    if (zone_parse(file, &zone, NULL) != 0)
        return;
    for (size_t i = 0; i < sizeof(instants) / sizeof(instants[0]); i++) {
        struct zone_span span = zone_span_at(zone, instants[i]);
        require(span.begin <= instants[i] && instants[i] < span.end);
        require(span.offset >= -93599 && span.offset <= 93599 + 3600);
    }
    zone_close(zone);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = text_copy(data + 1, size - 1);
    void *exact = exact_copy(data + 1, size - 1);

    if (data[0] % 2 == 0)
        try_schedule(text);
    else
        try_zone((struct bytes){ exact, size - 1 });
    free(exact);
    free(text);
    return 0;
}
