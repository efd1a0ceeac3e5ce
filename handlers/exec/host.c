/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define COMPLAINTS_MOST 101 /* of an attempt, that are kept to be logged; the last says that there are more */

struct host {
    int most;
    int bell; /* eventfd: something has come */
    pthread_mutex_t lock;
    int taken, waiting;     /* lock; places, and those who wait for one */
    struct hosted *arrived; /* lock; the last first */
    bool has_thread;        /* lock */
    bool is_stopping;       /* lock */
    pthread_t thread;
    /* Its thread: */
    struct hosted *first; /* those that are away, and those that have to end; the longest there first */
    struct pollfd *fds;
    size_t room; /* of fds */
};

static struct hosted *of(struct errand *errand)
{
    return (struct hosted *)(void *)errand;
}

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void ring(struct host *host)
{
    static const uint64_t one = 1;

    while (write(host->bell, &one, sizeof(one)) < 0 && errno == EINTR)
        continue;
}

static void *need(void *memory)
{
    if (memory == NULL)
        abort(); /* the runs are attempted again by the next daemon */
    return memory;
}

/* ---- one of them ------------------------------------------------------------------------------------ */

static void complain(void *context, const char *line)
{
    struct hosted *hosted = context;

    if (hosted->complaint_count++ >= COMPLAINTS_MOST)
        return;
    struct complaint *complaint = need(malloc(sizeof(*complaint) + strlen(line) + 1));
    complaint->next = NULL;
    memcpy(complaint->line, line, strlen(line) + 1);
    *hosted->complaints_end = complaint;
    hosted->complaints_end = &complaint->next;
}

struct complaint *hosted_take_complaint(struct hosted *hosted)
{
    struct complaint *complaint = hosted->complaints;

    if (complaint == NULL)
        return NULL;
    hosted->complaints = complaint->next;
    if (hosted->complaints == NULL)
        hosted->complaints_end = &hosted->complaints;
    return complaint;
}

static void forget_order(struct hosted *hosted)
{
    environment_done(&hosted->environment);
    hosted->environment = (struct environment){ 0 };
}

static void begin(struct hosted *hosted)
{
    hosted->spec.environment = hosted->environment.entries;
    hosted->problem = program_start(&hosted->spec, &hosted->program);
    forget_order(hosted);
    hosted->begun_at_ms = now_ms();
    if (hosted->problem == 0)
        program_allow(hosted->program, hosted->timeout_ms);
}

static void destroy_hosted(struct hosted *hosted)
{
    program_destroy(hosted->program);
    forget_order(hosted);
    for (struct complaint *complaint; (complaint = hosted_take_complaint(hosted)) != NULL;)
        free(complaint);
    free(hosted->input);
    free(hosted);
}

static bool has_news(struct hosted *hosted)
{
    return hosted->problem != 0 || hosted->complaints != NULL || hosted->has_had_turn ||
           (hosted->program != NULL && program_has_news(hosted->program));
}

/* ---- places ----------------------------------------------------------------------------------------- */

static bool take_place(struct host *host, struct hosted *hosted)
{
    (void)pthread_mutex_lock(&host->lock);
    hosted->has_place = host->taken < host->most;
    if (hosted->has_place) {
        host->taken++;
        host->waiting--;
    }
    (void)pthread_mutex_unlock(&host->lock);
    return hosted->has_place;
}

static void give_place(struct host *host, const struct hosted *hosted)
{
    (void)pthread_mutex_lock(&host->lock);
    if (hosted->has_place)
        host->taken--;
    else
        host->waiting--;
    (void)pthread_mutex_unlock(&host->lock);
}

/* ---- the thread ------------------------------------------------------------------------------------- */

/* False: it is to end, once nothing is left. */
static bool take_arrived(struct host *host)
{
    struct hosted *in_order = NULL, **end = &host->first;

    (void)pthread_mutex_lock(&host->lock);
    struct hosted *arrived = host->arrived;
    host->arrived = NULL;
    bool goes_on = !host->is_stopping;
    (void)pthread_mutex_unlock(&host->lock);
    for (struct hosted *next; arrived != NULL; arrived = next) {
        next = arrived->next;
        arrived->next = in_order;
        in_order = arrived;
    }
    while (*end != NULL)
        end = &(*end)->next;
    *end = in_order;
    return goes_on;
}

static bool is_over(struct host *host, struct hosted *hosted)
{
    (void)pthread_mutex_lock(&host->lock);
    bool is = hosted->is_over;
    (void)pthread_mutex_unlock(&host->lock);
    return is;
}

