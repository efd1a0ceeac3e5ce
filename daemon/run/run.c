/* SPDX-License-Identifier: Apache-2.0 */
#include "run/run.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/memory.h"

#define HASHED_SIZE 1024 /* identities are mostly shorter: those are hashed at once, from the stack */

/* What an id is made of, piece by piece. */
struct identity {
    unsigned char *bytes;
    size_t size;
    size_t room;
    unsigned char first_bytes[HASHED_SIZE];
};

static void identity_init(struct identity *identity)
{
    identity->bytes = identity->first_bytes;
    identity->size = 0;
    identity->room = HASHED_SIZE;
}

static void identity_grow(struct identity *identity, size_t size)
{
    unsigned char *old = identity->bytes == identity->first_bytes ? NULL : identity->bytes;

    identity->room = 2 * (identity->size + size);
    identity->bytes = xrealloc(old, identity->room);
    if (old == NULL)
        memcpy(identity->bytes, identity->first_bytes, identity->size);
}

/* Where the next bytes go. */
static inline unsigned char *identity_place(struct identity *identity, size_t size)
{
    if (size > identity->room - identity->size)
        identity_grow(identity, size);
    unsigned char *place = identity->bytes + identity->size;
    identity->size += size;
    return place;
}

static inline void add(struct identity *identity, const void *bytes, size_t size)
{
    if (size > 0)
        memcpy(identity_place(identity, size), bytes, size);
}

static inline void add_number(struct identity *identity, int64_t number)
{
    uint64_t little_endian = htole64((uint64_t)number);

    memcpy(identity_place(identity, sizeof(little_endian)), &little_endian, sizeof(little_endian));
}

/* A text with its length before it, so that ("ab", "c") and ("a", "bc") differ. */
static inline void add_text(struct identity *identity, const void *text, size_t size)
{
    add_number(identity, (int64_t)size);
    add(identity, text, size);
}

static XXH128_hash_t identity_hash(struct identity *identity)
{
    XXH128_hash_t hash = XXH3_128bits(identity->bytes, identity->size);

    if (identity->bytes != identity->first_bytes)
        free(identity->bytes);
    return hash;
}

static unsigned scopes_placement(void)
{
    struct identity identity;

    identity_init(&identity);
    add_text(&identity, "scopes", 6);
    return (unsigned)(identity_hash(&identity).high64 >> 48);
}

static unsigned function_placement(const char *function_id)
{
    struct identity identity;

    identity_init(&identity);
    add_text(&identity, function_id, strlen(function_id));
    return (unsigned)(identity_hash(&identity).high64 >> 48);
}

unsigned run_function_placement(const char *function_id, enum run_placement placement)
{
    return placement == PLACED_BY_SCOPE ? scopes_placement() : function_placement(function_id);
}

/* All runs of the function share it, or of all functions that have limits of scopes: what they count is in one shard. */
static unsigned shared_placement(const struct function *function)
{
    return function->flow != NULL && function->flow->has_scope ? scopes_placement() : function_placement(function->id);
}

/* One key's runs share a placement, so that one script sees all of them. */
static unsigned own_placement(const struct function *function, const struct event *event, XXH128_hash_t hash)
{
    struct identity identity;

    if (!function_orders(function, &event->view))
        return (unsigned)(hash.high64 >> 48);
    identity_init(&identity);
    add_text(&identity, function->id, strlen(function->id));
    add_text(&identity, event->view.topic, strlen(event->view.topic));
    add_text(&identity, event->view.key, event->view.key_len);
    return (unsigned)(identity_hash(&identity).high64 >> 48);
}

static unsigned placement_of(const struct function *function, const struct event *event, XXH128_hash_t hash)
{
    return function_shares_shard(function) ? shared_placement(function) : own_placement(function, event, hash);
}

/* Eight digits at once: every four bits get a byte of their own, the first ones the highest. */
static void write_hex(char text[static 8], uint32_t number)
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t digits = number;

    digits = (digits | digits << 16) & UINT64_C(0x0000ffff0000ffff);
    digits = (digits | digits << 8) & UINT64_C(0x00ff00ff00ff00ff);
    digits = (digits | digits << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    uint64_t are_letters = (digits + each * 6) >> 4 & each;
    digits = htobe64(digits + each * '0' + are_letters * ('a' - '9' - 1));
    memcpy(text, &digits, sizeof(digits));
}

/* The placement's digits, then the hash without as many of its first. */
static struct run_id written(unsigned placement, XXH128_hash_t hash)
{
    const int bits = RUN_PLACEMENT_DIGITS * 4;
    uint64_t high = (uint64_t)placement << (64 - bits) | (hash.high64 & UINT64_MAX >> bits);
    struct run_id id;

    write_hex(id.text, (uint32_t)(high >> 32));
    write_hex(id.text + 8, (uint32_t)high);
    write_hex(id.text + 16, (uint32_t)(hash.low64 >> 32));
    write_hex(id.text + 24, (uint32_t)hash.low64);
    id.text[RUN_ID_LENGTH] = '\0';
    return id;
}

