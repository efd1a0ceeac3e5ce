/* SPDX-License-Identifier: Apache-2.0 */
/* What all daemons do, live: counts with their rates, and the newest runs. */
#include <assert.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "ctl/command.h"
#include "ctl/find.h"
#include "ctl/run_table.h"
#include "ctl/text.h"
#include "store/runs.h"
#include "view/json_out.h"

#define LOOK_MS 1000
#define WINDOW 10     /* looks that a rate is of: daemons tell their counts with their heartbeats only */
#define RUNS_PLAIN 10 /* where there is no terminal to fill */

struct look {
    int64_t at_ms; /* monotonic */
    struct runs_stats stats;
    int64_t alive;
};

struct top {
    struct ctl *ctl;
    struct look looks[WINDOW]; /* the latest is at (count - 1) % WINDOW */
    size_t count;
    bool has_screen;
    struct termios before;
};

static const struct {
    const char *name;
    size_t offset; /* in struct worker_counts */
} COUNTS[] = {
    { "events_consumed", offsetof(struct worker_counts, events_consumed) },
    { "runs_started", offsetof(struct worker_counts, runs_started) },
    { "runs_completed", offsetof(struct worker_counts, runs_completed) },
    { "runs_failed", offsetof(struct worker_counts, runs_failed) },
    { "retries_scheduled", offsetof(struct worker_counts, retries_scheduled) },
    { "dead_letters", offsetof(struct worker_counts, dead_letters) },
};
#define COUNT_COUNT COUNT_OF(COUNTS)

static atomic_bool is_interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    atomic_store(&is_interrupted, true);
}

/* ---- the terminal ------------------------------------------------------------------------------- */

/* Another screen, without a cursor and without wrapped lines; keys come one by one. */
static void screen_open(struct top *top)
{
    if (top->ctl->is_json || isatty(STDOUT_FILENO) == 0 || tcgetattr(STDIN_FILENO, &top->before) != 0)
        return;
    struct termios raw = top->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    (void)fputs("\033[?1049h\033[?25l\033[?7l", stdout);
    top->has_screen = true;
}

static void screen_close(struct top *top)
{
    if (!top->has_screen)
        return;
    (void)fputs("\033[?7h\033[?25h\033[?1049l", stdout);
    (void)fflush(stdout);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &top->before);
    top->has_screen = false;
}

/* Until the next look. False: it is over. */
static bool wait_for_next(const struct top *top)
{
    struct pollfd keyboard = { .fd = top->has_screen ? STDIN_FILENO : -1, .events = POLLIN };
    char key;

    if (poll(&keyboard, 1, LOOK_MS) > 0 && (read(STDIN_FILENO, &key, 1) != 1 || key == 'q'))
        return false;
    return !atomic_load(&is_interrupted);
}

/* ---- one look ----------------------------------------------------------------------------------- */

static int look(struct top *top)
{
    struct look *latest = &top->looks[top->count % WINDOW];
    int status = runs_stats(top->ctl->store, &latest->stats);

    if (status == 0)
        status = store_workers_alive(top->ctl->store, 0, &latest->alive);
    if (status != 0)
        return status;
    latest->at_ms = clock_monotonic_ms();
    top->count++;
    return 0;
}

static const struct look *latest_of(const struct top *top)
{
    assert(top->count > 0);
    return &top->looks[(top->count - 1) % WINDOW];
}

static uint64_t value_of(const struct look *look, size_t count)
{
    uint64_t value;

    assert(count < COUNT_COUNT);
    memcpy(&value, (const char *)&look->stats.counts + COUNTS[count].offset, sizeof(value));
    return value;
}

/* A second, over what the window holds. */
static double rate_of(const struct top *top, size_t count)
{
    const struct look *latest = latest_of(top);
    const struct look *oldest = &top->looks[top->count > WINDOW ? top->count % WINDOW : 0];
    uint64_t before = value_of(oldest, count);
    uint64_t now = value_of(latest, count);

    if (latest->at_ms <= oldest->at_ms || now < before)
        return 0;
    return (double)(now - before) * 1000 / (double)(latest->at_ms - oldest->at_ms);
}

static void print_json(const struct top *top)
{
    const struct look *latest = latest_of(top);
    struct json_out out;

    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_number(&out, "time_ms", store_now_ms(top->ctl->store));
    for (size_t i = 0; i < COUNT_COUNT; i++)
        json_out_number(&out, COUNTS[i].name, (int64_t)value_of(latest, i));
    json_out_open(&out, "per_second", '{');
    for (size_t i = 0; i < COUNT_COUNT; i++)
        json_out_number(&out, COUNTS[i].name, (int64_t)(rate_of(top, i) + 0.5));
    json_out_close(&out, '{');
    json_out_number(&out, "delayed", (int64_t)latest->stats.delayed);
    json_out_number(&out, "queued", (int64_t)latest->stats.queued);
    json_out_number(&out, "owned", (int64_t)latest->stats.owned);
    json_out_number(&out, "dead", (int64_t)latest->stats.dead);
    json_out_number(&out, "history", (int64_t)latest->stats.history);
    json_out_number(&out, "workers", latest->alive);
    json_out_close(&out, '{');
    json_out_print(&out);
}