static void hear_out(struct hosted *hosted)
{
    const char *line;
    size_t size;

    if (hosted->farewell == NULL)
        program_cancel(hosted->program);
    while (program_look(hosted->program, &line, &size) == PROGRAM_SAID)
        program_tell(hosted->program, hosted->farewell != NULL ? hosted->farewell : "");
}

/* Nobody wants what comes of it. True: it has ended, and is gone. */
static bool end_one(struct host *host, struct hosted *hosted)
{
    if (hosted->program != NULL && !program_has_ended(hosted->program))
        hear_out(hosted);
    if (hosted->program != NULL && !program_has_ended(hosted->program))
        return false;
    give_place(host, hosted);
    destroy_hosted(hosted);
    return true;
}

/* It is its run's holder's from here on. False: there is none any more. */
static bool give_home(struct host *host, struct hosted *hosted)
{
    (void)pthread_mutex_lock(&host->lock);
    void (*come_back)(void *home) = hosted->come_back;
    void *home = hosted->home;
    hosted->home = NULL;
    hosted->is_away = home == NULL;
    (void)pthread_mutex_unlock(&host->lock);
    if (home != NULL)
        come_back(home);
    return home != NULL;
}

/* True: it is no longer the host's. */
static bool look_at(struct host *host, struct hosted *hosted)
{
    if (is_over(host, hosted))
        return end_one(host, hosted);
    return (atomic_load(&hosted->is_wanted) || has_news(hosted)) && give_home(host, hosted);
}

static void look_at_all(struct host *host)
{
    struct hosted **link = &host->first;

    while (*link != NULL) {
        struct hosted *hosted = *link, *next = hosted->next;
        if (look_at(host, hosted))
            *link = next;
        else
            link = &hosted->next;
    }
}

/* A program that an earlier attempt of the run has started is still there. */
static bool has_elder(const struct host *host, const struct hosted *hosted)
{
    for (const struct hosted *other = host->first; other != NULL; other = other->next) {
        if (other != hosted && other->program != NULL && strcmp(other->run_id, hosted->run_id) == 0)
            return true;
    }
    return false;
}

static bool is_to_begin(struct host *host, struct hosted *hosted, bool is_ahead)
{
    if (hosted->program != NULL || hosted->problem != 0 || hosted->is_ahead != is_ahead || is_over(host, hosted) || has_elder(host, hosted))
        return false;
    if (hosted->has_place)
        return true;
    hosted->has_had_turn = take_place(host, hosted);
    return hosted->has_place;
}

static void begin_some(struct host *host, bool is_ahead)
{
    for (struct hosted *hosted = host->first; hosted != NULL; hosted = hosted->next) {
        if (is_to_begin(host, hosted, is_ahead))
            begin(hosted);
    }
}

static size_t count_programs(const struct host *host)
{
    size_t count = 0;

    for (const struct hosted *hosted = host->first; hosted != NULL; hosted = hosted->next)
        count += hosted->program != NULL;
    return count;
}

/* fds: the bell, and PROGRAM_FDS of each program. When the first of them runs out of time is what it answers. */
static int64_t fill_fds(struct host *host, size_t count)
{
    int64_t first_ms = INT64_MAX;
    size_t at = 1;

    if (host->room < 1 + count * PROGRAM_FDS) {
        host->room = 2 * (1 + count * PROGRAM_FDS);
        host->fds = need(realloc(host->fds, host->room * sizeof(*host->fds)));
    }
    host->fds[0] = (struct pollfd){ .fd = host->bell, .events = POLLIN };
    for (struct hosted *hosted = host->first; hosted != NULL; hosted = hosted->next) {
        int64_t until_ms;
        if (hosted->program == NULL)
            continue;
        program_poll(hosted->program, host->fds + at, &until_ms);
        first_ms = until_ms < first_ms ? until_ms : first_ms;
        at += PROGRAM_FDS;
    }
    return first_ms;
}

static int wait_ms(int64_t until_ms)
{
    if (until_ms == INT64_MAX)
        return -1;
    int64_t left_ms = until_ms - now_ms();
    return left_ms > 60000 ? 60000 : left_ms > 0 ? (int)left_ms : 0;
}

static void pump_all(struct host *host)
{
    size_t at = 1;

    for (struct hosted *hosted = host->first; hosted != NULL; hosted = hosted->next) {
        if (hosted->program == NULL)
            continue;
        program_pump(hosted->program, host->fds + at);
        at += PROGRAM_FDS;
    }
}

