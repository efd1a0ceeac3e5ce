/* SPDX-License-Identifier: Apache-2.0 */
#include "program/programs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"
#include "program/attend.h"
#include "program/process.h"

#define ROUND_MS 1000
#define HELLO_WAIT_MS 30000

/* What is on the shelf of one program. */
struct kept {
    char *name;
    char *hello;
    size_t hello_size;
    char *trouble;
};

struct programs {
    struct programs_settings settings;
    struct declarations *declarations;
    struct host *host;
    struct thread thread; /* the shelf's */
    struct kept *kept;    /* that thread's: kept_of() asserts it */
    size_t kept_count;
    int64_t started_ms; /* monotonic */
    struct lock lock;   /* of all below */
    struct condition woken;
    bool is_loaded; /* what is on the shelf is known */
    bool is_stopping;
    bool has_said; /* that it goes on without a hello */
};

/* ---- before the start ---------------------------------------------------------------------------- */

static void look_at_program(const struct config_program *program, const struct setting *setting, struct config_faults *warnings)
{
    static const char meanwhile[] = "until then its events and runs wait, and all else goes on";
    int status = process_find_directory(program);

    if (status != 0) {
        config_faults_add(warnings, &setting_find(setting, "directory")->value_place,
                          "program '%s' can't be run in %s: %s; make the folder, or change 'directory': %s", program->name,
                          program->directory, strerror(-status), meanwhile);
        return;
    }
    status = process_find_command(program);
    if (status != 0)
        config_faults_add(warnings, &setting_find(setting, "command")->value_place,
                          "program '%s': %s can't be run: %s; install it, or change 'command': %s", program->name, program->command[0],
                          strerror(-status), meanwhile);
}

void programs_look(const struct config *config, struct config_faults *warnings)
{
    const struct setting *programs = setting_find(&config->root, "programs");

    for (size_t i = 0; i < config->program_count; i++)
        if (config->programs[i].command != NULL && config->programs[i].command[0] != NULL)
            look_at_program(&config->programs[i], &programs->items[i], warnings);
}

/* ---- the shelf ----------------------------------------------------------------------------------- */

static void wake(void *context)
{
    struct programs *programs = context;

    LOCK_GUARD(&programs->lock);
    condition_wake_all(&programs->woken);
}

/* What a program said to an earlier daemon; what it has said to this one is newer. */
static void take_from_shelf(void *context, const char *name, struct bytes hello)
{
    struct programs *programs = context;
    struct program *program = host_program(programs->host, name);
    struct hello_answer answer = { 0 };
    size_t size;
    AUTO_FREE char *known = declarations_hello(programs->declarations, name, &size);

    if (program == NULL || known != NULL)
        return;
    if (declarations_take(programs->declarations, name, hello, program, &answer) != 0)
        log_warn("program %s: the list of its functions in Redis can't be read: %s", name, answer.why);
    hello_answer_done(&answer);
}

static bool load(struct programs *programs)
{
    const struct programs_shelf *shelf = &programs->settings.shelf;

    if (shelf->load(shelf->context, PROGRAMS_SHELF, take_from_shelf, programs) != 0)
        return false;
    LOCK_GUARD(&programs->lock);
    programs->is_loaded = true;
    condition_wake_all(&programs->woken);
    return true;
}

static struct kept *kept_of(struct programs *programs, const char *name)
{
    assert_thread(&programs->thread);
    for (size_t i = 0; i < programs->kept_count; i++) {
        if (strcmp(programs->kept[i].name, name) == 0)
            return &programs->kept[i];
    }
    programs->kept = xrealloc(programs->kept, (programs->kept_count + 1) * sizeof(*programs->kept));
    struct kept *kept = &programs->kept[programs->kept_count++];
    *kept = (struct kept){ .name = xstrdup(name) };
    return kept;
}

static void keep_hello(struct programs *programs, struct kept *kept)
{
    const struct programs_shelf *shelf = &programs->settings.shelf;
    size_t size;
    char *hello = declarations_hello(programs->declarations, kept->name, &size);
    bool is_new = hello != NULL && (kept->hello == NULL || kept->hello_size != size || memcmp(kept->hello, hello, size) != 0);

    if (!is_new || shelf->save(shelf->context, PROGRAMS_SHELF, kept->name, (struct bytes){ hello, size }) != 0) {
        free(hello);
        return;
    }
    free(kept->hello);
    kept->hello = hello;
    kept->hello_size = size;
}

static void keep_trouble(struct programs *programs, struct kept *kept, const char *trouble)
{
    const struct programs_shelf *shelf = &programs->settings.shelf;

    if (kept->trouble != NULL && strcmp(kept->trouble, trouble) == 0)
        return;
    if (shelf->save(shelf->context, PROGRAMS_TROUBLE_SHELF, kept->name, (struct bytes){ trouble, strlen(trouble) }) != 0)
        return;
    free(kept->trouble);
    kept->trouble = xstrdup(trouble);
}

static void keep(void *context, const struct program_counts *counts)
{
    struct programs *programs = context;

    (void)kept_of(programs, counts->name);
}

