/* SPDX-License-Identifier: Apache-2.0 */
/* The one reason why a run is not moving, from the lists that the scripts decide by. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "ctl/command.h"
#include "ctl/find.h"
#include "store/redis/keys.h"
#include "ctl/text.h"
#include "view/run_view.h"

struct reason {
    char code[16];  /* for programs: ended due sleeping late owned expired behind lost */
    char *text;
};

static void give(struct reason *reason, const char *code, const char *format, ...) PRINTF_LIKE(3, 4);
static void give(struct reason *reason, const char *code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    reason->text = xvasprintf(format, arguments);
    va_end(arguments);
    (void)snprintf(reason->code, sizeof(reason->code), "%s", code);
}

static int64_t score_of(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING ? (int64_t)strtod(reply->str, NULL) : -1;
}

static int score(struct redis_store *store, const char *id, const char *list, const char *member, int64_t *ret_score)
{
    int shard = store_shard_of(store, id);
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "%s", list);
    AUTO_REPLY reply = NULL;
    int status = store_commandf(store, shard, &reply, "ZSCORE %s %s", key, member);

    if (status == 0)
        *ret_score = score_of(reply);
    return status;
}

static int why_waiting(struct redis_store *store, const struct run_view *view, struct reason *reason)
{
    const char *id = view->run->id;
    AUTO_FREE char *when = text_when(view->due_ms, view->now_ms);
    int64_t listed = -1, alive = 0;

    int status = score(store, id, "delayed", id, &listed);
    if (status == 0)
        status = find_workers_alive(store, store_shard_of(store, id), &alive);
    if (status != 0)
        return status;
    if (listed < 0)
        give(reason, "lost", "it is marked as waiting, but stands in no list; a daemon's sweep makes it due (`stepctl doctor` looks for more like it)");
    else if (view->due_ms > view->now_ms && view->run->record.status == RUN_SLEEPING)
        give(reason, "sleeping", "it sleeps; that is over %s", when);
    else if (view->due_ms > view->now_ms)
        give(reason, "due", "its next attempt is due %s", when);
    else if (alive == 0)
        give(reason, "late", "it was due %s, and no daemon is alive to take it: start stepd", when);
    else
        give(reason, "late", "it was due %s; %" PRId64 " daemon%s alive, with no worker free for it yet", when, alive, alive == 1 ? " is" : "s are");
    return 0;
}

static int why_owned(struct redis_store *store, const struct run_view *view, struct reason *reason)
{
    const struct record *record = &view->run->record;
    AUTO_FREE char *since = text_when(record->changed_ms, view->now_ms);
    char worker[KEYS_WORKER_SIZE];
    int64_t deadline = -1, listed = -1;

    keys_worker(&record->owner, worker);
    AUTO_FREE char *owned = xasprintf("owned:%s", worker);
    int status = score(store, view->run->id, "workers", worker, &deadline);
    if (status == 0)
        status = score(store, view->run->id, owned, view->run->id, &listed);
    if (status != 0)
        return status;
    AUTO_FREE char *expired = text_when(deadline, view->now_ms);
    if (listed < 0)
        give(reason, "lost", "worker %.*s is said to hold it, but it stands in no list; a daemon's sweep makes it due", FIND_SHORT_LENGTH, worker);
    else if (deadline < view->now_ms)
        give(reason, "expired", "worker %.*s held it and gave its last sign of life %s; another takes it over as soon as one looks",
             FIND_SHORT_LENGTH, worker, deadline < 0 ? "long ago" : expired);
    else
        give(reason, "owned", "worker %.*s is in its attempt %d, since %s%s", FIND_SHORT_LENGTH, worker, record->attempt, since,
             (record->flags & RECORD_CANCEL) != 0 ? "; it is to be cancelled" : "");
    return 0;
}

/* Who is first of its key; empty: nobody. */
static int head_of(struct redis_store *store, const struct run_view *view, char ret_id[RUN_ID_LENGTH + 1])
{
    const struct record *record = &view->run->record;
    int shard = store_shard_of(store, view->run->id);
    size_t function_size = strlen(record->function) + 1;
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "busy:%s:%d", record->topic, (int)record->partition);
    AUTO_FREE char *field = xmalloc(function_size + record->key.size);
    AUTO_REPLY reply = NULL;

    memcpy(field, record->function, function_size);
    if (record->key.size > 0)
        memcpy(field + function_size, record->key.data, record->key.size);
    const struct bytes words[] = { { "HGET", 4 }, { key, strlen(key) }, { field, function_size + record->key.size } };
    int status = store_command(store, shard, COUNT_OF(words), words, &reply);
    ret_id[0] = '\0';
    if (status == 0 && reply->type == REDIS_REPLY_STRING && reply->len == RUN_ID_LENGTH)
        memcpy(ret_id, reply->str, RUN_ID_LENGTH + 1);
    return status;
}

