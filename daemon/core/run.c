/* SPDX-License-Identifier: Apache-2.0 */
#include "core/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_STATIC_LINKING_ONLY /* a state on the stack */
#include <xxhash.h>

/* Hashes a text with its length before it, so that ("ab", "c") and ("a", "bc") differ. */
static void add_text(XXH3_state_t *state, const void *text, size_t size)
{
    uint64_t length = size;
    XXH3_128bits_update(state, &length, sizeof(length));
    XXH3_128bits_update(state, text, size);
}

static void add_number(XXH3_state_t *state, int64_t number)
{
    XXH3_128bits_update(state, &number, sizeof(number));
}

/* One key's runs share a placement, so that one script sees all of them. */
static unsigned placement_of(const struct function *function, const struct event *event, XXH128_hash_t identity)
{
    if (function->ordering != STEPD_BY_KEY || event->view.key == NULL)
        return (unsigned)(identity.high64 >> 48);
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    add_text(&state, function->id, strlen(function->id));
    add_text(&state, event->view.topic, strlen(event->view.topic));
    add_text(&state, event->view.key, event->view.key_len);
    return (unsigned)(XXH3_128bits_digest(&state).high64 >> 48);
}

static struct run_id written(unsigned placement, XXH128_hash_t identity)
{
    struct run_id id;

    (void)snprintf(id.text, sizeof(id.text), "%04x%012llx%016llx", placement,
                   (unsigned long long)(identity.high64 & UINT64_C(0xffffffffffff)),
                   (unsigned long long)identity.low64);
    return id;
}

struct run_id run_id_of(const struct function *function, const struct event *event)
{
    XXH3_state_t state;

    XXH3_128bits_reset(&state);
    add_text(&state, function->id, strlen(function->id));
    add_text(&state, event->view.topic, strlen(event->view.topic));
    add_number(&state, event->view.partition);
    add_number(&state, event->view.offset);
    add_number(&state, event->timestamp_ms);
    XXH128_hash_t identity = XXH3_128bits_digest(&state);
    return written(placement_of(function, event, identity), identity);
}

struct run_id run_id_of_event_id(const struct function *function, const struct event *event)
{
    XXH3_state_t state;

    XXH3_128bits_reset(&state);
    add_text(&state, function->id, strlen(function->id));
    add_text(&state, event->view.id, strlen(event->view.id));
    XXH128_hash_t identity = XXH3_128bits_digest(&state);
    return written(placement_of(function, event, identity), identity);
}

unsigned run_id_placement(const char *id)
{
    char digits[RUN_PLACEMENT_DIGITS + 1] = { 0 };

    memcpy(digits, id, RUN_PLACEMENT_DIGITS);
    return (unsigned)strtoul(digits, NULL, 16);
}

bool run_id_is_valid(const char *text)
{
    return strlen(text) == RUN_ID_LENGTH && strspn(text, "0123456789abcdef") == RUN_ID_LENGTH;
}
