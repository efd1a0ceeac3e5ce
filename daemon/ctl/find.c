/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/find.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "run/failure.h"
#include "store/redis/keys.h"

#define PAGE 5000            /* ids a call */
#define HEADS 100            /* records of which the beginning is read in a call */
#define HEAD_SIZE "320"      /* of them: the header, and the function's id in most cases */
#define DELAYED_MOST 20000   /* looked at when nothing is asked in particular: there may be millions */

/* ---- by id -------------------------------------------------------------------------------------- */

/* In a SCAN's pattern these mean something. */
static char *escape(const char *text)
{
    char *escaped = xmalloc(2 * strlen(text) + 1);
    char *to = escaped;

    for (; *text != '\0'; text++) {
        if (strchr("*?[]\\", *text) != NULL)
            *to++ = '\\';
        *to++ = *text;
    }
    *to = '\0';
    return escaped;
}

#define MATCHES_MOST 5

struct matches {
    struct run_id ids[MATCHES_MOST];
    size_t count;
};

static void add_match(struct matches *matches, const char *id)
{
    for (size_t i = 0; i < matches->count; i++)
        if (strcmp(matches->ids[i].text, id) == 0)
            return;
    if (matches->count < MATCHES_MOST && run_id_is_valid(id))
        memcpy(matches->ids[matches->count++].text, id, RUN_ID_LENGTH + 1);
}

static int scan_for(struct redis_store *store, int shard, const char *text, struct matches *matches)
{
    AUTO_FREE char *keys = keys_format(store_prefix(store, shard), "run:");
    AUTO_FREE char *escaped = escape(keys);
    AUTO_FREE char *pattern = xasprintf("%s%s*", escaped, text);
    char cursor[24] = "0";

    do {
        AUTO_REPLY reply = NULL;
        int status = store_commandf(store, shard, &reply, "SCAN %s MATCH %s COUNT 1000", cursor, pattern);
        if (status != 0)
            return status;
        (void)snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
        for (size_t i = 0; i < reply->element[1]->elements; i++)
            add_match(matches, reply->element[1]->element[i]->str + strlen(keys));
    } while (strcmp(cursor, "0") != 0 && matches->count < MATCHES_MOST);
    return 0;
}

static enum ctl_exit ambiguous(const char *text, const struct matches *matches)
{
    AUTO_FREE char *list = xstrdup("");

    for (size_t i = 0; i < matches->count; i++) {
        char *longer = xasprintf("%s%s%s", list, i == 0 ? "" : ", ", matches->ids[i].text);
        free(list);
        list = longer;
    }
    return ctl_fail(CTL_USAGE, "several runs begin with %s: %s", text, list);
}

enum ctl_exit find_run(struct ctl *ctl, const char *text, struct run_id *ret_id)
{
    struct matches matches = { .count = 0 };
    AUTO_FREE char *digits = xstrdup(text);
    size_t length = strlen(digits);

    for (char *at = digits; *at != '\0'; at++)
        if (*at >= 'A' && *at <= 'F')
            *at = (char)(*at - 'A' + 'a');
    if (run_id_is_valid(digits)) {
        memcpy(ret_id->text, digits, RUN_ID_LENGTH + 1);
        return CTL_OK;
    }
    if (length < FIND_PREFIX_LEAST || length > RUN_ID_LENGTH || strspn(digits, "0123456789abcdef") != length)
        return ctl_misused(ctl, "'%.60s' is no run's id: 32 hex digits, or the first %d or more of them", text, FIND_PREFIX_LEAST);
    int status = scan_for(ctl->store, store_shard_of(ctl->store, digits), digits, &matches);
    if (status != 0)
        return ctl_store_failed(ctl, status);
    if (matches.count == 0)
        return ctl_fail(CTL_NOT_FOUND, "no run's id begins with %s; `stepctl runs` lists them (finished ones as `history` says)", digits);
    if (matches.count > 1)
        return ambiguous(digits, &matches);
    *ret_id = matches.ids[0];
    return CTL_OK;
}

