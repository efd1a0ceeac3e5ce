/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/log.h"
#include "program/host_internal.h"

#define FIRST_DELAY_MS 1000
#define LAST_DELAY_MS 30000
#define STEADY_MS 60000       /* a process that lived so long is started again with the first delay */
#define HELLO_MS 30000        /* to say hello */
#define TERM_PATIENCE_MS 2000 /* between SIGTERM and SIGKILL */
#define END_PATIENCE_MS 1000  /* to end, for one that has closed its pipes */

static const char drain[] = "{\"type\":\"drain\"}";

/* ---- a program ----------------------------------------------------------------------------------- */

static uint64_t look_at_file(const struct config_program *settings, const char *word, uint64_t hash)
{
    bool is_relative = word[0] != '/' && settings->directory[0] != '\0';
    AUTO_FREE char *path = is_relative ? xasprintf("%s/%s", settings->directory, word) : xstrdup(word);
    struct stat info;

    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return hash;
    const int64_t seen[] = { (int64_t)info.st_ino, (int64_t)info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec };
    return XXH64(seen, sizeof(seen), hash);
}

/* What the files look like that its command names, where a shell reads it too. */
static uint64_t look_at_files(const struct config_program *settings)
{
    uint64_t hash = 0;

    for (size_t i = 0; settings->command[i] != NULL; i++) {
        AUTO_FREE char *words = xstrdup(settings->command[i]);
        char *rest = NULL;
        for (char *word = strtok_r(words, " \t", &rest); word != NULL; word = strtok_r(NULL, " \t", &rest))
            hash = look_at_file(settings, word, hash);
    }
    return hash;
}

static void set_places(struct program *program, int count)
{
    assert(count >= program->place_count);
    program->places = xrealloc(program->places, (size_t)count * sizeof(*program->places));
    for (int i = program->place_count; i < count; i++)
        program->places[i] = (struct program_place){ .delay_ms = FIRST_DELAY_MS };
    program->place_count = count;
}

struct program *program_create(struct host *host, const struct config_program *settings)
{
    struct program *program = xcalloc(1, sizeof(*program));

    program->name = settings->name;
    program->host = host;
    program->settings = settings;
    program->files = look_at_files(settings);
    program->waiting_end = &program->waiting;
    lock_init(&program->lock);
    set_places(program, settings->processes);
    program_say_trouble(program, "it has not said hello yet");
    return program;
}

void program_destroy(struct program *program)
{
    assert(program->processes == NULL);
    while (program->waiting != NULL) {
        struct held_call *held = program->waiting;
        program->waiting = held->next;
        held_call_release(held);
    }
    lock_done(&program->lock);
    free(program->places);
    free(program);
}

void program_say_trouble(struct program *program, const char *format, ...)
{
    va_list arguments;

    LOCK_GUARD(&program->lock);
    va_start(arguments, format);
    (void)vsnprintf(program->trouble, sizeof(program->trouble), format, arguments);
    va_end(arguments);
}

/* ---- starting ------------------------------------------------------------------------------------ */

static struct process *start(struct program *program, int place)
{
    struct process *process = NULL;
    struct error error = { 0 };

    assert(place >= 0 && place < program->place_count);
    if (process_start(program, program->settings, place, program->host->epoll, &process, &error) != 0) {
        log_error("program %s: %s", program->name, error.text);
        program_say_trouble(program, "%s", error.text);
        return NULL;
    }
    log_debug("program %s: process %d started", program->name, (int)process->pid);
    process->next = program->processes;
    program->processes = process;
    return process;
}

static void put_off(struct program_place *place, int64_t now_ms)
{
    place->start_at_ms = now_ms + place->delay_ms;
    place->delay_ms = place->delay_ms * 2 < LAST_DELAY_MS ? place->delay_ms * 2 : LAST_DELAY_MS;
}

