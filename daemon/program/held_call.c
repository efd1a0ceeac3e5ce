/* SPDX-License-Identifier: Apache-2.0 */
#include "program/held_call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct held_call *held_call_create(struct program *program, atomic_size_t *unread, void (*let_go)(struct held_call *held, bool is_told))
{
    struct held_call *held = xcalloc(1, sizeof(*held));

    assert(let_go != NULL);
    atomic_init(&held->holders, 1);
    held->program = program;
    held->unread = unread;
    held->let_go = let_go;
    held->end = &held->first;
    lock_init(&held->lock);
    return held;
}

void held_call_release(struct held_call *held)
{
    assert(atomic_load(&held->holders) > 0);
    if (atomic_fetch_sub(&held->holders, 1) != 1)
        return;
    for (struct said *said = held->first, *next; said != NULL; said = next) {
        next = said->next;
        free(said);
    }
    atomic_fetch_sub(held->unread, held->bytes);
    free(held->line);
    lock_done(&held->lock);
    free(held);
}

/* Whom to call once it is not; NULL: nobody. */
static void *call_home(struct held_call *held)
{
    void *home = held->home;

    assert_held(&held->lock);
    held->home = NULL;
    held->has_news = home == NULL;
    return home;
}

static struct said *said_create(enum said_kind kind, const char *text, size_t size)
{
    struct said *said = xmalloc(sizeof(*said) + size + 1);

    *said = (struct said){ .kind = kind, .size = size };
    memcpy(said->text, text, size);
    said->text[size] = '\0';
    return said;
}

/* False: nobody wants it. */
static bool keep(struct held_call *held, struct said *said)
{
    assert_held(&held->lock);
    if (held->is_over)
        return false;
    *held->end = said;
    held->end = &said->next;
    held->bytes += said->size;
    atomic_fetch_add(held->unread, said->size);
    return true;
}

static void tell(struct held_call *held, struct said *said, bool is_last)
{
    lock_take(&held->lock);
    held->has_ended |= is_last;
    bool is_kept = keep(held, said);
    void *home = is_kept ? call_home(held) : NULL;
    void (*come_back)(void *home) = held->come_back;
    lock_give(&held->lock);
    if (!is_kept)
        free(said);
    if (home != NULL)
        come_back(home);
}

void held_call_tell(struct held_call *held, enum said_kind kind, const char *text, size_t size)
{
    tell(held, said_create(kind, text, size), false);
}

void held_call_tell_last(struct held_call *held, enum said_kind kind, const char *text, size_t size)
{
    tell(held, said_create(kind, text, size), true);
}

struct said *held_call_take(struct held_call *held)
{
    LOCK_GUARD(&held->lock);
    struct said *said = held->first;

    held->has_news = false;
    if (said == NULL)
        return NULL;
    held->first = said->next;
    if (held->first == NULL)
        held->end = &held->first;
    assert(held->bytes >= said->size);
    held->bytes -= said->size;
    atomic_fetch_sub(held->unread, said->size);
    return said;
}

const struct said *held_call_peek(struct held_call *held, const struct said *after)
{
    LOCK_GUARD(&held->lock);
    return after != NULL ? after->next : held->first;
}

bool held_call_is_cancelled(struct held_call *held)
{
    LOCK_GUARD(&held->lock);
    return held->is_cancelled;
}

/* It comes home, since what `flag` says is so now. */
static void call_home_for(struct held_call *held, bool *flag)
{
    lock_take(&held->lock);
    *flag = true;
    void *home = call_home(held);
    void (*come_back)(void *home) = held->come_back;
    lock_give(&held->lock);
    if (home != NULL)
        come_back(home);
}

void held_call_hear(struct held_call *held)
{
    call_home_for(held, &held->has_heard);
}

bool held_call_has_heard(struct held_call *held)
{
    LOCK_GUARD(&held->lock);
    bool has_heard = held->has_heard;
    held->has_heard = false;
    return has_heard;
}

/* ---- as the engine sees it ------------------------------------------------------------------------- */

static void leave(struct errand *base, void (*come_back)(void *home), void *home)
{
    struct held_call *held = program_errand_of(base)->held;

    assert(come_back != NULL && home != NULL);
    lock_take(&held->lock);
    assert(held->home == NULL && !held->is_over);
    bool stays = held->has_news || held->has_heard || held->is_cancelled;
    if (!stays) {
        held->come_back = come_back;
        held->home = home;
    }
    lock_give(&held->lock);
    if (stays)
        come_back(home);
}

static void cancel(struct errand *base)
{
    struct held_call *held = program_errand_of(base)->held;

    call_home_for(held, &held->is_cancelled);
}

static void hear(struct errand *base)
{
    held_call_hear(program_errand_of(base)->held);
}

static void destroy(struct errand *base)
{
    struct program_errand *errand = program_errand_of(base);
    struct held_call *held = errand->held;

    if (held != NULL) {
        lock_take(&held->lock);
        held->is_over = true;
        held->home = NULL;
        bool has_ended = held->has_ended;
        lock_give(&held->lock);
        if (!has_ended)
            held->let_go(held, !errand->is_answered_later);
        held_call_release(held);
    }
    stepd_reports_destroy(errand->reports);
    free(errand);
}

static const struct errand_ops ops = { .leave = leave, .cancel = cancel, .hear = hear, .destroy = destroy };

struct program_errand *program_errand_create(void)
{
    struct program_errand *errand = xcalloc(1, sizeof(*errand));

    errand->base.ops = &ops;
    return errand;
}

struct program_errand *program_errand_of(struct errand *errand)
{
    return (struct program_errand *)(void *)errand;
}
