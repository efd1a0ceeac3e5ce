/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/runs_lines.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "store/redis/keys.h"
#include "store/redis/store_internal.h"
#include "store/runs.h"

#define SIZES_AT_ONCE 500
#define LINES_AT_ONCE 100
#define FIRST_OF_A_LINE 100 /* read of all lines; the rest of one that has more comes by itself, so many at once: */
#define REST_AT_ONCE 1000
#define SHOWN_AT_ONCE 1000

#define TEXT_OF(number) TEXT_OF_IT(number)
#define TEXT_OF_IT(number) #number

static const char SIZES[] = "local r = {}\n"
                            "for i = 2, #ARGV do\n"
                            "  r[i - 1] = 0\n"
                            "  for kind in ARGV[1]:gmatch('%a+') do\n"
                            "    r[i - 1] = r[i - 1] + redis.call('ZCARD', KEYS[1] .. kind .. ':' .. ARGV[i])\n"
                            "  end\n"
                            "end\n"
                            "return r";
static const char RANGES[] =
    "local r = {}\n"
    "for i = 5, #ARGV do\n"
    "  r[i - 4] = redis.call('ZRANGEBYSCORE', KEYS[1] .. ARGV[1] .. ':' .. ARGV[i], ARGV[2], ARGV[3], 'WITHSCORES', 'LIMIT', 0, ARGV[4])\n"
    "end\n"
    "return r";

static const char HEADS[] =
    "local r, P = {}, KEYS[1]\n"
    "local function line(key, name) return { name, redis.call('ZCARD', key), redis.call('ZRANGE', key, 0, 0)[1] or '' } end\n"
    "for i = 2, #ARGV do\n"
    "  local name = P .. 'line:' .. ARGV[i]\n"
    "  local lines = { line(name, '') }\n"
    "  for j, keys in ipairs(redis.call('ZRANGE', P .. 'heads:' .. ARGV[i], 0, ARGV[1] - 1)) do\n"
    "    lines[j + 1] = line(name .. '\\0' .. keys, keys)\n"
    "  end\n"
    "  r[i - 1] = { redis.call('ZCARD', P .. 'heads:' .. ARGV[i]), lines }\n"
    "end\n"
    "return r";

static struct bytes text(const char *words)
{
    return (struct bytes){ words, strlen(words) };
}

/* The functions that have lines. */
static int read_functions(struct redis_store *store, int shard, redisReply **ret_functions)
{
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "lines");

    return store_commandf(store, shard, ret_functions, "SMEMBERS %s", key);
}

/* One call of a script for `count` functions from `first` on: `given` are its arguments before them. */
static int ask_lines(struct redis_store *store, int shard, const char *script, const struct bytes *given, size_t given_count,
                     const redisReply *functions, size_t first, size_t count, redisReply **ret_reply)
{
    struct bytes words[4 + 4 + SIZES_AT_ONCE];
    size_t used = 0;

    words[used++] = text("EVAL");
    words[used++] = text(script);
    words[used++] = text("1");
    words[used++] = text(store_prefix(store, shard));
    for (size_t i = 0; i < given_count; i++)
        words[used++] = given[i];
    for (size_t i = 0; i < count; i++)
        words[used++] = (struct bytes){ functions->element[first + i]->str, (size_t)functions->element[first + i]->len };
    return store_command(store, shard, used, words, ret_reply);
}

static size_t least(size_t one, size_t other)
{
    return one < other ? one : other;
}

/* ---- how long they are ----------------------------------------------------------------------------- */

int lines_sizes(struct redis_store *store, int shard, const char *kind, struct line_sizes *ret_sizes)
{
    const struct bytes given = text(kind);
    struct line_sizes sizes = { 0 };
    AUTO_REPLY functions = NULL;
    int status = read_functions(store, shard, &functions);

    if (status != 0)
        return status;
    sizes.items = xcalloc(functions->elements + 1, sizeof(*sizes.items));
    for (size_t at = 0; at < functions->elements && status == 0; at += SIZES_AT_ONCE) {
        AUTO_REPLY reply = NULL;
        size_t count = least(functions->elements - at, SIZES_AT_ONCE);
        status = ask_lines(store, shard, SIZES, &given, 1, functions, at, count, &reply);
        for (size_t i = 0; status == 0 && i < reply->elements; i++)
            sizes.items[sizes.count++] =
                (struct line_size){ xstrdup(functions->element[at + i]->str), (uint64_t)reply->element[i]->integer };
    }
    if (status != 0)
        line_sizes_done(&sizes);
    else
        *ret_sizes = sizes;
    return status;
}

