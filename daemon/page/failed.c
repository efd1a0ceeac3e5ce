/* SPDX-License-Identifier: Apache-2.0 */
/* The latest failures, by error and function. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "page/page_internal.h"
#include "page/rows.h"

#define LOOK_MOST 2000  /* of a shard, the latest */
#define GROUPS_MOST 200 /* what else failed is counted in `looked` alone */

struct group {
    char *error;
    char *function;
    char *message; /* of the latest */
    char latest[RUN_ID_LENGTH + 1];
    int64_t latest_ms;
    size_t count;
};

struct groups {
    struct group all[GROUPS_MOST];
    size_t count;
    size_t looked;
};

static bool look(void *context, const struct row *row)
{
    struct groups *groups = context;
    const char *error = row->view != NULL && row->view->has_error ? row->view->error.name : "";
    size_t i = 0;

    groups->looked++;
    while (i < groups->count && (strcmp(groups->all[i].error, error) != 0 || strcmp(groups->all[i].function, row->record->function) != 0))
        i++;
    if (i == GROUPS_MOST)
        return true;
    struct group *group = &groups->all[i];
    if (i == groups->count) {
        groups->count++;
        *group = (struct group){ .error = xstrdup(error), .function = xstrdup(row->record->function), .message = xstrdup("") };
    }
    group->count++;
    if (row->record->changed_ms <= group->latest_ms)
        return true;
    group->latest_ms = row->record->changed_ms;
    memcpy(group->latest, row->id, sizeof(group->latest));
    free(group->message);
    group->message = xstrdup(row->view != NULL && row->view->has_error ? row->view->error.message : "");
    return true;
}

static int most_first(const void *one, const void *other)
{
    const struct group *a = one;
    const struct group *b = other;

    return a->count != b->count ? (a->count < b->count ? 1 : -1) : a->latest_ms < b->latest_ms ? 1 : -1;
}

static void put_groups(struct groups *groups, bool is_all, struct web_reply *reply)
{
    struct json_out out;

    assert(groups->count <= GROUPS_MOST);
    if (groups->count > 0)
        qsort(groups->all, groups->count, sizeof(groups->all[0]), most_first);
    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_open(&out, "groups", '[');
    for (size_t i = 0; i < groups->count; i++) {
        const struct group *group = &groups->all[i];
        json_out_open(&out, NULL, '{');
        json_out_text(&out, "error", group->error);
        json_out_text(&out, "function", group->function);
        json_out_text(&out, "message", group->message);
        json_out_text(&out, "latest", group->latest);
        json_out_number(&out, "latest_ms", group->latest_ms);
        json_out_number(&out, "count", (int64_t)group->count);
        json_out_close(&out, '{');
    }
    json_out_close(&out, '[');
    json_out_number(&out, "looked", (int64_t)groups->looked);
    json_out_bool(&out, "is_all", is_all);
    json_out_close(&out, '{');
    reply_json(reply, &out);
}

static void groups_free(struct groups *groups)
{
    for (size_t i = 0; i < groups->count; i++) {
        free(groups->all[i].error);
        free(groups->all[i].function);
        free(groups->all[i].message);
    }
    free(groups);
}

void page_failed(void *context, const struct web_request *request, struct web_reply *reply)
{
    struct page *page = context;
    struct groups *groups = xcalloc(1, sizeof(*groups));
    bool is_all = true;
    int status = 0;

    (void)request;
    for (int shard = 0; shard < store_shards(page->store) && status == 0; shard++) {
        struct walk walk;
        walk_init(&walk, RUNS_DEAD, shard);
        status = walk_on(&walk, page->store, LOOK_MOST, look, groups);
        is_all = is_all && walk.is_end;
    }
    if (status == 0)
        put_groups(groups, is_all, reply);
    else
        reply_error(reply, 503, "Redis: %s", strerror(-status));
    groups_free(groups);
}