static int rank_behind(struct redis_store *store, const struct run_view *view, int64_t *ret_rank)
{
    const struct record *record = &view->run->record;
    int shard = store_shard_of(store, view->run->id);
    struct bytes list = keys_behind(store_prefix(store, shard), record->topic, record->partition, record->function, record->key);
    const struct bytes words[] = { { "ZRANK", 5 }, list, { view->run->id, RUN_ID_LENGTH } };
    AUTO_REPLY reply = NULL;

    int status = store_command(store, shard, COUNT_OF(words), words, &reply);
    free((void *)(uintptr_t)list.data);
    *ret_rank = status == 0 && reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;
    return status;
}

static int why_behind(struct redis_store *store, const struct run_view *view, struct reason *reason)
{
    char head[RUN_ID_LENGTH + 1];
    struct loaded_run first;
    int64_t rank = -1;

    int status = head_of(store, view, head);
    if (status == 0)
        status = rank_behind(store, view, &rank);
    if (status != 0)
        return status;
    if (rank < 0 || head[0] == '\0') {
        give(reason, "lost", "it is marked as waiting behind another run of its key, but none is there; a daemon's sweep makes it due");
        return 0;
    }
    const char *state = "gone";
    if (runs_load(store, head, &first, NULL) == 0) {
        state = run_status_word(first.record.status);
        loaded_run_done(&first);
    }
    AUTO_FREE char *between = rank > 0 ? xasprintf(" and %" PRId64 " more", rank) : xstrdup("");
    give(reason, "behind", "runs of one key go one at a time: it waits behind run %s (%s)%s; ask why that one waits", head, state, between);
    return 0;
}

static int find_reason(struct redis_store *store, const struct run_view *view, struct reason *reason)
{
    const struct record *record = &view->run->record;
    AUTO_FREE char *when = text_when(record->changed_ms, view->now_ms);

    switch (record->status) {
    case RUN_DELAYED:
    case RUN_SLEEPING:
        return why_waiting(store, view, reason);
    case RUN_OWNED:
        return why_owned(store, view, reason);
    case RUN_BEHIND:
        return why_behind(store, view, reason);
    case RUN_COMPLETED:
        give(reason, "ended", "it completed %s", when);
        return 0;
    case RUN_FAILED:
        give(reason, "ended", "it failed for good %s; `stepctl retry` begins it anew", when);
        return 0;
    case RUN_CANCELLED:
        give(reason, "ended", "a person cancelled it %s; `stepctl retry` begins it anew", when);
        return 0;
    }
    give(reason, "unknown", "its status is unknown to this version");
    return 0;
}

static void print(const struct ctl *ctl, const struct run_view *view, const struct reason *reason)
{
    if (!ctl->is_json) {
        (void)printf("%s: ", view->run->id);
        text_print(COLOUR_NONE, reason->text);
        (void)putchar('\n');
        return;
    }
    struct json_out out;
    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_text(&out, "id", view->run->id);
    json_out_text(&out, "status", view->status);
    json_out_text(&out, "reason", reason->code);
    json_out_text(&out, "text", reason->text);
    json_out_close(&out, '{');
    json_out_flush(&out);
    json_out_done(&out);
    (void)putchar('\n');
}

static enum ctl_exit run(struct ctl *ctl)
{
    struct loaded_run loaded;
    struct run_view view;
    struct reason reason = { 0 };

    if (ctl->word_count != 2)
        return ctl_misused(ctl, "which run?");
    enum ctl_exit found = ctl_open_store(ctl);
    if (found == CTL_OK)
        found = find_and_load(ctl, ctl->words[1], &loaded);
    if (found != CTL_OK)
        return found;
    run_view_open(&view, &loaded, store_now_ms(ctl->store));
    int status = find_reason(ctl->store, &view, &reason);
    if (status == 0)
        print(ctl, &view, &reason);
    free(reason.text);
    run_view_done(&view);
    loaded_run_done(&loaded);
    return status != 0 ? ctl_store_failed(ctl, status) : CTL_OK;
}

const struct command COMMAND_WHY = {
    .name = "why",
    .arguments = "RUN",
    .summary = "the one reason why a run is not moving",
    .help = "When it is due, which run of its key it waits for, which worker holds it, or what else keeps it.\n\n"
            "  stepctl why 8c1f03aa5d2e",
    .most_words = 1,
    .run = run,
};