void line_sizes_done(struct line_sizes *sizes)
{
    for (size_t i = 0; i < sizes->count; i++)
        free(sizes->items[i].function);
    free(sizes->items);
    *sizes = (struct line_sizes){ 0 };
}

int lines_count(struct redis_store *store, int shard, const char *kind, uint64_t *count)
{
    struct line_sizes sizes;
    int status = lines_sizes(store, shard, kind, &sizes);

    if (status != 0)
        return status;
    for (size_t i = 0; i < sizes.count; i++)
        *count += sizes.items[i].count;
    line_sizes_done(&sizes);
    return 0;
}

/* ---- who waits in them ----------------------------------------------------------------------------- */

int lines_each(struct redis_store *store, int shard, const struct lines_range *range,
               bool (*each)(void *context, const char *function, const redisReply *ids_and_scores), void *context)
{
    const struct bytes given[] = { text(range->kind), text(range->from), text(range->to), text(range->most) };
    AUTO_REPLY functions = NULL;
    bool goes_on = true;
    int status = read_functions(store, shard, &functions);

    for (size_t at = 0; status == 0 && goes_on && at < functions->elements; at += LINES_AT_ONCE) {
        AUTO_REPLY reply = NULL;
        size_t count = least(functions->elements - at, LINES_AT_ONCE);
        status = ask_lines(store, shard, RANGES, given, 4, functions, at, count, &reply);
        for (size_t i = 0; status == 0 && goes_on && i < reply->elements; i++)
            if (reply->element[i]->elements > 0)
                goes_on = each(context, functions->element[at + i]->str, reply->element[i]);
    }
    return status;
}

struct line_walk {
    struct redis_store *store;
    int shard;
    const char *kind;
    bool (*each)(void *context, const struct run_id *ids, size_t count);
    void *context;
    struct run_id *ids; /* not shown yet: of many lines, so that they are read together */
    size_t count;       /* less than SHOWN_AT_ONCE */
    bool goes_on;
    int status;
};

static bool show_ids(struct line_walk *walk)
{
    size_t count = walk->count;

    walk->count = 0;
    walk->goes_on = walk->goes_on && (count == 0 || walk->each(walk->context, walk->ids, count));
    return walk->goes_on;
}

static bool add_ids(struct line_walk *walk, const redisReply *ids_and_scores)
{
    for (size_t i = 0; i + 1 < ids_and_scores->elements && walk->goes_on; i += 2) {
        if (ids_and_scores->element[i]->len != RUN_ID_LENGTH)
            continue;
        memcpy(walk->ids[walk->count++].text, ids_and_scores->element[i]->str, RUN_ID_LENGTH + 1);
        if (walk->count == SHOWN_AT_ONCE)
            (void)show_ids(walk);
    }
    return walk->goes_on;
}

/* How many at the end of a page have its last score: where the next one begins, they are behind us. */
static size_t seen_of_last(const redisReply *page, size_t seen_before, const char *from)
{
    const char *last = page->element[page->elements - 1]->str;
    size_t same = 0;

    while (2 * same < page->elements && strcmp(page->element[page->elements - 1 - 2 * same]->str, last) == 0)
        same++;
    return strcmp(last, from) == 0 && 2 * same == page->elements ? seen_before + same : same;
}

/* What stands in a line behind its first. */
static int walk_rest(struct line_walk *walk, const char *function, const char *last, size_t seen)
{
    AUTO_FREE char *line = keys_format(store_prefix(walk->store, walk->shard), "%s:%s", walk->kind, function);
    AUTO_FREE char *from = xstrdup(last);

    for (size_t got = REST_AT_ONCE; got == REST_AT_ONCE && walk->goes_on;) {
        AUTO_REPLY page = NULL;
        AUTO_FREE char *skip = xasprintf("%zu", seen);
        int status = store_commandf(walk->store, walk->shard, &page, "ZRANGEBYSCORE %s %s +inf WITHSCORES LIMIT %s " TEXT_OF(REST_AT_ONCE),
                                    line, from, skip);
        if (status != 0)
            return status;
        got = page->elements / 2;
        (void)add_ids(walk, page);
        if (got == 0)
            break;
        seen = seen_of_last(page, seen, from);
        free(from);
        from = xstrdup(page->element[page->elements - 1]->str);
    }
    return 0;
}

static bool walk_line(void *context, const char *function, const redisReply *ids_and_scores)
{
    struct line_walk *walk = context;

    if (add_ids(walk, ids_and_scores) && ids_and_scores->elements == 2 * FIRST_OF_A_LINE)
        walk->status =
            walk_rest(walk, function, ids_and_scores->element[ids_and_scores->elements - 1]->str, seen_of_last(ids_and_scores, 0, "-inf"));
    return walk->goes_on && walk->status == 0;
}