static void print_counts(const struct top *top)
{
    struct table *table = table_create(3);

    for (size_t i = 0; i < COUNT_COUNT; i++) {
        double rate = rate_of(top, i);
        table_add(table, COLOUR_NONE, "%s", COUNTS[i].name);
        table_add(table, COLOUR_BOLD, "%" PRIu64, value_of(latest_of(top), i));
        table_add(table, rate > 0 ? COLOUR_GREEN : COLOUR_DIM, rate > 0 && rate < 10 ? "%.1f a second" : "%.0f a second", rate);
    }
    table_print(table, "");
}

static void print_head(const struct top *top)
{
    const struct look *latest = latest_of(top);
    AUTO_FREE char *when = text_when(latest->stats.next_due_ms, store_now_ms(top->ctl->store));
    AUTO_FREE char *due = latest->stats.next_due_ms > 0 ? xasprintf(" (the next is due %s)", when) : xstrdup("");
    AUTO_FREE char *alive = xasprintf("%" PRId64 " daemon%s alive", latest->alive, latest->alive == 1 ? "" : "s");

    text_print(latest->alive > 0 ? COLOUR_GREEN : COLOUR_RED, alive);
    (void)printf("   %" PRIu64 " delayed%s   %" PRIu64 " queued   %" PRIu64 " owned   %" PRIu64 " dead   %" PRIu64 " in the history\n\n",
                 latest->stats.delayed, due, latest->stats.queued, latest->stats.owned, latest->stats.dead, latest->stats.history);
}

static bool take_row(void *context, const struct run_view *view)
{
    run_table_add(context, view);
    return true;
}

static int print_runs(const struct top *top, size_t most)
{
    static const struct selection all = SELECTION_OF_ALL;
    const struct find_filter filter = { .selection = &all, .limit = most };
    struct finds finds = { 0 };

    int status = find_runs(top->ctl->store, &filter, &finds);
    if (status != 0)
        return status;
    struct table *table = run_table_begin();
    status = run_views_each(top->ctl, &filter, &finds, take_row, table);
    if (finds.count > 0 && status == 0)
        table_print(table, "");
    else
        table_destroy(table);
    free(finds.all);
    return status;
}

static int print_screen(const struct top *top)
{
    size_t used = 2 + COUNT_COUNT + 4; /* head, counts, the table's head, and blank lines */
    size_t height = text_height();

    if (top->has_screen)
        (void)fputs("\033[H\033[J", stdout);
    print_head(top);
    print_counts(top);
    (void)putchar('\n');
    int status = print_runs(top, height == 0 ? RUNS_PLAIN : height > used ? height - used : 1);
    if (top->has_screen)
        text_print(COLOUR_DIM, "q ends");
    else
        (void)putchar('\n');
    return status;
}

static int show(struct top *top, size_t most_looks)
{
    int status;

    do {
        status = look(top);
        if (status == 0 && top->ctl->is_json)
            print_json(top);
        else if (status == 0)
            status = print_screen(top);
        if (fflush(stdout) != 0) /* nobody reads any more */
            return 0;
    } while (status == 0 && top->count != most_looks && wait_for_next(top));
    return status;
}

static enum ctl_exit run(struct ctl *ctl)
{
    const struct sigaction action = { .sa_handler = on_interrupt };
    struct top top = { .ctl = ctl };

    enum ctl_exit opened = ctl_open_store(ctl);
    if (opened != CTL_OK)
        return opened;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    screen_open(&top);
    int status = show(&top, ctl->limit_text != NULL ? ctl->limit : SIZE_MAX);
    screen_close(&top);
    return status != 0 ? ctl_store_failed(ctl, status) : CTL_OK;
}

const struct command COMMAND_TOP = {
    .name = "top",
    .arguments = "[--limit N]",
    .summary = "the same, live, with the newest runs",
    .help = "Looks once a second, N times or until q or Ctrl-C: counts of all daemons together, their rates over the last\n"
            "ten seconds, and the newest runs. With --json an object a line.\n\n"
            "  stepctl top\n"
            "  stepctl --json top --limit 60 | jq .per_second.runs_completed",
    .options = TAKES_LIMIT,
    .most_words = 0,
    .run = run,
};
