/* SPDX-License-Identifier: Apache-2.0 */
/* What fills up, how fast, and when it will be full: two looks, some seconds apart. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/setting.h"
#include "ctl/command.h"
#include "ctl/text.h"
#include "store/memory.h"
#include "store/operations.h"
#include "store/runs.h"
#include "store/shelf.h"
#include "view/json_out.h"

#define SECONDS_DEFAULT 5
#define SECONDS_MOST 3600
#define ROWS_MOST 40                     /* for people; JSON has all */
#define NEVER_MS INT64_C(31536000000000) /* a thousand years */

struct look {
    int64_t at_ms; /* monotonic */
    struct server_memory *servers;
    size_t server_count;
    struct runs_stats stats;
    struct queued_list queued;
};

/* One thing that fills up. */
struct filling {
    char *name;
    uint64_t used;
    uint64_t most; /* 0: nothing bounds it */
    double per_second;
    int64_t full_in_ms; /* -1: never, as it is going */
    bool is_bytes;
};

struct fillings {
    struct filling *items;
    size_t count;
};

/* ---- looking --------------------------------------------------------------------------------------- */

static int look(struct redis_store *store, struct look *ret_look)
{
    *ret_look = (struct look){ .at_ms = clock_monotonic_ms() };
    int status = store_memory(store, &ret_look->servers, &ret_look->server_count);

    if (status == 0)
        status = runs_stats(store, &ret_look->stats);
    return status == 0 ? runs_queued(store, NULL, &ret_look->queued) : status;
}

static void look_done(struct look *look)
{
    assert(look->server_count == 0 || look->servers != NULL);
    free(look->servers);
    queued_list_done(&look->queued);
}

static uint64_t waiting(const struct runs_stats *stats)
{
    return stats->delayed + stats->queued + stats->waiting + stats->owned;
}

static uint64_t kept(const struct runs_stats *stats)
{
    return waiting(stats) + stats->dead + stats->history;
}

/* ---- working out ----------------------------------------------------------------------------------- */

static int64_t full_in_ms(uint64_t used, uint64_t most, double per_second)
{
    if (most == 0)
        return -1;
    if (used >= most)
        return 0;
    double left_ms = per_second > 0 ? (double)(most - used) / per_second * 1000 : -1;
    return left_ms >= 0 && left_ms < (double)NEVER_MS ? (int64_t)left_ms : -1;
}

static void add(struct fillings *fillings, struct filling filling, uint64_t before, int64_t ms)
{
    assert(ms >= 0);
    filling.per_second = ms > 0 ? ((double)filling.used - (double)before) * 1000 / (double)ms : 0;
    filling.full_in_ms = full_in_ms(filling.used, filling.most, filling.per_second);
    fillings->items = xrealloc(fillings->items, (fillings->count + 1) * sizeof(*fillings->items));
    fillings->items[fillings->count++] = filling;
}

static void add_servers(struct fillings *fillings, const struct look *before, const struct look *now)
{
    for (size_t i = 0; i < now->server_count; i++) {
        const struct server_memory *memory = &now->servers[i];
        uint64_t used_before =
            i < before->server_count && before->servers[i].shard == memory->shard ? before->servers[i].used : memory->used;
        char *name = now->server_count > 1 ? xasprintf("Redis's memory, shard %d", memory->shard) : xstrdup("Redis's memory");
        add(fillings,
            (struct filling){
                .name = name, .used = memory->used, .most = memory->most > 0 ? memory->most : memory->system, .is_bytes = true },
            used_before, now->at_ms - before->at_ms);
    }
}

/* Both are in order of the functions' names. */
static uint64_t length_of(const struct queued_list *queued, const char *function)
{
    size_t low = 0, high = queued->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(queued->items[middle].function, function);
        if (order == 0)
            return queued->items[middle].count;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

struct names {
    char **all;
    size_t count;
};

static void add_name(void *context, const char *name, struct bytes thing)
{
    struct names *names = context;

    (void)thing;
    names->all = xrealloc(names->all, (names->count + 1) * sizeof(*names->all));
    names->all[names->count++] = xstrdup(name);
}

static bool has_name(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->all[i], name) == 0)
            return true;
    return false;
}

