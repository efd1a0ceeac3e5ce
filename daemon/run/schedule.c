/* SPDX-License-Identifier: Apache-2.0 */
#include "run/schedule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "codec/cron.h"
#include "codec/json.h"
#include "codec/packed.h"
#include "run/failure.h"

#define HOUR_MS INT64_C(3600000)

struct schedule {
    const char *const *texts;
    struct cron **crons;
    size_t count;
};

void schedule_destroy(struct schedule *schedule)
{
    if (schedule == NULL)
        return;
    for (size_t i = 0; i < schedule->count; i++)
        cron_destroy(schedule->crons[i]);
    free(schedule->crons);
    free(schedule);
}

int schedule_create(const struct stepd_texts *texts, struct schedule **ret_schedule, struct error *ret_error)
{
    struct error reason = { 0 };

    *ret_schedule = NULL;
    if (texts->count == 0)
        return 0;
    struct schedule *schedule = xcalloc(1, sizeof(*schedule));
    schedule->texts = texts->items;
    schedule->crons = xcalloc(texts->count, sizeof(struct cron *));
    for (; schedule->count < texts->count; schedule->count++) {
        const char *text = texts->items[schedule->count];
        if (cron_parse(text != NULL ? text : "", &schedule->crons[schedule->count], &reason) == 0)
            continue;
        schedule_destroy(schedule);
        return error_set(ret_error, EINVAL, "'%.60s': %.120s", text != NULL ? text : "", reason.text);
    }
    *ret_schedule = schedule;
    return 0;
}

bool schedule_next(const struct schedule *schedule, int64_t unix_ms, struct tick *ret_tick)
{
    bool is_found = false;
    int64_t at_ms;

    for (size_t i = 0; i < schedule->count; i++) {
        if (!cron_next(schedule->crons[i], unix_ms, &at_ms) || (is_found && at_ms >= ret_tick->at_ms))
            continue;
        *ret_tick = (struct tick){ at_ms, schedule->texts[i] };
        is_found = true;
    }
    return is_found;
}

static bool is_between(const struct schedule *schedule, int64_t after_ms, int64_t until_ms, struct tick *ret_tick)
{
    return schedule_next(schedule, after_ms, ret_tick) && ret_tick->at_ms <= until_ms;
}

/* Of a time that was long it looks at the end of it alone. */
bool schedule_last(const struct schedule *schedule, int64_t after_ms, int64_t until_ms, struct tick *ret_tick)
{
    static const int64_t spans_ms[] = { 2 * HOUR_MS, 48 * HOUR_MS, 62 * 24 * HOUR_MS, INT64_MAX };
    struct tick tick, later;

    for (size_t i = 0; i < COUNT_OF(spans_ms); i++) {
        bool is_whole = spans_ms[i] >= until_ms - after_ms;
        if (!is_between(schedule, is_whole ? after_ms : until_ms - spans_ms[i], until_ms, &tick)) {
            if (is_whole)
                return false;
            continue;
        }
        while (is_between(schedule, tick.at_ms, until_ms, &later))
            tick = later;
        *ret_tick = tick;
        return true;
    }
    return false;
}

static void pack_key(msgpack_packer *packer, const char *key)
{
    failure_pack_text(packer, key);
}

void schedule_write_event(msgpack_sbuffer *value, const char *run_id, const struct tick *tick)
{
    msgpack_sbuffer packed;
    msgpack_packer packer;
    msgpack_object object;
    msgpack_zone zone;

    msgpack_sbuffer_init(&packed);
    msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 4);
    pack_key(&packer, "id");
    pack_key(&packer, run_id);
    pack_key(&packer, "name");
    pack_key(&packer, TICK_EVENT);
    pack_key(&packer, "data");
    msgpack_pack_map(&packer, 2);
    pack_key(&packer, "cron");
    pack_key(&packer, tick->cron);
    pack_key(&packer, "scheduled_ms");
    msgpack_pack_int64(&packer, tick->at_ms);
    pack_key(&packer, "ts");
    msgpack_pack_int64(&packer, tick->at_ms);
    if (!msgpack_zone_init(&zone, 512))
        abort();
    packed_build((struct bytes){ packed.data, packed.size }, &zone, &object);
    json_write(value, &object);
    msgpack_zone_destroy(&zone);
    msgpack_sbuffer_destroy(&packed);
}