/* The list first, since the shelf waits: no lock of the host is held meanwhile. */
static void keep_all(struct programs *programs)
{
    char trouble[400];

    host_each(programs->host, keep, programs);
    for (size_t i = 0; i < programs->kept_count; i++) {
        keep_hello(programs, &programs->kept[i]);
        host_trouble(programs->host, programs->kept[i].name, trouble, sizeof(trouble));
        keep_trouble(programs, &programs->kept[i], trouble);
    }
}

/* False: it is to end. */
static bool wait_a_round(struct programs *programs)
{
    LOCK_GUARD(&programs->lock);
    if (!programs->is_stopping)
        (void)condition_wait_until(&programs->woken, &programs->lock, clock_monotonic_ms() + ROUND_MS);
    return !programs->is_stopping;
}

static void *look_after_shelf(void *context)
{
    struct programs *programs = context;
    bool is_loaded = false;

    do {
        is_loaded = is_loaded || load(programs);
        if (is_loaded)
            keep_all(programs);
    } while (wait_a_round(programs));
    return NULL;
}

/* ---- its life ------------------------------------------------------------------------------------ */

struct programs *programs_create(const struct programs_settings *settings)
{
    struct programs *programs = xcalloc(1, sizeof(*programs));
    const struct declarations_settings declarations = {
        .config = settings->config,
        .routes = settings->routes,
        .first_index = settings->first_index,
        .code = { .run = attend_run, .on_failure = attend_run },
        .is_others = settings->is_others,
        .context = settings->context,
    };

    programs->settings = *settings;
    programs->declarations = declarations_create(&declarations);
    programs->host = host_create(&(struct host_settings){ settings->config, programs->declarations, wake, programs });
    lock_init(&programs->lock);
    condition_init(&programs->woken);
    return programs;
}

int programs_start(struct programs *programs, struct error *ret_error)
{
    programs->started_ms = clock_monotonic_ms();
    int status = host_start(programs->host, ret_error);
    return status != 0 ? status : thread_start(&programs->thread, "program-shelf", 0, look_after_shelf, programs, ret_error);
}

void programs_stop(struct programs *programs)
{
    if (programs == NULL)
        return;
    lock_take(&programs->lock);
    programs->is_stopping = true;
    condition_wake_all(&programs->woken);
    lock_give(&programs->lock);
    thread_join(&programs->thread);
    host_stop(programs->host);
}

void programs_destroy(struct programs *programs)
{
    if (programs == NULL)
        return;
    host_destroy(programs->host);
    declarations_destroy(programs->declarations);
    for (size_t i = 0; i < programs->kept_count; i++) {
        free(programs->kept[i].name);
        free(programs->kept[i].hello);
        free(programs->kept[i].trouble);
    }
    free(programs->kept);
    condition_done(&programs->woken);
    lock_done(&programs->lock);
    free(programs);
}

void programs_reload(struct programs *programs, const struct config *config)
{
    if (programs != NULL)
        host_reload(programs->host, config);
    else if (config->program_count > 0)
        log_warn("the daemon had no programs when it started: restart it to add the first ones");
}

/* ---- asked --------------------------------------------------------------------------------------- */

/* Which program nothing is known of; NULL: none. A copy, which the caller frees. */
static char *find_unknown(struct programs *programs)
{
    const struct config *config = programs->settings.config;

    for (size_t i = 0; i < config->program_count; i++) {
        const char *name = config->programs[i].name;
        size_t size;
        AUTO_FREE char *hello = declarations_hello(programs->declarations, name, &size);
        if (hello == NULL && !host_has_spoken(programs->host, name))
            return xstrdup(name);
    }
    return NULL;
}

static bool is_waited_for(struct programs *programs, int64_t until_ms)
{
    AUTO_FREE char *unknown = find_unknown(programs);

    if (!programs->is_loaded)
        return true;
    if (unknown == NULL)
        return false;
    if (clock_monotonic_ms() < until_ms)
        return true;
    if (!programs->has_said)
        log_warn("program %s has not said hello within %d s, and its functions are not known from before: stepd begins to read without it",
                 unknown, HELLO_WAIT_MS / 1000);
    programs->has_said = true;
    return false;
}

bool programs_wait(struct programs *programs)
{
    if (programs == NULL)
        return true;
    int64_t until_ms = programs->started_ms + HELLO_WAIT_MS;
    LOCK_GUARD(&programs->lock);
    while (!programs->is_stopping && is_waited_for(programs, until_ms))
        (void)condition_wait_until(&programs->woken, &programs->lock, clock_monotonic_ms() + ROUND_MS);
    return !programs->is_stopping;
}

const struct function *programs_find_function(struct programs *programs, const char *id)
{
    return programs != NULL ? declarations_find(programs->declarations, id) : NULL;
}

char *programs_holder(struct programs *programs, const char *id)
{
    AUTO_FREE char *name = programs != NULL ? declarations_speaker(programs->declarations, id) : NULL;

    return name != NULL ? xasprintf("program %s", name) : NULL;
}

void programs_each_function(struct programs *programs, void (*each)(void *context, const struct function *function), void *context)
{
    if (programs != NULL)
        declarations_each(programs->declarations, each, context);
}

void programs_each(struct programs *programs, void (*each)(void *context, const struct program_counts *counts), void *context)
{
    if (programs != NULL)
        host_each(programs->host, each, context);
}