static void look_at_place(struct program *program, int number, int64_t now_ms)
{
    struct program_place *place = &program->places[number];

    assert(number >= 0 && number < program->place_count);
    if (place->process != NULL || place->start_at_ms > now_ms || program->is_refused || number >= program->settings->processes)
        return;
    place->process = start(program, number);
    if (place->process == NULL)
        put_off(place, now_ms);
}

/* ---- serving, and the end of it ------------------------------------------------------------------ */

static void free_place(struct process *process)
{
    struct program *program = process->program;

    for (int i = 0; i < program->place_count; i++) {
        if (program->places[i].process == process)
            program->places[i].process = NULL;
        if (program->places[i].successor == process)
            program->places[i].successor = NULL;
    }
}

void program_serves(struct process *process)
{
    struct program *program = process->program;
    struct program_place *place = &program->places[process->place];

    assert(process->state == PROCESS_STARTING);
    assert_thread(&process->program->host->thread);
    process->state = PROCESS_SERVING;
    atomic_fetch_add(&program->serving_count, 1);
    log_info("program %s: process %d serves", program->name, (int)process->pid);
    program_say_trouble(program, "%s", "");
    if (place->successor != process)
        return;
    struct process *old = place->process;
    place->successor = NULL;
    place->process = process;
    if (old != NULL)
        program_drain_process(old, clock_monotonic_ms());
}

static void stop_serving(struct process *process, enum process_state state)
{
    assert(state == PROCESS_DRAINING || state == PROCESS_KILLED);
    if (process->state == PROCESS_SERVING)
        atomic_fetch_sub(&process->program->serving_count, 1);
    process->state = state;
}

void program_drain_process(struct process *process, int64_t now_ms)
{
    assert_thread(&process->program->host->thread);
    if (process->state == PROCESS_DRAINING || process->state == PROCESS_KILLED)
        return;
    stop_serving(process, PROCESS_DRAINING);
    process->end_by_ms = now_ms + process->program->settings->drain_ms;
    process_tell(process, drain, sizeof(drain) - 1);
    free_place(process); /* another may start at once */
}

/* Its end tells more than that it closed its pipes, where it ends. */
static void look_at_closed(struct process *process, int64_t now_ms)
{
    bool is_to_go_on = process->state == PROCESS_STARTING || process->state == PROCESS_SERVING;

    if (process->closed != NULL && is_to_go_on && now_ms - process->closed_ms >= END_PATIENCE_MS)
        process_blame(process, "%s", process->closed);
}

/* One that is to end and does not. Where all that is left of its calls is overdue, nothing is waited for. */
static void look_at_end(struct process *process, int64_t now_ms)
{
    bool has_hopes = false;

    for (size_t i = 0; i < PROCESS_CALL_LISTS && process->call_count > 0; i++)
        for (const struct held_call *held = process->calls[i]; held != NULL && !has_hopes; held = held->next)
            has_hopes = !held->is_overdue;
    bool is_hopeless = process->call_count > 0 && !has_hopes;
    if (process->state == PROCESS_STARTING && now_ms - process->started_ms > HELLO_MS)
        process_blame(process, "it has not said hello within %d s", HELLO_MS / 1000);
    look_at_closed(process, now_ms);
    if (process->fault != NULL && process->state != PROCESS_KILLED) {
        stop_serving(process, PROCESS_KILLED);
        process_signal(process, SIGKILL);
    }
    if (process->state != PROCESS_DRAINING || (now_ms < process->end_by_ms && !is_hopeless))
        return;
    if (process->kill_at_ms == 0) {
        process->kill_at_ms = now_ms + TERM_PATIENCE_MS;
        process_signal(process, SIGTERM);
    } else if (now_ms >= process->kill_at_ms) {
        stop_serving(process, PROCESS_KILLED);
        process_signal(process, SIGKILL);
    }
}

static void remove_process(struct process *process)
{
    struct process **link = &process->program->processes;

    while (*link != process)
        link = &(*link)->next;
    *link = process->next;
}

