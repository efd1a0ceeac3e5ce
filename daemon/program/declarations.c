/* SPDX-License-Identifier: Apache-2.0 */
#include "program/declarations.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/log.h"
#include "codec/json.h"
#include "codec/packed.h"
#include "program/declared.h"
#include "sdk/object.h"

#define ZONE_SIZE 16384

/* A function, and what it was made of; the newest of its id, or one that it replaced. */
struct made {
    struct program_function function;
    struct declared *declared; /* NULL: it is one that is gone, or a copy */
    char *id;                  /* own copy */
    char *place;
    int concurrency; /* its author's, whatever it is kept back to now */
};

/* What a program last said. */
struct speaker {
    char *name;
    char *hello;
    size_t hello_size;
    struct program *program;
};

struct declarations {
    struct declarations_settings settings;
    struct lock lock;   /* of all below */
    struct made **made; /* by place, the newest of each id */
    size_t made_count;
    struct made **replaced; /* may be in use */
    size_t replaced_count;
    struct speaker *speakers;
    size_t speaker_count;
};

/* Nothing of it is read by the daemon but what modules see. */
static const struct stepd_module declared_module = { .abi_major = STEPD_ABI_MAJOR, .abi_minor = STEPD_ABI_MINOR, .name = "program" };
static const struct module module = { .declared = &declared_module, .path = "" };

void hello_answer_done(struct hello_answer *answer)
{
    for (size_t i = 0; i < answer->taken_count; i++)
        free(answer->taken[i]);
    for (size_t i = 0; i < answer->refused_count; i++) {
        free(answer->refused[i].id);
        free(answer->refused[i].place);
        free(answer->refused[i].reason);
    }
    free(answer->taken);
    free(answer->refused);
    free(answer->why);
    *answer = (struct hello_answer){ 0 };
}

struct declarations *declarations_create(const struct declarations_settings *settings)
{
    struct declarations *declarations = xcalloc(1, sizeof(*declarations));

    declarations->settings = *settings;
    lock_init(&declarations->lock);
    return declarations;
}

static void made_destroy(struct made *made)
{
    declared_destroy(made->declared);
    free(made->id);
    free(made->place);
    free(made);
}

void declarations_destroy(struct declarations *declarations)
{
    if (declarations == NULL)
        return;
    for (size_t i = 0; i < declarations->made_count; i++)
        made_destroy(declarations->made[i]);
    for (size_t i = 0; i < declarations->replaced_count; i++)
        made_destroy(declarations->replaced[i]);
    for (size_t i = 0; i < declarations->speaker_count; i++) {
        free(declarations->speakers[i].name);
        free(declarations->speakers[i].hello);
    }
    free(declarations->made);
    free(declarations->replaced);
    free(declarations->speakers);
    lock_done(&declarations->lock);
    free(declarations);
}

/* ---- lock held ----------------------------------------------------------------------------------- */

/* made_count: none. */
static size_t place_of(const struct declarations *declarations, const char *id)
{
    size_t i = 0;

    assert_held(&declarations->lock);
    while (i < declarations->made_count && strcmp(declarations->made[i]->id, id) != 0)
        i++;
    return i;
}

static struct speaker *speaker_of(struct declarations *declarations, const char *name)
{
    for (size_t i = 0; i < declarations->speaker_count; i++) {
        if (strcmp(declarations->speakers[i].name, name) == 0)
            return &declarations->speakers[i];
    }
    declarations->speakers = xrealloc(declarations->speakers, (declarations->speaker_count + 1) * sizeof(*declarations->speakers));
    struct speaker *speaker = &declarations->speakers[declarations->speaker_count++];
    *speaker = (struct speaker){ .name = xstrdup(name) };
    return speaker;
}

static void renew_routes(const struct declarations *declarations)
{
    AUTO_FREE const struct function **all = xcalloc(declarations->made_count + 1, sizeof(*all));
    size_t count = 0;

    for (size_t i = 0; i < declarations->made_count; i++) {
        if (!declarations->made[i]->function.is_gone)
            all[count++] = &declarations->made[i]->function.base;
    }
    routes_replace(declarations->settings.routes, ROUTES_OF_PROGRAMS, all, count);
}

/* In the place of its id; what waits with an older one begins with this. Takes it. */
static void put(struct declarations *declarations, struct made *made)
{
    size_t place = place_of(declarations, made->id);

    made->function.base.index = declarations->settings.first_index + place;
    made->function.base.options = &made->function;
    made->function.base.module = &module;
    if (place == declarations->made_count) {
        declarations->made = xrealloc(declarations->made, (place + 1) * sizeof(struct made *));
        declarations->made_count++;
    } else {
        declarations->replaced = xrealloc(declarations->replaced, (declarations->replaced_count + 1) * sizeof(struct made *));
        declarations->replaced[declarations->replaced_count++] = declarations->made[place];
        for (size_t i = 0; i < declarations->replaced_count; i++) {
            if (strcmp(declarations->replaced[i]->id, made->id) == 0)
                atomic_store_explicit(&declarations->replaced[i]->function.base.newest, &made->function.base, memory_order_release);
        }
    }
    declarations->made[place] = made;
}

