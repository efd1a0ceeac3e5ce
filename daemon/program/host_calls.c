/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/log.h"
#include "codec/json.h"
#include "codec/packed.h"
#include "common/text.h"
#include "program/declarations.h"
#include "program/host_internal.h"
#include "program/line.h"
#include "sdk/object.h"

#define CANCEL_PATIENCE_MS 1000 /* to end a call that took too long; then its process is replaced */
#define HELD_UP_MS 2000         /* a call waits so long: its program's functions are kept back */
#define ZONE_SIZE 4096

/* ---- calls --------------------------------------------------------------------------------------- */

static void tell(struct process *process, const char *type, uint64_t number, const char *rest, size_t size)
{
    char begin[64];
    int length = snprintf(begin, sizeof(begin), "{\"type\":\"%s\",\"call\":%" PRIu64 ",", type, number);
    char *line = xmalloc((size_t)length + size);

    memcpy(line, begin, (size_t)length);
    memcpy(line + length, rest, size);
    process_tell(process, line, (size_t)length + size);
    free(line);
}

void calls_take(struct held_call *held, int64_t now_ms)
{
    struct program *program = held->program;

    assert(held->line != NULL && held->process == NULL);
    assert_thread(&held->program->host->thread);
    held->since_ms = now_ms;
    held->next = NULL;
    *program->waiting_end = held;
    program->waiting_end = &held->next;
    atomic_fetch_add(&program->waiting_count, 1);
    calls_begin(program, now_ms);
}

/* The one with the most room; NULL: none has any. */
static struct process *find_room(const struct program *program)
{
    struct process *found = NULL;

    for (int i = 0; i < program->place_count; i++) {
        struct process *process = program->places[i].process;
        bool has_room = process != NULL && process->state == PROCESS_SERVING && process->closed == NULL &&
                        process->call_count < (size_t)program->settings->in_flight &&
                        process->told.end - process->told.begin < PROCESS_TOLD_MOST;
        if (has_room && (found == NULL || process->call_count < found->call_count))
            found = process;
    }
    return found;
}

static struct held_call *take_waiting(struct program *program)
{
    struct held_call *held = program->waiting;

    assert(held != NULL && atomic_load(&program->waiting_count) > 0);
    program->waiting = held->next;
    if (program->waiting == NULL)
        program->waiting_end = &program->waiting;
    atomic_fetch_sub(&program->waiting_count, 1);
    return held;
}

static struct held_call **calls_of(struct process *process, uint64_t number)
{
    return &process->calls[number % PROCESS_CALL_LISTS];
}

static void begin(struct process *process, struct held_call *held, int64_t now_ms)
{
    assert(process->state == PROCESS_SERVING && held->process == NULL);
    assert(process->call_count < (size_t)process->program->settings->in_flight);
    held->number = ++process->calls_made;
    held->process = process;
    held->since_ms = now_ms;
    struct held_call **list = calls_of(process, held->number);
    held->next = *list;
    *list = held;
    process->call_count++;
    atomic_fetch_add(&process->program->call_count, 1);
    tell(process, "call", held->number, held->line, held->line_size);
    free(held->line);
    held->line = NULL;
}

void calls_begin(struct program *program, int64_t now_ms)
{
    assert_thread(&program->host->thread);
    while (program->waiting != NULL) {
        struct process *process = find_room(program);
        if (process == NULL)
            return;
        begin(process, take_waiting(program), now_ms);
    }
}

/* It has ended: the process has room for another. */
static void end(struct held_call *held)
{
    struct process *process = held->process;
    struct held_call **link = calls_of(process, held->number);

    assert(process->call_count > 0 && atomic_load(&process->program->call_count) > 0);
    while (*link != held)
        link = &(*link)->next;
    *link = held->next;
    process->call_count--;
    atomic_fetch_sub(&process->program->call_count, 1);
    held->process = NULL;
    held_call_release(held);
}

void calls_fail(struct process *process, const char *text)
{
    assert_thread(&process->program->host->thread);
    for (size_t i = 0; i < PROCESS_CALL_LISTS; i++) {
        for (struct held_call *held; (held = process->calls[i]) != NULL; end(held)) {
            if (!held->is_let_go && !held->is_overdue)
                held_call_tell_last(held, SAID_DIED, text, strlen(text));
        }
    }
}