static inline void add_origin(struct identity *identity, const struct event *event)
{
    add_text(identity, event->view.topic, strlen(event->view.topic));
    add_number(identity, event->view.partition);
    add_number(identity, event->view.offset);
    add_number(identity, event->timestamp_ms);
    if (event->part > 0)
        add_number(identity, event->part);
}

static XXH128_hash_t hash_of(const struct function *function, const struct event *event)
{
    struct identity identity;

    identity_init(&identity);
    add_text(&identity, function->id, strlen(function->id));
    add_origin(&identity, event);
    return identity_hash(&identity);
}

struct run_id run_id_of(const struct function *function, const struct event *event)
{
    XXH128_hash_t hash = hash_of(function, event);

    return written(placement_of(function, event, hash), hash);
}

struct run_id run_id_of_bundle(const struct function *function, const struct bundle *bundle)
{
    struct identity identity;

    identity_init(&identity);
    add_text(&identity, function->id, strlen(function->id));
    for (size_t i = 0; i < bundle->count; i++)
        add_origin(&identity, bundle->events[i]);
    return written(placement_of(function, bundle->events[0], hash_of(function, bundle->events[0])), identity_hash(&identity));
}

struct run_id run_id_of_replay(const char *name, const struct run_id *of)
{
    static const char kind[] = "replay";
    struct identity identity;

    identity_init(&identity);
    add_text(&identity, kind, strlen(kind));
    add_text(&identity, name, strlen(name));
    add_text(&identity, of->text, RUN_ID_LENGTH);
    return written(run_id_placement(of->text), identity_hash(&identity));
}

struct run_id run_id_of_tick(const struct function *function, int64_t at_ms)
{
    struct identity identity;

    identity_init(&identity);
    add_text(&identity, function->id, strlen(function->id));
    add_text(&identity, "tick", 4);
    add_number(&identity, at_ms);
    return written(shared_placement(function), identity_hash(&identity));
}

enum run_placement run_placement_of(const struct function *function)
{
    if (!function_asks(function))
        return PLACED_BY_ID;
    return function->flow->has_scope ? PLACED_BY_SCOPE : PLACED_BY_FUNCTION;
}

struct run_id run_id_of_invoke(const struct run_id *caller, enum run_phase phase, const char *step_id, const char *function_id,
                               enum run_placement placement)
{
    struct identity identity;

    identity_init(&identity);
    add_text(&identity, "invoke", 6);
    add_text(&identity, caller->text, RUN_ID_LENGTH);
    add_number(&identity, phase);
    add_text(&identity, step_id, strlen(step_id));
    add_text(&identity, function_id, strlen(function_id));
    XXH128_hash_t hash = identity_hash(&identity);

    switch (placement) {
    case PLACED_BY_FUNCTION:
        return written(function_placement(function_id), hash);
    case PLACED_BY_SCOPE:
        return written(scopes_placement(), hash);
    case PLACED_BY_ID:
        break;
    }
    return written((unsigned)(hash.high64 >> 48), hash);
}

struct run_id run_id_of_other_placement(const struct function *function, const struct event *event)
{
    static const struct flow_settings by_function = { .shares_shard = true };
    XXH128_hash_t hash = hash_of(function, event);

    if (function_shares_shard(function))
        return written(own_placement(function, event, hash), hash);
    const struct function other = { .id = function->id, .flow = &by_function };
    return written(shared_placement(&other), hash);
}

static void add_event_id(struct identity *identity, const struct function *function, const struct event *event)
{
    const char *id = function->topic != NULL && event->has_row ? event->row.id : event->view.id;

    add_text(identity, function->id, strlen(function->id));
    add_text(identity, id, strlen(id));
}

static void write_dedupe_id(struct identity *identity, struct dedupe_id *ret_id)
{
    struct run_id digits = written(0, identity_hash(identity));

    memcpy(ret_id->text, digits.text + RUN_PLACEMENT_DIGITS, sizeof(ret_id->text));
}

/* The key of an event that is no CloudEvent is hashed as versions with records of version 1 hash it: they share
 * what is remembered. */
struct dedupe_id dedupe_id_of(const struct function *function, const struct event *event)
{
    struct identity identity;
    struct dedupe_id id;

    identity_init(&identity);
    add_event_id(&identity, function, event);
    if (event_is_cloud(event)) {
        add_text(&identity, event->source.data, event->source.size);
        add_text(&identity, event->view.topic, strlen(event->view.topic));
        add_text(&identity, event->view.key, event->view.key_len);
    }
    write_dedupe_id(&identity, &id);
    return id;
}

struct dedupe_id dedupe_id_of_key(const struct function *function, struct bytes key)
{
    struct identity identity;
    struct dedupe_id id;

    identity_init(&identity);
    add_text(&identity, "key", 3); /* whatever it is, it is none of the others' */
    add_text(&identity, function->id, strlen(function->id));
    add_text(&identity, key.data, key.size);
    write_dedupe_id(&identity, &id);
    return id;
}

struct run_id run_id_of_event_id(const struct function *function, const struct event *event)
{
    struct identity identity;

    identity_init(&identity);
    add_event_id(&identity, function, event);
    XXH128_hash_t hash = identity_hash(&identity);
    return written(placement_of(function, event, hash), hash);
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