/* The same function with another concurrency, or gone. */
static struct made *copy_of(const struct made *old)
{
    struct made *copy = xcalloc(1, sizeof(*copy));

    copy->function = old->function;
    atomic_init(&copy->function.base.newest, NULL);
    copy->id = xstrdup(old->id);
    copy->place = xstrdup(old->place);
    copy->function.base.id = copy->id;
    copy->concurrency = old->concurrency;
    return copy;
}

/* ---- a hello ------------------------------------------------------------------------------------- */

static void add_refusal(struct hello_answer *answer, struct refusal refusal)
{
    answer->refused = xrealloc(answer->refused, (answer->refused_count + 1) * sizeof(*answer->refused));
    answer->refused[answer->refused_count++] = refusal;
}

/* Takes `reason`. */
static void refuse(struct hello_answer *answer, const struct declared *declared, char *reason)
{
    add_refusal(answer, (struct refusal){ xstrdup(declared->id), xstrdup(declared->place), reason });
}

static const struct declared *find_twin(struct declared *const *list, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i]->id, id) == 0)
            return list[i];
    }
    return NULL;
}

/* NULL: it may have its id; else why not, which the caller frees. */
static char *check_id(const struct declarations *declarations, const struct declared *declared, const struct program *program)
{
    const struct declarations_settings *settings = &declarations->settings;
    size_t place = place_of(declarations, declared->id);

    assert_held(&declarations->lock);
    if (settings->is_others != NULL && settings->is_others(settings->context, declared->id))
        return xasprintf("function '%s' (%s) has the id of another function of the daemon", declared->id, declared->place);
    if (place == declarations->made_count)
        return place < PROGRAM_FUNCTIONS_MAX ? NULL
                                             : xasprintf("function '%s': there would be more than %d", declared->id, PROGRAM_FUNCTIONS_MAX);
    const struct made *other = declarations->made[place];
    if (other->function.is_gone || other->function.program == program)
        return NULL;
    return xasprintf("function '%s' is declared twice: at %s, by another program, and at %s", declared->id, other->place, declared->place);
}

/* The functions that can be taken; the caller owns them. */
static struct declared **read_all(struct declarations *declarations, const msgpack_object *list, const struct program *program,
                                  size_t *ret_count, struct hello_answer *answer)
{
    struct declared **all = xcalloc(list->via.array.size + 1, sizeof(struct declared *));

    *ret_count = 0;
    for (uint32_t i = 0; i < list->via.array.size; i++) {
        struct refusal refusal;
        struct declared *declared =
            declared_read(&list->via.array.ptr[i], declarations->settings.config, &declarations->settings.code, &refusal);
        if (declared == NULL) {
            add_refusal(answer, refusal);
            continue;
        }
        const struct declared *twin = find_twin(all, *ret_count, declared->id);
        char *why = twin != NULL ? xasprintf("function '%s' is declared twice: at %s and at %s", declared->id, twin->place, declared->place)
                                 : check_id(declarations, declared, program);
        if (why == NULL) {
            all[(*ret_count)++] = declared;
            continue;
        }
        refuse(answer, declared, why);
        declared_destroy(declared);
    }
    return all;
}

/* Takes it. One that the config has turned off is known, and starts nothing. */
static void put_declared(struct declarations *declarations, struct declared *declared, struct program *program, struct hello_answer *answer)
{
    if (declared->made.count == 0) {
        declared_destroy(declared);
        return;
    }
    struct made *made = xcalloc(1, sizeof(*made));
    made->function.base = *declared->made.items[0];
    made->function.program = program;
    made->declared = declared;
    made->id = xstrdup(declared->id);
    made->place = xstrdup(declared->place);
    made->function.base.id = made->id;
    made->concurrency = made->function.base.concurrency;
    answer->taken = xrealloc(answer->taken, (answer->taken_count + 1) * sizeof(*answer->taken));
    answer->taken[answer->taken_count++] = xstrdup(declared->id);
    put(declarations, made);
}

static bool is_taken(const struct hello_answer *answer, const char *id)
{
    for (size_t i = 0; i < answer->taken_count; i++) {
        if (strcmp(answer->taken[i], id) == 0)
            return true;
    }
    return false;
}

/* A function that the program declared before, and does not any more: its waiting runs fail, with the reason. */
static void mark_gone(struct declarations *declarations, const struct program *program, const struct hello_answer *answer)
{
    for (size_t i = 0; i < declarations->made_count; i++) {
        const struct made *made = declarations->made[i];
        if (made->function.is_gone || made->function.program != program || is_taken(answer, made->id))
            continue;
        struct made *gone = copy_of(made);
        gone->function.is_gone = true;
        gone->function.base.on_failure = NULL;
        put(declarations, gone);
    }
}