static void add_queues(struct fillings *fillings, struct ctl *ctl, const struct look *before, const struct look *now)
{
    struct names paused = { 0 };

    (void)!shelf_load(ctl->store, PAUSED_SHELF, add_name, &paused);
    for (size_t i = 0; i < now->queued.count; i++) {
        const struct queued_runs *queued = &now->queued.items[i];
        bool is_paused = has_name(&paused, queued->function);
        int64_t most = is_paused ? ctl->config->pause_most : ctl->config->flow_most;
        add(fillings,
            (struct filling){ .name = xasprintf("queued runs of %s (%s)", queued->function, is_paused ? "pause.most" : "flow.most"),
                              .used = queued->count,
                              .most = (uint64_t)most },
            length_of(&before->queued, queued->function), now->at_ms - before->at_ms);
    }
    for (size_t i = 0; i < paused.count; i++)
        free(paused.all[i]);
    free(paused.all);
}

static uint64_t data_of(const struct look *look)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < look->server_count; i++)
        sum += look->servers[i].data;
    return sum;
}

/* Whatever else is in that Redis counts, too. */
static uint64_t bytes_a_run(const struct look *look)
{
    uint64_t runs = kept(&look->stats);

    return runs > 0 ? data_of(look) / runs : 0;
}

/* ---- telling --------------------------------------------------------------------------------------- */

static char *amount_text(double amount, bool is_bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    size_t unit = 0;

    if (!is_bytes)
        return xasprintf("%.0f", amount);
    for (; (amount >= 1024 || amount <= -1024) && unit < 4; unit++)
        amount /= 1024;
    return xasprintf("%.*f %s", unit == 0 ? 0 : 1, amount, units[unit]);
}

static void print_filling(struct table *table, const struct filling *filling)
{
    AUTO_FREE char *used = amount_text((double)filling->used, filling->is_bytes);
    AUTO_FREE char *most = filling->most > 0 ? amount_text((double)filling->most, filling->is_bytes) : xstrdup("no bound");
    AUTO_FREE char *rate = amount_text(filling->per_second, filling->is_bytes);
    AUTO_FREE char *full = filling->full_in_ms == 0  ? xstrdup("full")
                           : filling->full_in_ms > 0 ? text_duration(filling->full_in_ms)
                                                     : xstrdup("not as it is going");

    table_add(table, COLOUR_NONE, "%s", filling->name);
    table_add(table, COLOUR_BOLD, "%s", used);
    table_add(table, COLOUR_NONE, "%s", most);
    table_add(table, COLOUR_NONE, "%s a second", rate);
    table_add(table, filling->full_in_ms >= 0 ? COLOUR_RED : COLOUR_GREEN, "%s", full);
}

/* Redis's memory, then the fullest. */
static int fullest_first(const void *one, const void *other)
{
    const struct filling *a = one;
    const struct filling *b = other;

    if (a->is_bytes != b->is_bytes)
        return a->is_bytes ? -1 : 1;
    if (a->used != b->used)
        return a->used > b->used ? -1 : 1;
    return strcmp(a->name, b->name);
}

static void print_table(const struct fillings *fillings, const struct look *before, const struct look *now)
{
    static const char *const head[] = { "WHAT", "NOW", "MOST", "GROWS BY", "FULL IN" };
    struct table *table = table_create(5);
    double seconds = (double)(now->at_ms - before->at_ms) / 1000;
    AUTO_FREE char *each = amount_text((double)bytes_a_run(now), true);

    for (size_t i = 0; i < 5; i++)
        table_add(table, COLOUR_DIM, "%s", head[i]);
    for (size_t i = 0; i < fillings->count && i < ROWS_MOST; i++)
        print_filling(table, &fillings->items[i]);
    table_print(table, "");
    if (fillings->count > ROWS_MOST)
        (void)printf("and %zu function%s more, with fewer queued runs.\n", fillings->count - ROWS_MOST,
                     fillings->count == ROWS_MOST + 1 ? "" : "s");
    (void)printf("\n%" PRIu64 " run%s (%+.1f a second), %" PRIu64 " failed ones and %" PRIu64
                 " others are kept; a run takes %s of Redis, all in all.\n",
                 waiting(&now->stats), waiting(&now->stats) == 1 ? " waits" : "s wait",
                 ((double)waiting(&now->stats) - (double)waiting(&before->stats)) / seconds, now->stats.dead, now->stats.history, each);
}

