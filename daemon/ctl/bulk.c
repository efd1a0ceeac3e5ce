/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/bulk.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "ctl/catalog.h"
#include "ctl/choice.h"
#include "ctl/deed.h"
#include "ctl/find.h"
#include "ctl/progress.h"

#define ALL_MOST 10000000
#define THREADS 2
#define BATCH 32 /* runs that a thread changes at once: two batches keep Redis from others for some two milliseconds */
#define REST_MOST_US 50000
#define LOOK_US 50000 /* how often the bar moves */

static_assert(BATCH <= RUNS_PEEK_MOST, "runs_change_many() takes no more");

/* What the threads share. */
struct changing {
    struct redis_store *store;
    const struct bulk *bulk;
    const struct finds *finds;
    atomic_size_t taken; /* from the end of the finds: the oldest first */
    atomic_size_t looked_at;
    atomic_size_t changed;
    atomic_size_t asked; /* of a worker, which ends them */
    atomic_int status;   /* the store's first refusal */
    atomic_int running;
};

/* ---- on a thread ----------------------------------------------------------------------------------- */

static bool goes_on(const struct changing *changing)
{
    return changing->status == 0 && !progress_is_stopped();
}

/* Those of one shard. */
static void change_shard(struct changing *changing, int shard, const struct found *finds, size_t count)
{
    struct runs_changed changed = { 0 };
    struct run_id ids[BATCH];
    size_t mine = 0;

    assert(count <= BATCH);
    for (size_t i = 0; i < count; i++)
        if (store_shard_of(changing->store, finds[i].id.text) == shard)
            ids[mine++] = finds[i].id;
    if (mine == 0)
        return;
    int status = runs_change_many(changing->store, changing->bulk->deed, shard, ids, mine, &changed);
    if (status != 0)
        changing->status = status;
    else
        changing->looked_at += mine;
    changing->changed += changed.changed;
    changing->asked += changed.asked;
}

/* False: there are no more. */
static bool change_batch(struct changing *changing)
{
    const size_t count = changing->finds->count;
    const size_t taken = atomic_fetch_add(&changing->taken, BATCH);

    if (taken >= count)
        return false;
    const size_t size = count - taken < BATCH ? count - taken : BATCH;
    for (int shard = 0; shard < store_shards(changing->store) && changing->status == 0; shard++)
        change_shard(changing, shard, changing->finds->all + (count - taken - size), size);
    return goes_on(changing);
}

static void *change_runs(void *context)
{
    struct changing *changing = context;
    int64_t began_ns;

    do {
        began_ns = clock_monotonic_ns();
        if (!change_batch(changing))
            break;
        int64_t took_us = (clock_monotonic_ns() - began_ns) / 1000;
        (void)usleep((useconds_t)(took_us < REST_MOST_US ? took_us : REST_MOST_US));
    } while (true);
    changing->running--;
    return NULL;
}

/* ---- from the command ------------------------------------------------------------------------------ */

static enum ctl_exit change_all(struct changing *changing)
{
    struct thread threads[THREADS] = { 0 };
    struct error error = { 0 };
    int started = 0;

    assert(changing->finds->count > 0);
    changing->running = THREADS;
    for (; started < THREADS; started++)
        if (thread_start(&threads[started], "bulk", 0, change_runs, changing, &error) != 0)
            break;
    changing->running -= THREADS - started;
    while (changing->running > 0) {
        progress_show(changing->bulk->done, changing->looked_at, changing->finds->count);
        (void)usleep(LOOK_US);
    }
    for (int i = 0; i < started; i++)
        thread_join(&threads[i]);
    progress_end();
    return started > 0 ? CTL_OK : ctl_fail(CTL_FAILED, "%s", error.text);
}

static void print_count(const char *one, const char *many, size_t count)
{
    (void)printf("%zu run%s %s", count, count == 1 ? "" : "s", count == 1 ? one : many);
}

static void print_result(const struct ctl *ctl, const struct changing *changing)
{
    const struct bulk *bulk = changing->bulk;

    if (ctl->is_json && changing->asked > 0) {
        (void)printf("{\"%s\":%zu,\"asked\":%zu}\n", bulk->done, changing->changed, changing->asked);
    } else if (ctl->is_json) {
        (void)printf("{\"%s\":%zu}\n", bulk->done, changing->changed);
    } else if (changing->finds->count == 0) {
        (void)puts("none");
    } else {
        print_count(bulk->one, bulk->many, changing->changed);
        (void)puts(".");
        if (changing->asked > 0) {
            print_count("is", "are", changing->asked);
            (void)puts(" in an attempt: each ends with it, or at its next step.");
        }
    }
}

static void print_dry(const struct ctl *ctl, const struct bulk *bulk, size_t count)
{
    if (ctl->is_json)
        (void)printf("{\"dry_run\":true,\"found\":%zu,\"%s\":0}\n", count, bulk->done);
    else if (count == 0)
        (void)puts("none");
    else
        (void)printf("%zu run%s %s.\n", count, count == 1 ? "" : "s", bulk->would);
}

static enum ctl_exit change_found(struct ctl *ctl, const struct bulk *bulk, const struct finds *finds)
{
    struct changing changing = { .store = ctl->store, .bulk = bulk, .finds = finds };

    enum ctl_exit status = finds->count > 0 ? change_all(&changing) : CTL_OK;
    if (status != CTL_OK)
        return status;
    const size_t done = (size_t)changing.changed + changing.asked;
    if (done > 0)
        deed_tell(ctl, "%zu run%s %s", done, done == 1 ? "" : "s", bulk->done);
    print_result(ctl, &changing);
    if (changing.status != 0)
        return ctl_store_failed(ctl, changing.status);
    if (changing.looked_at < finds->count)
        return ctl_fail(CTL_FAILED, "stopped after %zu of %zu; the same command goes on with the rest", changing.looked_at, finds->count);
    return CTL_OK;
}

/* That none was found may be a slip in its name. */
static void warn_of_name(struct ctl *ctl)
{
    struct config *seen = ctl->config; /* as someone who only looks sees it */
    struct catalog catalog;

    ctl->config = NULL;
    if (catalog_open(ctl, &catalog) == CTL_OK && ctl->config->program_count == 0 && catalog_find(&catalog, ctl->function) == NULL)
        (void)fprintf(stderr, "stepctl: no daemon has a function '%s'; `stepctl functions` lists them\n", ctl->function);
    catalog_close(&catalog);
    config_destroy(ctl->config);
    ctl->config = seen;
}

enum ctl_exit bulk_run(struct ctl *ctl, const struct bulk *bulk, const struct selection *selection)
{
    const struct find_filter filter = { .selection = selection, .limit = ALL_MOST, .lines = choice_lines(ctl), .is_whole = true };
    struct finds finds = { 0 };

    assert(ctl->store != NULL);
    int found = find_runs(ctl->store, &filter, &finds);
    if (found != 0)
        return ctl_store_failed(ctl, found);
    finds_warn(&finds);
    if (finds.count == 0 && ctl->function != NULL)
        warn_of_name(ctl);
    enum ctl_exit status = CTL_OK;
    if (ctl->is_dry_run) {
        print_dry(ctl, bulk, finds.count);
    } else {
        progress_begin();
        status = change_found(ctl, bulk, &finds);
    }
    free(finds.all);
    return status;
}