static const char *check_hello(const msgpack_object *hello, char *room, size_t size)
{
    const msgpack_object *protocol = packed_find(hello, "protocol");
    const msgpack_object *functions = packed_find(hello, "functions");
    int64_t number = object_int(protocol, -1);

    if (protocol == NULL)
        return "a hello has a 'protocol'";
    if (number != 1) {
        (void)snprintf(room, size, "'protocol' is %lld, this stepd speaks 1", (long long)number);
        return room;
    }
    return functions != NULL && functions->type == MSGPACK_OBJECT_ARRAY ? NULL : "a hello has a list of 'functions'";
}

static void take(struct declarations *declarations, const char *name, const msgpack_object *hello, struct program *program,
                 struct hello_answer *answer)
{
    size_t count;
    struct declared **all = read_all(declarations, packed_find(hello, "functions"), program, &count, answer);

    assert_held(&declarations->lock);
    for (size_t i = 0; i < count; i++)
        put_declared(declarations, all[i], program, answer);
    free(all);
    mark_gone(declarations, program, answer);
    renew_routes(declarations);
    speaker_of(declarations, name)->program = program;
}

int declarations_take(struct declarations *declarations, const char *name, struct bytes hello, struct program *program,
                      struct hello_answer *ret_answer)
{
    struct error error = { 0 };
    char room[100];
    msgpack_object object;
    msgpack_zone zone;

    LOCK_GUARD(&declarations->lock);
    if (!msgpack_zone_init(&zone, ZONE_SIZE))
        abort();
    int status = json_decode(hello, &zone, &object, &error);
    const char *why = status != 0 ? error.text : check_hello(&object, room, sizeof(room));
    if (why == NULL) {
        struct speaker *speaker = speaker_of(declarations, name);
        char *copy = xstrndup(hello.data, hello.size);
        take(declarations, name, &object, program, ret_answer);
        speaker = speaker_of(declarations, name);
        free(speaker->hello);
        speaker->hello = copy;
        speaker->hello_size = hello.size;
    } else {
        ret_answer->why = xstrdup(why);
    }
    msgpack_zone_destroy(&zone);
    return why == NULL ? 0 : -EINVAL;
}

void declarations_renew(struct declarations *declarations, const struct config *config)
{
    lock_take(&declarations->lock);
    declarations->settings.config = config;
    size_t count = declarations->speaker_count;
    lock_give(&declarations->lock);
    for (size_t i = 0; i < count; i++) {
        struct hello_answer answer = { 0 };
        size_t size;
        lock_take(&declarations->lock);
        AUTO_FREE char *name = xstrdup(declarations->speakers[i].name);
        struct program *program = declarations->speakers[i].program;
        lock_give(&declarations->lock);
        AUTO_FREE char *hello = declarations_hello(declarations, name, &size);
        if (hello != NULL && declarations_take(declarations, name, (struct bytes){ hello, size }, program, &answer) != 0)
            log_error("program %s: %s", name, answer.why);
        for (size_t at = 0; at < answer.refused_count; at++)
            log_error("program %s: %s", name, answer.refused[at].reason);
        hello_answer_done(&answer);
    }
}

/* ---- asked --------------------------------------------------------------------------------------- */

void declarations_hold_up(struct declarations *declarations, const char *name, int limit)
{
    LOCK_GUARD(&declarations->lock);
    const struct program *program = speaker_of(declarations, name)->program;
    for (size_t i = 0; i < declarations->made_count; i++) {
        const struct made *made = declarations->made[i];
        if (made->function.program != program || made->function.is_gone)
            continue;
        struct made *copy = copy_of(made);
        bool is_tighter = limit > 0 && (made->concurrency == 0 || made->concurrency > limit);
        copy->function.base.concurrency = is_tighter ? limit : made->concurrency;
        put(declarations, copy);
    }
    renew_routes(declarations);
}

const struct function *declarations_find(struct declarations *declarations, const char *id)
{
    LOCK_GUARD(&declarations->lock);
    size_t place = place_of(declarations, id);
    return place < declarations->made_count ? &declarations->made[place]->function.base : NULL;
}

char *declarations_speaker(struct declarations *declarations, const char *id)
{
    LOCK_GUARD(&declarations->lock);
    size_t place = place_of(declarations, id);
    if (place == declarations->made_count || declarations->made[place]->function.is_gone)
        return NULL;
    for (size_t i = 0; i < declarations->speaker_count; i++) {
        if (declarations->speakers[i].program == declarations->made[place]->function.program)
            return xstrdup(declarations->speakers[i].name);
    }
    return NULL;
}

void declarations_each(struct declarations *declarations, void (*each)(void *context, const struct function *function), void *context)
{
    LOCK_GUARD(&declarations->lock);
    for (size_t i = 0; i < declarations->made_count; i++) {
        if (!declarations->made[i]->function.is_gone)
            each(context, &declarations->made[i]->function.base);
    }
}

char *declarations_hello(struct declarations *declarations, const char *name, size_t *ret_size)
{
    LOCK_GUARD(&declarations->lock);
    const struct speaker *speaker = speaker_of(declarations, name);
    *ret_size = speaker->hello_size;
    return speaker->hello != NULL ? xstrndup(speaker->hello, speaker->hello_size) : NULL;
}