int runs_each_in_line(struct redis_store *store, enum runs_list list, int shard, const char *only,
                      bool (*each)(void *context, const struct run_id *ids, size_t count), void *context)
{
    const char *kind = list == RUNS_QUEUED ? LINES_TURN : LINES_ROOM;
    AUTO_FREE struct run_id *ids = xcalloc(SHOWN_AT_ONCE, sizeof(*ids));
    struct line_walk walk = { .store = store, .shard = shard, .kind = kind, .each = each, .context = context, .ids = ids, .goes_on = true };
    const struct lines_range range = { kind, "-inf", "+inf", TEXT_OF(FIRST_OF_A_LINE) };

    int status = only != NULL ? walk_rest(&walk, only, "-inf", 0) : lines_each(store, shard, &range, walk_line, &walk);
    if (status == 0)
        status = walk.status;
    if (status == 0)
        (void)show_ids(&walk);
    return status;
}

/* ---- each line --------------------------------------------------------------------------------------- */

#define FUNCTIONS_MOST 20
#define LINES_MOST "20" /* of each */

static int most_first(const void *one, const void *other)
{
    const struct line_size *a = one;
    const struct line_size *b = other;

    return a->count != b->count ? (a->count < b->count ? 1 : -1) : strcmp(a->function, b->function);
}

/* "=KEY" and "-", NUL between them, as people read them: of what has no key nothing is said. */
static char *keys_for_people(const redisReply *name)
{
    char *keys = xcalloc(2 * (size_t)name->len + 1, 1);
    size_t size = 0;

    for (const char *part = name->str, *end = part + name->len; part < end; part += strnlen(part, (size_t)(end - part)) + 1) {
        size_t length = strnlen(part, (size_t)(end - part));
        if (length == 0 || part[0] != '=')
            continue;
        if (size > 0) {
            memcpy(keys + size, ", ", 2);
            size += 2;
        }
        memcpy(keys + size, part + 1, length - 1);
        size += length - 1;
    }
    return keys;
}

static void add_line(struct waiting_lines *lines, const char *function, const redisReply *line)
{
    if (line->element[1]->integer == 0 || line->element[2]->len != RUN_ID_LENGTH)
        return;
    struct waiting_line *added = &lines->items[lines->count++];
    *added = (struct waiting_line){ .function = xstrdup(function), .keys = keys_for_people(line->element[0]) };
    added->count = (uint64_t)line->element[1]->integer;
    memcpy(added->first.text, line->element[2]->str, RUN_ID_LENGTH + 1);
}

static void add_lines(struct waiting_lines *lines, const char *function, const redisReply *heads)
{
    const redisReply *all = heads->element[1];
    uint64_t named = all->elements - 1; /* the first is for room */

    lines->items = xrealloc(lines->items, (lines->count + all->elements) * sizeof(*lines->items));
    for (size_t i = 0; i < all->elements; i++)
        add_line(lines, function, all->element[i]);
    if ((uint64_t)heads->element[0]->integer > named)
        lines->more += (uint64_t)heads->element[0]->integer - named;
}

static int ask_heads(struct redis_store *store, int shard, const struct line_size *functions, size_t count, redisReply **ret_reply)
{
    struct bytes words[5 + FUNCTIONS_MOST] = { text("EVAL"), text(HEADS), text("1"), text(store_prefix(store, shard)), text(LINES_MOST) };

    for (size_t i = 0; i < count; i++)
        words[5 + i] = text(functions[i].function);
    return store_command(store, shard, 5 + count, words, ret_reply);
}

int runs_lines(struct redis_store *store, int shard, struct waiting_lines *ret_lines)
{
    struct waiting_lines lines = { 0 };
    struct line_sizes sizes;
    AUTO_REPLY reply = NULL;
    size_t count = 0;
    int status = lines_sizes(store, shard, LINES_BOTH, &sizes);

    if (status != 0)
        return status;
    qsort(sizes.items, sizes.count, sizeof(*sizes.items), most_first);
    while (count < sizes.count && count < FUNCTIONS_MOST && sizes.items[count].count > 0)
        count++;
    for (size_t i = count; i < sizes.count; i++)
        lines.more += sizes.items[i].count > 0;
    if (count > 0)
        status = ask_heads(store, shard, sizes.items, count, &reply);
    for (size_t i = 0; status == 0 && i < count; i++)
        add_lines(&lines, sizes.items[i].function, reply->element[i]);
    line_sizes_done(&sizes);
    if (status == 0)
        *ret_lines = lines;
    return status;
}

void waiting_lines_done(struct waiting_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++) {
        free(lines->items[i].function);
        free(lines->items[i].keys);
    }
    free(lines->items);
    *lines = (struct waiting_lines){ 0 };
}