static void json_filling(struct json_out *out, const struct filling *filling)
{
    json_out_open(out, NULL, '{');
    json_out_text(out, "what", filling->name);
    json_out_number(out, "used", (int64_t)filling->used);
    if (filling->most > 0)
        json_out_number(out, "most", (int64_t)filling->most);
    else
        json_out_null(out, "most");
    json_out_text(out, "unit", filling->is_bytes ? "bytes" : "runs");
    json_out_number(out, "per_second", (int64_t)filling->per_second);
    if (filling->full_in_ms >= 0)
        json_out_number(out, "full_in_ms", filling->full_in_ms);
    else
        json_out_null(out, "full_in_ms");
    json_out_close(out, '{');
}

static void print_json(const struct fillings *fillings, const struct look *before, const struct look *now)
{
    int64_t ms = now->at_ms - before->at_ms;
    double change = ((double)waiting(&now->stats) - (double)waiting(&before->stats)) * 1000 / (double)(ms > 0 ? ms : 1);
    struct json_out out;

    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_open(&out, "filling", '[');
    for (size_t i = 0; i < fillings->count; i++)
        json_filling(&out, &fillings->items[i]);
    json_out_close(&out, '[');
    json_out_number(&out, "waiting", (int64_t)waiting(&now->stats));
    json_out_number(&out, "waiting_per_second", (int64_t)change);
    json_out_number(&out, "dead", (int64_t)now->stats.dead);
    json_out_number(&out, "history", (int64_t)now->stats.history);
    json_out_number(&out, "bytes_per_run", (int64_t)bytes_a_run(now));
    json_out_number(&out, "over_ms", ms);
    json_out_close(&out, '{');
    json_out_print(&out);
}

/* ---- the command ----------------------------------------------------------------------------------- */

static void tell(struct ctl *ctl, const struct look *before, const struct look *now)
{
    struct fillings fillings = { 0 };

    add_servers(&fillings, before, now);
    add_queues(&fillings, ctl, before, now);
    if (fillings.count > 0)
        qsort(fillings.items, fillings.count, sizeof(*fillings.items), fullest_first);
    if (ctl->is_json)
        print_json(&fillings, before, now);
    else
        print_table(&fillings, before, now);
    for (size_t i = 0; i < fillings.count; i++)
        free(fillings.items[i].name);
    free(fillings.items);
}

static enum ctl_exit run(struct ctl *ctl)
{
    struct look before = { 0 }, now = { 0 };
    int64_t seconds = SECONDS_DEFAULT;

    if (ctl->count != NULL && (parse_int(ctl->count, &seconds) != 0 || seconds < 1 || seconds > SECONDS_MOST))
        return ctl_misused(ctl, "--count wants seconds from 1 to %d, not '%s'", SECONDS_MOST, ctl->count);
    enum ctl_exit opened = ctl_open_store(ctl);
    if (opened != CTL_OK)
        return opened;
    int status = look(ctl->store, &before);
    if (status == 0)
        (void)sleep((unsigned)seconds);
    if (status == 0)
        status = look(ctl->store, &now);
    if (status == 0)
        tell(ctl, &before, &now);
    look_done(&before);
    look_done(&now);
    return status != 0 ? ctl_store_failed(ctl, status) : CTL_OK;
}

const struct command COMMAND_CAPACITY = {
    .name = "capacity",
    .arguments = "[--count SECONDS]",
    .summary = "what will be full when",
    .help = "Looks twice, five seconds apart unless --count says how many, and tells what fills up and when it will be full if it\n"
            "goes on so: Redis's memory (its maxmemory, else the machine's), and the queued runs of each function (pause.most,\n"
            "flow.most). What a run takes is all of Redis's data over all runs that it keeps.\n\n"
            "  stepctl capacity\n"
            "  stepctl --json capacity --count 60 | jq '.filling[] | select(.full_in_ms != null)'",
    .options = TAKES_COUNT,
    .most_words = 0,
    .run = run,
};
