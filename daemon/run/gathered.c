/* SPDX-License-Identifier: Apache-2.0 */
#include "run/gathered.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define FIRST_ROOM 8

struct gathered *gathered_create(const struct function *function)
{
    struct gathered *gathered = xcalloc(1, sizeof(*gathered));

    gathered->function = function;
    atomic_init(&gathered->holders, 1);
    return gathered;
}

/* Several workers bring events: those of one partition stand in its order all the same. */
static size_t place_of(const struct gathered *gathered, const struct message *message, const struct event *event)
{
    size_t place = gathered->bundle.count;

    for (size_t i = gathered->bundle.count; i-- > 0;) {
        const struct event *other = gathered->bundle.events[i];
        if (gathered->messages[i]->assignment != message->assignment)
            continue;
        if (other->view.offset < event->view.offset || (other->view.offset == event->view.offset && other->part < event->part))
            break;
        place = i;
    }
    return place;
}

void gathered_add(struct gathered *gathered, struct message *message, struct event *event)
{
    size_t count = gathered->bundle.count;

    assert(count <= gathered->room);
    if (count == gathered->room) {
        gathered->room = count > 0 ? 2 * count : FIRST_ROOM;
        gathered->bundle.events = xrealloc(gathered->bundle.events, gathered->room * sizeof(*gathered->bundle.events));
        gathered->messages = xrealloc(gathered->messages, gathered->room * sizeof(*gathered->messages));
    }
    size_t place = place_of(gathered, message, event);
    assert(place <= count);
    memmove(gathered->bundle.events + place + 1, gathered->bundle.events + place, (count - place) * sizeof(*gathered->bundle.events));
    memmove(gathered->messages + place + 1, gathered->messages + place, (count - place) * sizeof(*gathered->messages));
    gathered->bundle.events[place] = event;
    gathered->messages[place] = message;
    gathered->bundle.count++;
}

size_t gathered_drop_revoked(struct gathered *gathered)
{
    size_t kept = 0;

    for (size_t i = 0; i < gathered->bundle.count; i++) {
        struct message *message = gathered->messages[i];
        if (atomic_load(&message->assignment->is_revoked)) {
            message_end_run(message, MESSAGE_DROPPED);
            continue;
        }
        gathered->messages[kept] = message;
        gathered->bundle.events[kept++] = gathered->bundle.events[i];
    }
    gathered->bundle.count = kept;
    return kept;
}

static void drop_holder(struct gathered *gathered)
{
    assert(atomic_load(&gathered->holders) > 0);
    if (atomic_fetch_sub(&gathered->holders, 1) != 1)
        return;
    free(gathered->bundle.events);
    free(gathered->messages);
    free(gathered->key);
    free(gathered);
}

void gathered_end(struct gathered *gathered, enum message_state state)
{
    for (size_t i = 0; i < gathered->bundle.count; i++)
        message_end_run(gathered->messages[i], state);
    drop_holder(gathered);
}

void gathered_hold(struct gathered *gathered)
{
    assert(atomic_load(&gathered->holders) > 0);
    atomic_fetch_add(&gathered->holders, 1);
    for (size_t i = 0; i < gathered->bundle.count; i++)
        atomic_fetch_add(&gathered->messages[i]->batch->open, 1);
}

void gathered_let_go(struct gathered *gathered)
{
    for (size_t i = 0; i < gathered->bundle.count; i++)
        atomic_fetch_sub(&gathered->messages[i]->batch->open, 1);
    drop_holder(gathered);
}
