/* SPDX-License-Identifier: Apache-2.0 */
#include "program/host.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "program/declarations.h"
#include "program/host_internal.h"

#define LOOK_EVERY_MS 50
#define EVENTS_AT_ONCE 64
#define READ_AT_ONCE ((size_t)262144)  /* of one process, before others get their turn */
#define UNREAD_MOST ((size_t)32 << 20) /* of a program that no run has taken: it is not read from until less is */
#define TOLD_MOST ((size_t)256 << 20)  /* that a process has not read: what it asks is not answered for ever */
#define STOP_MS 3000                   /* programs have that long to end once the daemon stops */

/* ---- orders -------------------------------------------------------------------------------------- */

static void give(struct host *host, const struct order *given)
{
    struct order *order = xmemdup(given, sizeof(*given));

    lock_take(&host->lock);
    order->next = NULL;
    *host->orders_end = order;
    host->orders_end = &order->next;
    bool is_asleep = !host->is_woken;
    host->is_woken = true;
    lock_give(&host->lock);
    if (is_asleep)
        (void)eventfd_write(host->wake_fd, 1);
}

static void give_about(struct held_call *held, enum order_kind kind, char *line, size_t size)
{
    const struct order order = { .kind = kind, .held = held, .line = line, .size = size };

    atomic_fetch_add(&held->holders, 1);
    give(held->program->host, &order);
}

static void let_go(struct held_call *held, bool is_told)
{
    give_about(held, is_told ? ORDER_CANCEL : ORDER_LET_GO, NULL, 0);
}

struct held_call *host_hold(struct program *program)
{
    return held_call_create(program, &program->unread, let_go);
}

void host_call(struct held_call *held, char *line, size_t size)
{
    give_about(held, ORDER_CALL, line, size);
}

void host_answer(struct held_call *held, char *line, size_t size)
{
    give_about(held, ORDER_ANSWER, line, size);
}

void host_blame(struct held_call *held, char *why)
{
    give_about(held, ORDER_BLAME, why, 0);
}

void host_reload(struct host *host, const struct config *config)
{
    give(host, &(struct order){ .kind = ORDER_RELOAD, .config = config });
}

static void answer(struct held_call *held, const char *rest, size_t size)
{
    struct process *process = held->process;

    if (process == NULL || held->is_overdue || process->fault != NULL)
        return;
    if (process->told.end - process->told.begin > TOLD_MOST) {
        process_blame(process, "it has not read %zu MiB of descriptor 3", TOLD_MOST >> 20);
        return;
    }
    AUTO_FREE char *begin = xasprintf("{\"type\":\"answer\",\"call\":%llu,", (unsigned long long)held->number);
    size_t length = strlen(begin);
    begin = xrealloc(begin, length + size);
    memcpy(begin + length, rest, size);
    process_tell(process, begin, length + size);
}

static struct program *find_program(const struct host *host, const char *name)
{
    for (size_t i = 0; i < host->program_count; i++) {
        if (strcmp(host->programs[i]->name, name) == 0)
            return host->programs[i];
    }
    return NULL;
}

static void add_program(struct host *host, const struct config_program *settings)
{
    struct program **programs = xcalloc(host->program_count + 1, sizeof(struct program *));

    for (size_t i = 0; i < host->program_count; i++)
        programs[i] = host->programs[i];
    programs[host->program_count] = program_create(host, settings);
    lock_take(&host->lock);
    struct program **old = host->programs;
    host->programs = programs;
    host->program_count++;
    lock_give(&host->lock);
    free(old);
}

static void reload(struct host *host, const struct config *config)
{
    host->settings.config = config;
    declarations_renew(host->settings.declarations, config);
    for (size_t i = 0; i < config->program_count; i++) {
        struct program *program = find_program(host, config->programs[i].name);
        if (program != NULL)
            program_reload(program, &config->programs[i]);
        else
            add_program(host, &config->programs[i]);
    }
}

static void begin_stop(struct host *host)
{
    int64_t now_ms = clock_monotonic_ms();

    host->is_stopping = true;
    host->stop_by_ms = now_ms + STOP_MS;
    for (size_t i = 0; i < host->program_count; i++) {
        for (struct process *process = host->programs[i]->processes; process != NULL; process = process->next) {
            program_drain_process(process, now_ms);
            if (process->end_by_ms > host->stop_by_ms)
                process->end_by_ms = host->stop_by_ms;
        }
    }
}