static void remove_waiting(struct held_call *held)
{
    struct program *program = held->program;
    struct held_call **link = &program->waiting;

    assert(held->process == NULL);
    while (*link != held)
        link = &(*link)->next;
    *link = held->next;
    if (*link == NULL)
        program->waiting_end = link;
    atomic_fetch_sub(&program->waiting_count, 1);
    held_call_release(held);
}

static void tell_cancel(struct held_call *held, const char *reason)
{
    AUTO_FREE char *rest = xasprintf("\"reason\":\"%s\"}", reason);

    assert(held->process != NULL);
    tell(held->process, "cancel", held->number, rest, strlen(rest));
}

void calls_let_go(struct held_call *held, bool is_told)
{
    assert(!held->is_let_go);
    assert_thread(&held->program->host->thread);
    if (held->line != NULL) {
        remove_waiting(held);
        return;
    }
    if (held->process == NULL)
        return; /* it has ended */
    held->is_let_go = true;
    if (is_told && !held->is_overdue)
        tell_cancel(held, "cancelled");
}

/* ---- times --------------------------------------------------------------------------------------- */

static void look_at_call(struct held_call *held, int64_t now_ms)
{
    int64_t late_ms = held->timeout_ms > 0 ? now_ms - held->since_ms - held->timeout_ms : -1;

    assert(held->process != NULL);
    if (late_ms < 0)
        return;
    if (!held->is_overdue) {
        held->is_overdue = true;
        tell_cancel(held, "timeout");
        if (!held->is_let_go)
            held_call_tell(held, SAID_TIMEOUT, "", 0);
    }
    if (late_ms < CANCEL_PATIENCE_MS || held->process->state != PROCESS_SERVING)
        return;
    log_warn("program %s (%d) still holds a call of %s after its timeout: stepd replaces the process", held->program->name,
             (int)held->process->pid, held->function_id);
    program_drain_process(held->process, now_ms);
}

/* What waits for a program that does not take it is better off in the store, where it holds up nobody else. */
static void look_at_waiting(struct program *program, int64_t now_ms)
{
    bool is_held_up = program->waiting != NULL && now_ms - program->waiting->since_ms > HELD_UP_MS;
    int limit = program->settings->in_flight * program->settings->processes;

    if (is_held_up == program->is_held_up)
        return;
    program->is_held_up = is_held_up;
    declarations_hold_up(program->host->settings.declarations, program->name, is_held_up ? limit : 0);
}

/* The time is over of something that its run waits for beside its steps. */
static void look_at_waits(struct held_call *held, int64_t now_ms)
{
    int64_t wakes_ms = atomic_load(&held->wakes_ms);

    if (wakes_ms == 0 || now_ms < wakes_ms || held->is_let_go || !atomic_compare_exchange_strong(&held->wakes_ms, &wakes_ms, 0))
        return;
    held_call_hear(held);
}

void calls_look(struct program *program, int64_t now_ms)
{
    assert_thread(&program->host->thread);
    for (struct process *process = program->processes; process != NULL; process = process->next) {
        for (size_t i = 0; i < PROCESS_CALL_LISTS; i++)
            for (struct held_call *held = process->calls[i]; held != NULL; held = held->next) {
                look_at_waits(held, now_ms);
                look_at_call(held, now_ms);
            }
    }
    look_at_waiting(program, now_ms);
}

/* ---- what a program says ------------------------------------------------------------------------- */

static void say_refusals(struct process *process, const struct hello_answer *answer)
{
    for (size_t i = 0; i < answer->refused_count; i++)
        log_error("program %s: %s", process->program->name, answer->refused[i].reason);
}