enum ctl_exit find_and_load(struct ctl *ctl, const char *text, struct loaded_run *ret_run)
{
    struct error error = { 0 };
    struct run_id id;

    enum ctl_exit found = find_run(ctl, text, &id);
    if (found != CTL_OK)
        return found;
    int status = runs_load(ctl->store, id.text, ret_run, &error);
    if (status == -ENOENT)
        return ctl_fail(CTL_NOT_FOUND, "%s; `stepctl runs` lists those there are (finished ones as `history` says)", error.text);
    if (status == -EBADMSG)
        return ctl_fail(CTL_FAILED, "run %s: %s", id.text, error.text);
    return status != 0 ? ctl_store_failed(ctl, status) : CTL_OK;
}

int find_workers_alive(struct redis_store *store, int shard, int64_t *ret_count)
{
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "workers");
    AUTO_FREE char *least = xasprintf("%" PRId64, store_now_ms(store));
    AUTO_REPLY reply = NULL;
    int status = store_commandf(store, shard, &reply, "ZCOUNT %s %s +inf", key, least);

    if (status == 0)
        *ret_count = reply->integer;
    return status;
}

/* ---- lists -------------------------------------------------------------------------------------- */

struct search {
    struct redis_store *store;
    const struct find_filter *filter;
    struct found *found;
    size_t count;
    size_t capacity;
    bool is_cut;
};

static void keep(struct search *search, const struct run_id *id, int64_t created_ms)
{
    if (search->count == search->capacity) {
        search->capacity = search->capacity == 0 ? 256 : search->capacity * 2;
        search->found = xrealloc(search->found, search->capacity * sizeof(*search->found));
    }
    search->found[search->count++] = (struct found){ *id, created_ms };
}

static bool has_status(const struct find_filter *filter, char letter)
{
    if (filter->status == 0)
        return true;
    return letter == (char)filter->status || (filter->status == RUN_DELAYED && letter == RUN_BEHIND);
}

static bool passes(const struct find_filter *filter, const redisReply *head)
{
    if (head->len < RECORD_HEADER_SIZE || head->str[0] != RECORD_VERSION || !has_status(filter, head->str[1]))
        return false;
    if (filter->function == NULL)
        return true;
    struct fields body = fields_open((struct bytes){ head->str + RECORD_HEADER_SIZE, (size_t)head->len - RECORD_HEADER_SIZE });
    struct bytes function = fields_take_text(&body);
    return function.size == strlen(filter->function) && memcmp(function.data, filter->function, function.size) == 0;
}

static int64_t created_of(const redisReply *head)
{
    uint64_t value;

    memcpy(&value, head->str + 16, sizeof(value));
    return (int64_t)le64toh(value);
}

/* At most HEADS ids, all of `shard`. */
static int look_at(struct search *search, int shard, const struct run_id *ids, size_t count)
{
    static const char SCRIPT[] = "local r = {} for i, k in ipairs(KEYS) do r[i] = redis.call('GETRANGE', k, 0, " HEAD_SIZE " - 1) end return r";
    struct bytes words[HEADS + 3];
    char *keys[HEADS];
    char number[24];
    AUTO_REPLY reply = NULL;

    words[0] = (struct bytes){ "EVAL", 4 };
    words[1] = (struct bytes){ SCRIPT, sizeof(SCRIPT) - 1 };
    words[2] = (struct bytes){ number, (size_t)snprintf(number, sizeof(number), "%zu", count) };
    for (size_t i = 0; i < count; i++) {
        keys[i] = keys_format(store_prefix(search->store, shard), "run:%s", ids[i].text);
        words[i + 3] = (struct bytes){ keys[i], strlen(keys[i]) };
    }
    int status = store_command(search->store, shard, count + 3, words, &reply);
    for (size_t i = 0; i < count; i++) {
        if (status == 0 && i < reply->elements && passes(search->filter, reply->element[i]))
            keep(search, &ids[i], created_of(reply->element[i]));
        free(keys[i]);
    }
    return status;
}