static void obey(struct host *host, struct order *order)
{
    struct held_call *held = order->held;

    switch (order->kind) {
    case ORDER_CALL:
        held->line = order->line;
        held->line_size = order->size;
        order->line = NULL;
        order->held = NULL; /* it is the host's from here on */
        calls_take(held, clock_monotonic_ms());
        break;
    case ORDER_ANSWER:
        answer(held, order->line, order->size);
        break;
    case ORDER_LET_GO:
    case ORDER_CANCEL:
        calls_let_go(held, order->kind == ORDER_CANCEL);
        break;
    case ORDER_BLAME:
        if (held->process != NULL)
            process_blame(held->process, "%s", order->line);
        break;
    case ORDER_RELOAD:
        reload(host, order->config);
        break;
    case ORDER_STOP:
        begin_stop(host);
        break;
    }
}

static void order_done(struct order *order)
{
    if (order->held != NULL)
        held_call_release(order->held);
    free(order->line);
    free(order);
}

static struct order *take_orders(struct host *host)
{
    LOCK_GUARD(&host->lock);
    struct order *orders = host->orders;

    host->orders = NULL;
    host->orders_end = &host->orders;
    host->is_woken = false;
    return orders;
}

static void obey_all(struct host *host)
{
    eventfd_t count;

    (void)eventfd_read(host->wake_fd, &count);
    for (struct order *order = take_orders(host), *next; order != NULL; order = next) {
        next = order->next;
        obey(host, order);
        order_done(order);
    }
}

/* ---- processes ----------------------------------------------------------------------------------- */

static bool has_ended(const struct process *process)
{
    siginfo_t info = { 0 };

    return waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

static void hear_lines(struct process *process)
{
    const char *line;
    size_t size;

    while (process->fault == NULL && (line = process_line(process, &size)) != NULL)
        calls_hear(process, line, size);
    process_pause(process, process->program->host->epoll, atomic_load(&process->program->unread) > UNREAD_MOST);
}

static void close_fd(int *fd)
{
    (void)close(*fd);
    *fd = -1;
}

static void hear(struct process *process)
{
    if (process->answer_fd < 0 || process->is_paused)
        return;
    bool is_open = process_read(process, READ_AT_ONCE);
    hear_lines(process);
    if (is_open)
        return;
    close_fd(&process->answer_fd);
    process_note_closed(process, "it closed descriptor 4");
}

static void log_output(struct process *process, int *fd)
{
    if (*fd >= 0 && !process_log(process, *fd))
        close_fd(fd);
}

/* It may have closed its end; what room there is is used by flush(). */
static void look_at_ask(struct process *process, uint32_t events)
{
    if ((events & EPOLLERR) == 0 || process->ask_fd < 0)
        return;
    close_fd(&process->ask_fd);
    process_note_closed(process, "it closed descriptor 3");
}

/* True: it has ended. */
static bool serve(uint64_t data, uint32_t events)
{
    enum process_pipe pipe;
    struct process *process = process_of_event(data, &pipe);

    switch (pipe) {
    case PROCESS_ANSWER:
        hear(process);
        break;
    case PROCESS_OUTPUT:
        log_output(process, &process->output_fd);
        break;
    case PROCESS_ERROR:
        log_output(process, &process->error_fd);
        break;
    case PROCESS_ASK:
        look_at_ask(process, events);
        break;
    case PROCESS_END:
        return true;
    }
    return false;
}

static void look_at_process(struct process *process)
{
    if (!has_ended(process)) {
        if (atomic_load(&process->program->unread) <= UNREAD_MOST / 2)
            process_pause(process, process->program->host->epoll, false);
        return;
    }
    if (process->answer_fd >= 0) {
        (void)process_read(process, PROCESS_LINE_MOST);
        hear_lines(process);
    }
    program_bury(process);
}

static void look(struct host *host, int64_t now_ms)
{
    host->looked_ms = now_ms;
    for (size_t i = 0; i < host->program_count; i++) {
        struct program *program = host->programs[i];
        for (struct process *process = program->processes, *next; process != NULL; process = next) {
            next = process->next;
            look_at_process(process);
        }
        calls_look(program, now_ms);
        program_look(program, now_ms);
        calls_begin(program, now_ms);
    }
}

static void flush(struct host *host)
{
    for (size_t i = 0; i < host->program_count; i++) {
        for (struct process *process = host->programs[i]->processes; process != NULL; process = process->next) {
            if (process->is_dirty || process->waits_to_write)
                process_flush(process, host->epoll);
        }
    }
}

static bool is_empty(const struct host *host)
{
    for (size_t i = 0; i < host->program_count; i++) {
        if (host->programs[i]->processes != NULL)
            return false;
    }
    return true;
}

static void handle(struct host *host, const struct epoll_event *events, int count, bool *ret_has_ended)
{
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 == 0)
            obey_all(host);
        else
            *ret_has_ended |= serve(events[i].data.u64, events[i].events);
    }
}

