/* SPDX-License-Identifier: Apache-2.0 */
/* What people told all daemons: which functions are paused, and what they did, for the log of one. */
#include "store/operations.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "engine/dispatch.h"
#include "parts/families.h"
#include "parts/part.h"
#include "store/memory.h"
#include "store/shelf.h"

#define ROUND_MS 300
#define SLICE_US 50000
#define MEMORY_MS 1000
#define MEMORY_SHORT 0.95 /* of maxmemory: what would be kept there stops, */
#define MEMORY_AGAIN 0.9  /* until there is less than that */
#define RESUMED_MS 5000   /* that long before it was gone Redis may have lost that something goes on */

struct names {
    char **items;
    char **values;
    size_t count;
};

/* Of the process. */
static struct {
    struct thread thread;
    atomic_bool is_over;
    atomic_bool has_rolled_back;
    struct daemon *daemon;
    struct names paused;  /* the thread's, as all below; as Redis told it last */
    struct names resumed; /* what was paused before that, for a moment */
    int64_t resumed_ms;   /* monotonic; when the last of these went on */
    int64_t heard_ms;     /* … and when Redis told anything last */
    bool is_known;
    atomic_bool is_held; /* thread sets, any reads: all functions are paused */
    int64_t memory_ms;   /* monotonic; when it was looked at */
    bool is_short;
    _Atomic(uint64_t) memory_used, memory_most; /* any thread reads; of the server that is fullest */
} operations;

/* ---- names ----------------------------------------------------------------------------------------- */

static void add_name(void *context, const char *name, struct bytes value)
{
    struct names *names = context;

    names->items = xrealloc(names->items, (names->count + 1) * sizeof(*names->items));
    names->values = xrealloc(names->values, (names->count + 1) * sizeof(*names->values));
    names->items[names->count] = xstrdup(name);
    names->values[names->count++] = xstrndup(value.data, value.size);
}

static void names_done(struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        free(names->items[i]);
        free(names->values[i]);
    }
    free(names->items);
    free(names->values);
    *names = (struct names){ 0 };
}

static bool names_have(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0)
            return true;
    return false;
}

/* ---- a round --------------------------------------------------------------------------------------- */

static void apply(void *context, const struct function *function)
{
    struct dispatch *dispatch = ((struct daemon *)context)->dispatch;
    const bool is_paused = names_have(&operations.paused, function->id);

    if (is_paused == dispatch_is_paused(dispatch, function))
        return;
    if (is_paused)
        dispatch_pause(dispatch, function);
    else
        dispatch_resume(dispatch, function);
    log_info("function %s is %s here", function->id, is_paused ? "paused" : "no longer paused");
}

static const char *value_of(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0)
            return names->values[i];
    return "";
}

/* What went on in the last moments before Redis was gone, and is paused again by the same person, was not paused anew. */
static int tell_resumed(struct redis_store *store, const struct names *now)
{
    int status = 0;

    for (size_t i = 0; operations.heard_ms - operations.resumed_ms < RESUMED_MS && i < operations.resumed.count && status == 0; i++) {
        const char *name = operations.resumed.items[i];
        bool was_there;
        if (names_have(now, name) && !names_have(&operations.paused, name) &&
            strcmp(value_of(now, name), operations.resumed.values[i]) == 0)
            status = shelf_remove(store, PAUSED_SHELF, name, &was_there);
    }
    return status;
}

/* A Redis that came back as another may have lost its last second: what was known stands again. */
static int tell_again(struct redis_store *store, const struct names *now)
{
    int status = tell_resumed(store, now);

    assert_thread(&operations.thread);
    for (size_t i = 0; i < operations.paused.count && status == 0; i++) {
        const char *value = operations.paused.values[i];
        if (!names_have(now, operations.paused.items[i]))
            status = shelf_save(store, PAUSED_SHELF, operations.paused.items[i], (struct bytes){ value, strlen(value) });
    }
    return status;
}

/* What is paused no more goes from the one list to the other. */
static void note_resumed(const struct names *now)
{
    bool has_begun = false;

    assert_thread(&operations.thread);
    for (size_t i = 0; i < operations.paused.count; i++) {
        if (names_have(now, operations.paused.items[i]))
            continue;
        if (!has_begun && clock_monotonic_ms() - operations.resumed_ms >= RESUMED_MS)
            names_done(&operations.resumed);
        has_begun = true;
        const char *value = operations.paused.values[i];
        add_name(&operations.resumed, operations.paused.items[i], (struct bytes){ value, strlen(value) });
        operations.resumed_ms = clock_monotonic_ms();
    }
    operations.heard_ms = clock_monotonic_ms();
}

/* All functions: nothing begins, whatever it is of. */
static void stop_or_release(struct daemon *daemon)
{
    bool is_held = names_have(&operations.paused, PAUSED_ALL);

    assert_thread(&operations.thread);
    dispatch_set_stopped(daemon->dispatch, is_held);
    if (!operations.is_known)
        dispatch_release(daemon->dispatch);
    if (is_held != operations.is_held)
        log_info("all functions are %s here", is_held ? "paused" : "no longer paused");
    atomic_store(&operations.is_held, is_held);
}

