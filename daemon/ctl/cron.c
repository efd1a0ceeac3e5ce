/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/cron.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "codec/calendar.h"
#include "config/setting.h"
#include "ctl/command.h"
#include "ctl/when.h"
#include "view/json_out.h"

#define COUNT_DEFAULT 5
#define COUNT_MOST 100000
#define ZONE_TEXT_SIZE 16 /* "+05:30" */
#define TIME_TEXT_SIZE (CALENDAR_TEXT_SIZE + ZONE_TEXT_SIZE)

/* "2026-03-29T03:00:00+02:00" */
static void write_local(int64_t unix_ms, int32_t offset, char text[TIME_TEXT_SIZE])
{
    size_t size = calendar_write(unix_ms / 1000 + offset, text);
    unsigned minutes = (unsigned)abs(offset) / 60 % 6000;

    (void)snprintf(text + size, ZONE_TEXT_SIZE, "%c%02u:%02u", offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

static void write_utc(int64_t unix_ms, char text[TIME_TEXT_SIZE])
{
    size_t size = calendar_write(unix_ms / 1000, text);

    (void)snprintf(text + size, ZONE_TEXT_SIZE, "Z");
}

static void print_line(const struct cron *cron, int64_t tick_ms)
{
    char local[TIME_TEXT_SIZE], utc[TIME_TEXT_SIZE];

    write_local(tick_ms, cron_offset_at(cron, tick_ms), local);
    write_utc(tick_ms, utc);
    (void)printf("%s  %s  %s\n", local, cron_zone_name(cron), utc);
}

static void print_member(struct json_out *out, int64_t tick_ms)
{
    char utc[TIME_TEXT_SIZE];

    write_utc(tick_ms, utc);
    json_out_open(out, NULL, '{');
    json_out_text(out, "at", utc);
    json_out_number(out, "scheduled_ms", tick_ms);
    json_out_close(out, '{');
}

static void print_ticks(const struct ctl *ctl, const struct cron *cron, int64_t from_ms, int64_t count)
{
    struct json_out out;
    int64_t tick_ms = from_ms;

    assert(count >= 1 && count <= COUNT_MOST);
    json_out_init(&out);
    if (ctl->is_json)
        json_out_open(&out, NULL, '[');
    for (int64_t i = 0; i < count && cron_next(cron, tick_ms, &tick_ms); i++) {
        if (ctl->is_json)
            print_member(&out, tick_ms);
        else
            print_line(cron, tick_ms);
    }
    if (ctl->is_json) {
        json_out_close(&out, '[');
        json_out_flush(&out);
        (void)putchar('\n');
    }
    json_out_done(&out);
}

static enum ctl_exit read_options(const struct ctl *ctl, int64_t *ret_from_ms, int64_t *ret_count)
{
    *ret_from_ms = clock_wall_ms();
    *ret_count = COUNT_DEFAULT;
    struct error error;

    if (ctl->from != NULL && when_since(ctl->from, clock_wall_ms(), ret_from_ms, &error) != 0)
        return ctl_misused(ctl, "--from: %s", error.text);
    if (ctl->count != NULL && (parse_int(ctl->count, ret_count) != 0 || *ret_count < 1 || *ret_count > COUNT_MOST))
        return ctl_misused(ctl, "--count wants a number from 1 to %d, not '%s'", COUNT_MOST, ctl->count);
    return CTL_OK;
}

static enum ctl_exit run(struct ctl *ctl)
{
    struct error error = { 0 };
    int64_t from_ms, count;
    struct cron *cron;

    if (ctl->word_count < 2)
        return ctl_misused(ctl, "which schedule? In quotes: '0 9 * * 1-5'");
    enum ctl_exit status = read_options(ctl, &from_ms, &count);
    if (status != CTL_OK)
        return status;
    if (cron_parse(ctl->words[1], &cron, &error) != 0)
        return ctl_fail(CTL_USAGE, "%s", error.text);
    if (cron_has_step_among_days(cron))
        (void)fprintf(stderr, "stepctl: both days are restricted (a `*` with a step is a restriction): a day matches if either does\n");
    print_ticks(ctl, cron, from_ms, count);
    cron_destroy(cron);
    return CTL_OK;
}

const struct command COMMAND_CRON = {
    .name = "cron",
    .arguments = "EXPR [--from TIME] [--count N]",
    .summary = "when a schedule ticks",
    .help = "Prints the next ticks of a schedule as stepd counts them, in its zone and in UTC; docs/cron.md tells how.\n"
            "A schedule that stepd refuses exits with 2 and names field and reason.\n\n"
            "  stepctl cron 'TZ=Europe/Berlin 0 9 * * 1-5'\n"
            "  stepctl --json cron '@daily' --from 2026-03-28T23:00:00Z --count 3",
    .options = TAKES_FROM | TAKES_COUNT,
    .most_words = 1,
    .run = run,
};