static int look_at_page(struct search *search, int shard, const struct run_id *ids, size_t count)
{
    int status = 0;

    for (size_t at = 0; at < count && status == 0; at += HEADS)
        status = look_at(search, shard, ids + at, count - at < HEADS ? count - at : HEADS);
    return status;
}

/* At most `most` that pass. The lists of what waits behind and is owned come in one piece. */
static int look_through(struct search *search, enum runs_list list, int shard, size_t most)
{
    bool is_whole = list == RUNS_OWNED || list == RUNS_BEHIND;
    size_t page = is_whole ? 1000000 : PAGE;
    size_t before = search->count;

    for (size_t first = 0;; first += page) {
        AUTO_FREE struct run_id *ids = NULL;
        size_t count = 0;
        int status = runs_list(search->store, list, shard, first, page, &ids, &count);
        if (status == 0)
            status = look_at_page(search, shard, ids, count);
        if (status != 0 || count < page)
            return status;
        if (search->count - before >= most) {
            search->is_cut |= list == RUNS_DELAYED;
            return 0;
        }
    }
}

static bool is_in(enum runs_list list, enum run_status wanted)
{
    switch (wanted) {
    case RUN_OWNED:
        return list == RUNS_OWNED;
    case RUN_DELAYED:
    case RUN_BEHIND:
        return list == RUNS_DELAYED || list == RUNS_BEHIND;
    case RUN_SLEEPING:
        return list == RUNS_DELAYED || list == RUNS_BEHIND;
    case RUN_FAILED:
        return list == RUNS_DEAD;
    case RUN_COMPLETED:
    case RUN_CANCELLED:
        return list == RUNS_HISTORY;
    }
    return true;
}

static int newest_first(const void *one, const void *other)
{
    const struct found *a = one;
    const struct found *b = other;

    if (a->created_ms != b->created_ms)
        return a->created_ms < b->created_ms ? 1 : -1;
    return strcmp(a->id.text, b->id.text);
}

/* Once each: a run may have moved from list to list while they were read. */
static void settle(struct search *search)
{
    size_t kept = 0;

    if (search->count > 0)
        qsort(search->found, search->count, sizeof(*search->found), newest_first);
    for (size_t i = 0; i < search->count && kept < search->filter->limit; i++)
        if (kept == 0 || strcmp(search->found[kept - 1].id.text, search->found[i].id.text) != 0)
            search->found[kept++] = search->found[i];
    search->count = kept;
}

int find_runs(struct redis_store *store, const struct find_filter *filter, struct found **ret_found, size_t *ret_count, bool *ret_is_cut)
{
    /* In the order in which a run goes through them, with a second look at where it may go back to:
     * what moves meanwhile is seen at least once. */
    static const enum runs_list LISTS[] = { RUNS_OWNED, RUNS_BEHIND, RUNS_DELAYED, RUNS_OWNED, RUNS_DEAD, RUNS_HISTORY };
    struct search search = { .store = store, .filter = filter };
    int status = 0;

    for (size_t i = 0; i < COUNT_OF(LISTS) && status == 0; i++) {
        if (!is_in(LISTS[i], filter->status))
            continue;
        size_t most = LISTS[i] == RUNS_DELAYED && filter->limit < DELAYED_MOST ? DELAYED_MOST : filter->limit;
        for (int shard = 0; shard < store_shards(store) && status == 0; shard++)
            status = look_through(&search, LISTS[i], shard, most);
    }
    if (status != 0) {
        free(search.found);
        return status;
    }
    settle(&search);
    *ret_found = search.found;
    *ret_count = search.count;
    *ret_is_cut = search.is_cut;
    return 0;
}