static int look_at_paused(struct daemon *daemon)
{
    struct names now = { 0 };
    int status = shelf_load(daemon->store, PAUSED_SHELF, add_name, &now);

    assert_thread(&operations.thread);
    if (status == 0 && atomic_exchange(&operations.has_rolled_back, false)) {
        status = tell_again(daemon->store, &now);
        names_done(&now);
        if (status == 0)
            status = shelf_load(daemon->store, PAUSED_SHELF, add_name, &now);
        if (status != 0)
            operations.has_rolled_back = true;
    }
    if (status != 0) {
        names_done(&now);
        return status;
    }
    note_resumed(&now);
    names_done(&operations.paused);
    operations.paused = now;
    part_each_function(daemon, apply, daemon);
    stop_or_release(daemon);
    operations.is_known = true;
    return 0;
}

/* One daemon alone takes each of them. */
static int log_deeds(struct redis_store *store)
{
    struct names deeds = { 0 };
    int status = shelf_load(store, DEEDS_SHELF, add_name, &deeds);

    for (size_t i = 0; i < deeds.count && status == 0; i++) {
        bool is_ours = false;
        status = shelf_remove(store, DEEDS_SHELF, deeds.items[i], &is_ours);
        if (is_ours)
            log_info("%s", deeds.values[i]);
    }
    names_done(&deeds);
    return status;
}

/* ---- Redis's memory -------------------------------------------------------------------------------- */

static struct server_memory fullest_of(const struct server_memory *servers, size_t count)
{
    struct server_memory fullest = { 0 };

    for (size_t i = 0; i < count; i++)
        if (i == 0 || server_memory_share(&servers[i]) > server_memory_share(&fullest))
            fullest = servers[i];
    return fullest;
}

static void say_memory(bool is_short, const struct server_memory *memory)
{
    if (is_short)
        log_warn("Redis's memory is nearly full, %" PRIu64 " of %" PRIu64
                 " MiB: partitions whose events start runs that Redis keeps stop; the runs that it has go on",
                 memory->used >> 20, memory->most >> 20);
    else
        log_info("Redis has free memory again: %" PRIu64 " of %" PRIu64 " MiB", memory->used >> 20, memory->most >> 20);
}

/* Before it refuses. A Redis that refuses loses nothing either, but holds up those who ask. */
static int look_at_memory(struct daemon *daemon)
{
    struct server_memory *servers = NULL;
    size_t count = 0;

    assert_thread(&operations.thread);
    if (clock_monotonic_ms() - operations.memory_ms < MEMORY_MS)
        return 0;
    operations.memory_ms = clock_monotonic_ms();
    int status = store_memory(daemon->store, &servers, &count);
    if (status != 0)
        return status;
    const struct server_memory fullest = fullest_of(servers, count);
    free(servers);
    atomic_store(&operations.memory_used, fullest.used);
    atomic_store(&operations.memory_most, fullest.most);
    bool is_short = server_memory_share(&fullest) >= (operations.is_short ? MEMORY_AGAIN : MEMORY_SHORT);
    if (is_short != operations.is_short)
        say_memory(is_short, &fullest);
    operations.is_short = is_short;
    dispatch_set_short(daemon->dispatch, is_short);
    return 0;
}

static void *watch(void *context)
{
    struct daemon *daemon = context;

    while (!operations.is_over) {
        const int64_t next_ms = clock_monotonic_ms() + ROUND_MS;
        int status = look_at_paused(daemon);
        if (status == 0)
            status = log_deeds(daemon->store);
        if (status == 0)
            status = look_at_memory(daemon);
        if (status == -ESHUTDOWN)
            return NULL;
        while (!operations.is_over && clock_monotonic_ms() < next_ms)
            (void)usleep(SLICE_US);
    }
    return NULL;
}

bool part_is_held(void)
{
    return operations.is_held;
}

/* ---- the part -------------------------------------------------------------------------------------- */

void part_redis_rolled_back(void)
{
    operations.has_rolled_back = true;
}

static int start(struct daemon *daemon, struct error *ret_error)
{
    dispatch_hold(daemon->dispatch);
    return thread_start(&operations.thread, "operations", 0, watch, daemon, ret_error);
}

static void halt(struct daemon *daemon)
{
    (void)daemon;
    operations.is_over = true;
}

static void end(struct daemon *daemon)
{
    (void)daemon;
    thread_join(&operations.thread);
    names_done(&operations.paused);
    names_done(&operations.resumed);
}

/* ---- metrics --------------------------------------------------------------------------------------- */

struct paused_page {
    struct daemon *daemon;
    struct metrics_page *page;
};

static void put_paused(void *context, const struct function *function)
{
    const struct paused_page *paused = context;
    const struct metric_label labels[] = { { "function", function->id }, { 0 } };

    metrics_put(paused->page, labels, operations.is_held || dispatch_is_paused(paused->daemon->dispatch, function) ? 1 : 0);
}

static void write_metrics(struct daemon *daemon, struct metrics_page *page)
{
    struct paused_page paused = { daemon, page };

    metrics_family(page, METRIC_GAUGE, "function_paused", "Whether a person has paused the function: its runs wait.");
    part_each_function(daemon, put_paused, &paused);
    families_put_gauge(page, "redis_memory_bytes", "What Redis uses of its memory: the fullest server, where there are several.",
                       (double)atomic_load(&operations.memory_used));
    families_put_gauge(page, "redis_memory_max_bytes", "Its maxmemory; 0: none is set.", (double)atomic_load(&operations.memory_most));
}

const struct part PART_OPERATIONS = { .name = "operations", .start = start, .halt = halt, .end = end, .write_metrics = write_metrics };