/* It was not to end: it is started again, a little later. */
static void note_death(struct process *process, const char *obituary, int64_t now_ms)
{
    struct program *program = process->program;

    atomic_fetch_add(&program->deaths, 1);
    for (int i = 0; i < program->place_count; i++) {
        struct program_place *place = &program->places[i];
        if (place->successor == process)
            log_error("%s: it should have replaced an older process, which goes on", obituary);
        if (place->process != process)
            continue;
        if (now_ms - process->started_ms >= STEADY_MS)
            place->delay_ms = FIRST_DELAY_MS;
        log_error("%s; stepd starts it again in %lld s", obituary, (long long)place->delay_ms / 1000);
        program_say_trouble(program, "%s", obituary);
        put_off(place, now_ms);
    }
}

void program_bury(struct process *process)
{
    int64_t now_ms = clock_monotonic_ms();
    bool was_to_end = process->state == PROCESS_DRAINING || (process->state == PROCESS_KILLED && process->fault == NULL);
    int status = 0;

    assert(process->pid > 0);
    assert_thread(&process->program->host->thread);
    process_signal(process, SIGKILL);
    (void)waitpid(process->pid, &status, 0);
    process_log_rest(process);
    AUTO_FREE char *obituary = process_obituary(process, status);
    calls_fail(process, obituary);
    if (!was_to_end && !process->program->host->is_stopping)
        note_death(process, obituary, now_ms);
    stop_serving(process, PROCESS_KILLED);
    free_place(process);
    remove_process(process);
    process->pid = 0;
    process_destroy(process);
}

void program_look(struct program *program, int64_t now_ms)
{
    assert_thread(&program->host->thread);
    for (struct process *process = program->processes; process != NULL; process = process->next)
        look_at_end(process, now_ms);
    for (int i = 0; i < program->place_count && !program->host->is_stopping; i++)
        look_at_place(program, i, now_ms);
}

/* ---- reload -------------------------------------------------------------------------------------- */

static bool is_same_list(const char *const *one, const char *const *other)
{
    for (; *one != NULL && *other != NULL; one++, other++) {
        if (strcmp(*one, *other) != 0)
            return false;
    }
    return *one == *other;
}

static bool is_same(const struct config_program *one, const struct config_program *other)
{
    return is_same_list(one->command, other->command) && is_same_list(one->environment, other->environment) &&
           strcmp(one->directory, other->directory) == 0 && one->inherits_environment == other->inherits_environment &&
           one->processes == other->processes && one->in_flight == other->in_flight && one->drain_ms == other->drain_ms;
}

/* Those that serve go on until a new one does. */
static void replace(struct program *program, int number)
{
    struct program_place *place = &program->places[number];

    assert(number < program->place_count);
    if (place->process == NULL || place->process->state == PROCESS_STARTING) {
        if (place->process != NULL)
            program_drain_process(place->process, clock_monotonic_ms());
        place->start_at_ms = 0;
        place->delay_ms = FIRST_DELAY_MS;
        return;
    }
    if (place->successor != NULL)
        program_drain_process(place->successor, clock_monotonic_ms());
    place->successor = start(program, number);
}

void program_reload(struct program *program, const struct config_program *settings)
{
    uint64_t files = look_at_files(settings);
    bool has_changed = program->is_refused || files != program->files || !is_same(program->settings, settings);

    assert_thread(&program->host->thread);
    program->settings = settings;
    if (!has_changed)
        return;
    log_info("program %s has changed: stepd replaces its processes", program->name);
    program->files = files;
    program->is_refused = false;
    if (settings->processes > program->place_count)
        set_places(program, settings->processes);
    for (int i = 0; i < program->place_count; i++) {
        if (i < settings->processes)
            replace(program, i);
        else if (program->places[i].process != NULL)
            program_drain_process(program->places[i].process, clock_monotonic_ms());
    }
}
