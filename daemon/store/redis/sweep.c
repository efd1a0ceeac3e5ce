/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "store/redis/record.h"

#define PAGE_EVERY_MS 100
#define REST_MS 5000 /* from the end of a walk to the next; while another worker does it */

struct stray {
    struct stray *next;
    struct run_id id;
    char *record;         /* its first bytes, up to its key */
    char *place;          /* topic:partition */
    const char *function; /* into zone */
    int64_t offset;
    struct bytes key; /* into record */
    msgpack_zone zone;
};

void sweep_init(struct sweep *sweep)
{
    *sweep = (struct sweep){ .cursor = "0" };
}

static void stray_destroy(struct stray *stray)
{
    msgpack_zone_destroy(&stray->zone);
    free(stray->record);
    free(stray->place);
    free(stray);
}

void sweep_drop_stray(struct sweep *sweep)
{
    struct stray *first = sweep->strays;

    sweep->strays = first->next;
    stray_destroy(first);
}

void sweep_done(struct sweep *sweep)
{
    while (sweep->strays != NULL)
        sweep_drop_stray(sweep);
}

void sweep_ask(struct sweep *sweep, uint64_t lineage, struct script_call *call)
{
    if (sweep->lineage != lineage)
        (void)snprintf(sweep->cursor, sizeof(sweep->cursor), "0"); /* another server's means nothing here */
    sweep->lineage = lineage;
    script_add_text(call, sweep->cursor);
}

/* NULL: it can't be read, or its key is longer than what was given of it. */
static struct stray *stray_create(const redisReply *id, const redisReply *bytes)
{
    struct stray *stray = xcalloc(1, sizeof(*stray));
    struct record record;

    stray->record = xmemdup(bytes->str, (size_t)bytes->len + 1);
    memcpy(stray->id.text, id->str, RUN_ID_LENGTH + 1);
    if (!msgpack_zone_init(&stray->zone, 512))
        abort();
    if (record_decode_head((struct bytes){ stray->record, (size_t)bytes->len }, &stray->zone, &record, NULL) != 0 ||
        record.key.data == NULL) {
        stray_destroy(stray);
        return NULL;
    }
    stray->place = xasprintf("%s:%d", record.topic, (int)record.partition);
    stray->function = record.function;
    stray->offset = record.offset;
    stray->key = record.key;
    return stray;
}

/* found, now, cursor, [id, first bytes of its record, …] */
void sweep_hear(struct sweep *sweep, const redisReply *reply)
{
    const redisReply *waiting = reply->element[3];

    (void)snprintf(sweep->cursor, sizeof(sweep->cursor), "%s", reply->element[2]->str);
    for (size_t i = 0; i + 1 < waiting->elements; i += 2) {
        struct stray *stray = stray_create(waiting->element[i], waiting->element[i + 1]);
        if (stray == NULL)
            continue;
        stray->next = sweep->strays;
        sweep->strays = stray;
    }
    sweep->next_ms = clock_monotonic_ms() + (strcmp(sweep->cursor, "0") == 0 ? REST_MS : PAGE_EVERY_MS);
}

bool sweep_has_stray(const struct sweep *sweep)
{
    return sweep->strays != NULL;
}

void sweep_ask_of_stray(const struct sweep *sweep, struct script_call *call)
{
    const struct stray *stray = sweep->strays;

    script_add_text(call, stray->id.text);
    script_add_text(call, stray->function);
    script_add_text(call, stray->place);
    script_add_number(call, stray->offset);
    script_add(call, stray->key);
}