static void take_hello(struct process *process, const char *text, size_t size)
{
    struct program *program = process->program;
    struct hello_answer answer = { 0 };

    if (process->state != PROCESS_STARTING) {
        process_blame(process, "it said hello twice");
        return;
    }
    int status = declarations_take(program->host->settings.declarations, program->name, (struct bytes){ text, size }, program, &answer);
    AUTO_FREE char *line =
        status == 0 ? line_welcome(program->name, process->place, program->settings->in_flight, &answer) : line_refused(answer.why);
    process_tell(process, line, strlen(line));
    if (status == 0) {
        say_refusals(process, &answer);
        program_serves(process);
        calls_begin(program, clock_monotonic_ms());
    } else {
        program->is_refused = true;
        log_error("program %s: stepd refuses its hello: %s; change the program and reload stepd to start it again", program->name,
                  answer.why);
        program_say_trouble(program, "its hello is refused: %s", answer.why);
        program_drain_process(process, clock_monotonic_ms());
    }
    atomic_store(&program->has_spoken, true);
    program->host->settings.heard(program->host->settings.context);
    hello_answer_done(&answer);
}

static struct held_call *find_call(struct process *process, uint64_t number)
{
    struct held_call *held = *calls_of(process, number);

    while (held != NULL && held->number != number)
        held = held->next;
    return held;
}

static void write_log(const struct process *process, const struct held_call *held, const msgpack_object *line)
{
    static const struct {
        const char *name;
        enum log_level level;
    } levels[] = {
        { "error", LOG_LEVEL_ERROR },
        { "warn", LOG_LEVEL_WARN },
        { "debug", LOG_LEVEL_DEBUG },
    };
    const msgpack_object *message = packed_find(line, "message");
    struct log_fields fields = LOG_FIELDS_NONE;
    enum log_level level = LOG_LEVEL_INFO;
    char text[900];

    for (size_t i = 0; i < COUNT_OF(levels); i++) {
        if (object_is_text(packed_find(line, "level"), levels[i].name))
            level = levels[i].level;
    }
    if (message == NULL || message->type != MSGPACK_OBJECT_STR)
        return;
    text_to_line(message->via.str.ptr, message->via.str.size, text, sizeof(text));
    if (held != NULL) {
        fields.run_id = held->run_id;
        fields.function = held->function_id;
        fields.attempt = held->attempt;
        log_event(level, &fields, "%s", text);
    } else {
        log_event(level, NULL, "program %s (%d): %s", process->program->name, (int)process->pid, text);
    }
}

static void hear_log(struct process *process, const struct spoken *spoken, const char *text, size_t size)
{
    const struct held_call *held = spoken->has_call ? find_call(process, spoken->call) : NULL;
    struct error error = { 0 };
    msgpack_object line;
    msgpack_zone zone;

    if (!msgpack_zone_init(&zone, ZONE_SIZE))
        abort();
    if (json_decode((struct bytes){ text, size }, &zone, &line, &error) == 0)
        write_log(process, held, &line);
    msgpack_zone_destroy(&zone);
}

static void hear_about_call(struct process *process, const struct spoken *spoken, const char *text, size_t size)
{
    struct held_call *held = spoken->has_call ? find_call(process, spoken->call) : NULL;

    if (held == NULL) {
        process_blame(process, "it told of a call that it does not have: %.*s", (int)(size < 100 ? size : 100), text);
        return;
    }
    bool is_wanted = !held->is_let_go && !held->is_overdue;
    if (spoken->kind != SPOKEN_ENDS) {
        if (is_wanted)
            held_call_tell(held, SAID_LINE, text, size);
        return;
    }
    if (is_wanted)
        held_call_tell_last(held, SAID_LINE, text, size);
    end(held);
    if (process->state == PROCESS_SERVING)
        calls_begin(process->program, clock_monotonic_ms());
}

void calls_hear(struct process *process, const char *text, size_t size)
{
    struct spoken spoken;

    assert_thread(&process->program->host->thread);
    if (!line_hear(text, size, &spoken)) {
        process_blame(process, "it wrote to descriptor 4 what is no JSON object with a type: %.*s", (int)(size < 100 ? size : 100), text);
        return;
    }
    switch (spoken.kind) {
    case SPOKEN_HELLO:
        take_hello(process, text, size);
        break;
    case SPOKEN_LOG:
        hear_log(process, &spoken, text, size);
        break;
    case SPOKEN_BYE:
        if (process->state == PROCESS_SERVING || process->state == PROCESS_STARTING)
            program_drain_process(process, clock_monotonic_ms());
        break;
    case SPOKEN_REPORTS:
    case SPOKEN_ENDS:
        hear_about_call(process, &spoken, text, size);
        break;
    case SPOKEN_UNKNOWN:
        break; /* of a later protocol */
    }
}
