/* SPDX-License-Identifier: Apache-2.0 */
#include "run/trace.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/clock.h"

#define RUN_SEED 1 /* of the run's span */
#define SAMPLED 1  /* a flag */
#define PARENT_LENGTH 55

/* A digit's value and one more, of the only case that is allowed; 0: it is none. */
static const uint8_t DIGITS[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

/* False: something else stands there, or nothing but zeros. */
static bool read_hex(const char *text, uint8_t *ret_bytes, size_t count)
{
    unsigned sum = 0;

    for (size_t i = 0; i < count; i++) {
        unsigned high = DIGITS[(uint8_t)text[2 * i]];
        unsigned low = high != 0 ? DIGITS[(uint8_t)text[2 * i + 1]] : 0;
        if (low == 0)
            return false;
        ret_bytes[i] = (uint8_t)((high - 1) << 4 | (low - 1));
        sum += ret_bytes[i];
    }
    return sum > 0;
}

static uint64_t number_of(const uint8_t bytes[static 8])
{
    uint64_t number = 0;

    for (size_t i = 0; i < 8; i++)
        number = number << 8 | bytes[i];
    return number;
}

/* Later versions may say more behind what the first one says. */
static bool read_parent(const char *text, struct trace_place *place)
{
    uint8_t version, parent[8], flags;
    size_t length = strnlen(text, PARENT_LENGTH + 1);

    if (length < PARENT_LENGTH || text[2] != '-' || text[35] != '-' || text[52] != '-')
        return false;
    bool is_first = memcmp(text, "00", 2) == 0;
    if (!is_first && (!read_hex(text, &version, 1) || version == 0xff || (length > PARENT_LENGTH && text[PARENT_LENGTH] != '-')))
        return false;
    if ((is_first && length != PARENT_LENGTH) || !read_hex(&text[3], place->id, sizeof(place->id)) || !read_hex(&text[36], parent, 8))
        return false;
    if (!read_hex(&text[53], &flags, 1)) {
        if (memcmp(&text[53], "00", 2) != 0)
            return false;
        flags = 0;
    }
    place->parent = number_of(parent);
    place->is_sampled = flags & SAMPLED;
    return true;
}

/* What eight digits say, at once: each has a byte of its own, the first one the highest. */
static uint64_t read_digits(const char text[static 8])
{
    uint64_t digits;

    memcpy(&digits, text, sizeof(digits));
    digits = be64toh(digits);
    digits = (digits & UINT64_C(0x0f0f0f0f0f0f0f0f)) + (digits >> 6 & UINT64_C(0x0101010101010101)) * 9;
    digits = (digits | digits >> 4) & UINT64_C(0x00ff00ff00ff00ff);
    digits = (digits | digits >> 8) & UINT64_C(0x0000ffff0000ffff);
    return (digits | digits >> 16) & UINT64_C(0xffffffff);
}

/* The end of the id, which is a hash, as a number: its beginning says in which shard the run is. */
static bool is_below(const struct run_id *id, uint64_t threshold)
{
    const uint64_t first = read_digits(&id->text[RUN_ID_LENGTH - 16]);

    if (first != threshold >> 32)
        return first < threshold >> 32;
    return read_digits(&id->text[RUN_ID_LENGTH - 8]) < (threshold & UINT32_MAX);
}

bool trace_is_wanted(const struct run *run, uint64_t threshold)
{
    const char *parent = run->event->view.traceparent;
    struct trace_place place;

    if (parent != NULL && read_parent(parent, &place))
        return place.is_sampled;
    return is_below(&run->id, threshold);
}

struct trace_place trace_place_of(const struct run *run)
{
    const char *parent = run->event->view.traceparent;
    struct trace_place place = { .run = XXH3_64bits_withSeed(run->id.text, RUN_ID_LENGTH, RUN_SEED) | 1 };

    if (parent != NULL && read_parent(parent, &place))
        return place;
    place.parent = 0;
    place.is_sampled = false;
    if (!read_hex(run->id.text, place.id, sizeof(place.id)))
        place.id[0] = 1; /* a trace's id is not zero */
    return place;
}

bool trace_parent_text(const struct stepd_ctx *ctx, char ret_text[static TRACE_PARENT_SIZE])
{
    const struct run *run = ctx->run;

    if (ctx->settings->tracer == NULL)
        return false;
    const struct trace_place place = trace_place_of(run);
    if (run->span == 0 && place.parent != 0)
        return false; /* who does not keep it passes on what it was given */
    char *at = ret_text + snprintf(ret_text, TRACE_PARENT_SIZE, "00-");
    for (size_t i = 0; i < TRACE_ID_SIZE; i++)
        at += snprintf(at, 3, "%02x", place.id[i]);
    (void)snprintf(at, TRACE_PARENT_SIZE - 35, "-%016" PRIx64 "-%s", run->span != 0 ? run->span : place.run, run->span != 0 ? "01" : "00");
    return true;
}

void trace_step_of(struct stepd_ctx *ctx, int64_t begun_ns, const struct failure *failure)
{
    struct tracer *tracer = ctx->settings->tracer;
    bool ran_elsewhere = ctx->entered_with != NULL && ctx->run->left_ns != 0;

    tracer->ops->step(tracer, ctx->run, &ctx->step, ran_elsewhere ? ctx->run->left_ns : begun_ns, failure);
    if (ran_elsewhere)
        ctx->run->left_ns = clock_monotonic_ns();
}