static void wait_for_news(struct host *host)
{
    uint64_t rings;
    size_t count = count_programs(host);
    int64_t until_ms = fill_fds(host, count);

    if (poll(host->fds, 1 + count * PROGRAM_FDS, wait_ms(until_ms)) <= 0)
        return;
    if (host->fds[0].revents != 0 && read(host->bell, &rings, sizeof(rings)) < 0)
        return; /* it rings again */
    pump_all(host);
}

static void *thread_main(void *context)
{
    struct host *host = context;

    (void)pthread_setname_np(pthread_self(), "stepd-exec");
    while (take_arrived(host) || host->first != NULL) {
        look_at_all(host);
        begin_some(host, true);
        begin_some(host, false);
        look_at_all(host); /* what could not begin is told */
        wait_for_news(host);
    }
    return NULL;
}

/* Lock held. A signal is for whoever waits for it, never for this thread. */
static void start_thread(struct host *host)
{
    sigset_t all, before;

    if (host->has_thread)
        return;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&host->thread, NULL, thread_main, host) != 0)
        abort();
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    host->has_thread = true;
}

/* Lock held. */
static void arrive(struct host *host, struct hosted *hosted)
{
    start_thread(host);
    hosted->next = host->arrived;
    host->arrived = hosted;
}

/* ---- the errand ------------------------------------------------------------------------------------- */

static void leave(struct errand *errand, void (*come_back)(void *home), void *home)
{
    struct hosted *hosted = of(errand);
    struct host *host = hosted->host;

    (void)pthread_mutex_lock(&host->lock);
    hosted->come_back = come_back;
    hosted->home = home;
    hosted->is_away = true;
    arrive(host, hosted);
    (void)pthread_mutex_unlock(&host->lock);
    ring(host);
}

static void cancel(struct errand *errand)
{
    struct hosted *hosted = of(errand);

    atomic_store(&hosted->is_wanted, true);
    ring(hosted->host);
}

static void destroy(struct errand *errand)
{
    struct hosted *hosted = of(errand);
    struct host *host = hosted->host;

    if (hosted->conversation != NULL)
        hosted->end(hosted->conversation);
    (void)pthread_mutex_lock(&host->lock);
    hosted->is_over = true;
    hosted->home = NULL;
    if (!hosted->is_away)
        arrive(host, hosted);
    (void)pthread_mutex_unlock(&host->lock);
    ring(host);
}

static const struct errand_ops ERRAND_OPS = { .leave = leave, .cancel = cancel, .destroy = destroy };

/* ---- what callers see ------------------------------------------------------------------------------- */

struct host *host_create(int most)
{
    struct host *host = need(calloc(1, sizeof(*host)));

    host->most = most;
    host->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (host->bell < 0)
        abort();
    (void)pthread_mutex_init(&host->lock, NULL);
    return host;
}

void host_destroy(struct host *host)
{
    if (host == NULL)
        return;
    (void)pthread_mutex_lock(&host->lock);
    host->is_stopping = true;
    bool has_thread = host->has_thread;
    (void)pthread_mutex_unlock(&host->lock);
    ring(host);
    if (has_thread)
        (void)pthread_join(host->thread, NULL);
    (void)pthread_mutex_destroy(&host->lock);
    (void)close(host->bell);
    free(host->fds);
    free(host);
}

struct hosted *host_order(struct host *host, bool is_ahead)
{
    struct hosted *hosted = need(calloc(1, sizeof(*hosted)));

    hosted->errand.ops = &ERRAND_OPS;
    hosted->host = host;
    hosted->complaints_end = &hosted->complaints;
    hosted->spec.complain = complain;
    hosted->spec.context = hosted;
    hosted->is_ahead = is_ahead;
    atomic_init(&hosted->is_wanted, false);
    (void)pthread_mutex_lock(&host->lock);
    hosted->has_place = host->waiting == 0 && host->taken < host->most;
    if (hosted->has_place)
        host->taken++;
    else
        host->waiting++;
    hosted->errand.waits_for_turn = !hosted->has_place;
    (void)pthread_mutex_unlock(&host->lock);
    return hosted;
}

void hosted_dismiss(struct hosted *hosted, const char *farewell, int64_t patience_ms)
{
    hosted->farewell = farewell;
    program_expect_end(hosted->program, patience_ms);
}

bool hosted_has_come(struct hosted *hosted)
{
    bool has_had_turn = hosted->has_had_turn;

    hosted->has_had_turn = false;
    hosted->errand.waits_for_turn = hosted->program == NULL && hosted->problem == 0 && !hosted->has_place;
    return has_had_turn;
}