static void *run(void *context)
{
    struct host *host = context;
    struct epoll_event events[EVENTS_AT_ONCE];

    while (!host->is_stopping || !is_empty(host)) {
        int count = epoll_wait(host->epoll, events, EVENTS_AT_ONCE, LOOK_EVERY_MS);
        bool some_have_ended = false;
        pulse_beat_here();
        handle(host, events, count > 0 ? count : 0, &some_have_ended);
        int64_t now_ms = clock_monotonic_ms();
        if (some_have_ended || now_ms - host->looked_ms >= LOOK_EVERY_MS)
            look(host, now_ms);
        flush(host);
    }
    return NULL;
}

/* ---- its life ------------------------------------------------------------------------------------ */

struct host *host_create(const struct host_settings *settings)
{
    struct host *host = xcalloc(1, sizeof(*host));

    host->settings = *settings;
    host->orders_end = &host->orders;
    host->epoll = host->wake_fd = -1;
    lock_init(&host->lock);
    for (size_t i = 0; i < settings->config->program_count; i++)
        add_program(host, &settings->config->programs[i]);
    return host;
}

int host_start(struct host *host, struct error *ret_error)
{
    struct epoll_event event = { .events = EPOLLIN };

    host->epoll = epoll_create1(EPOLL_CLOEXEC);
    host->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (host->epoll < 0 || host->wake_fd < 0 || epoll_ctl(host->epoll, EPOLL_CTL_ADD, host->wake_fd, &event) != 0)
        return error_set(ret_error, errno, "no descriptors for programs: %s", strerror(errno));
    return thread_start(&host->thread, "programs", PULSE_LIMIT_MS, run, host, ret_error);
}

void host_stop(struct host *host)
{
    if (host == NULL || !host->thread.is_started)
        return;
    give(host, &(struct order){ .kind = ORDER_STOP });
    thread_join(&host->thread);
}

void host_destroy(struct host *host)
{
    if (host == NULL)
        return;
    for (struct order *order = host->orders, *next; order != NULL; order = next) {
        next = order->next;
        order_done(order);
    }
    for (size_t i = 0; i < host->program_count; i++)
        program_destroy(host->programs[i]);
    if (host->epoll >= 0)
        (void)close(host->epoll);
    if (host->wake_fd >= 0)
        (void)close(host->wake_fd);
    free(host->programs);
    lock_done(&host->lock);
    free(host);
}

/* ---- asked --------------------------------------------------------------------------------------- */

struct program *host_program(struct host *host, const char *name)
{
    LOCK_GUARD(&host->lock);
    return find_program(host, name);
}

bool host_has_spoken(struct host *host, const char *name)
{
    const struct program *program = host_program(host, name);

    return program != NULL && atomic_load(&program->has_spoken);
}

void host_trouble(struct host *host, const char *name, char *room, size_t size)
{
    struct program *program = host_program(host, name);

    room[0] = '\0';
    if (program == NULL || atomic_load(&program->serving_count) > 0)
        return;
    LOCK_GUARD(&program->lock);
    (void)snprintf(room, size, "%s", program->trouble);
}

void host_each(struct host *host, void (*each)(void *context, const struct program_counts *counts), void *context)
{
    LOCK_GUARD(&host->lock);
    for (size_t i = 0; i < host->program_count; i++) {
        struct program *program = host->programs[i];
        const struct program_counts counts = {
            .name = program->name,
            .processes = atomic_load(&program->serving_count),
            .calls = atomic_load(&program->call_count),
            .waiting = atomic_load(&program->waiting_count),
            .deaths = atomic_load(&program->deaths),
        };
        each(context, &counts);
    }
}
