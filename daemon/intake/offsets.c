/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In-flight offsets are bits in blocks of 4,096; a block without any is given back. Everything below
 * `next` that is in no block is done, so a message that takes an hour costs one block, however many
 * pass it meanwhile.
 */
#include "intake/offsets.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <roaring/roaring.h>
#include <xxhash.h>

#include "codec/base64.h"

#define WORD_BITS 64
#define BLOCK_WORDS 64
#define BLOCK_BITS (WORD_BITS * BLOCK_WORDS)

struct block {
    int64_t first;  /* a multiple of BLOCK_BITS */
    unsigned count; /* bits set; never 0 */
    uint64_t in_flight[BLOCK_WORDS];
};

/* What an earlier owner had done above its commit: all of [base, base + known) but `open`. */
struct restored {
    int64_t base;
    uint32_t known;
    roaring_bitmap_t *open; /* relative to base; NULL: nothing restored */
};

struct offsets {
    int64_t next; /* one above the highest that started */
    size_t in_flight;
    struct block **blocks; /* ascending */
    size_t count;
    size_t room;
    struct block *spare; /* the block given back last */
    struct restored restored;
};

/* What the metadata holds, in base64, after MAGIC: this, then the bitmap in CRoaring's portable form. */
struct told {
    uint8_t version;
    uint8_t open[3];   /* offsets in the bitmap, and 1 more; 0: not told, as by stepd until 0.1 */
    uint32_t known;    /* little-endian, as are the others */
    uint64_t checksum; /* XXH3 of committed offset, the fields above and bitmap */
} __attribute__((packed));

#define MAGIC "stepd:"
#define MAGIC_SIZE (sizeof(MAGIC) - 1)
#define VERSION 1
#define OPEN_MAX (1U << 20) /* offsets that a bitmap may name: far more than are ever in flight */

struct offsets *offsets_create(int64_t committed)
{
    struct offsets *offsets = xcalloc(1, sizeof(*offsets));

    assert(committed >= 0 || committed == OFFSETS_UNKNOWN);
    offsets->next = committed;
    return offsets;
}

static void forget_restored(struct offsets *offsets)
{
    if (offsets->restored.open != NULL)
        roaring_bitmap_free(offsets->restored.open);
    offsets->restored = (struct restored){ 0 };
}

void offsets_destroy(struct offsets *offsets)
{
    if (offsets == NULL)
        return;
    forget_restored(offsets);
    for (size_t i = 0; i < offsets->count; i++)
        free(offsets->blocks[i]);
    free(offsets->blocks);
    free(offsets->spare);
    free(offsets);
}

static int64_t block_of(int64_t offset)
{
    return offset - offset % BLOCK_BITS;
}

/* Where the first block that ends above `offset` stands; `count`: there is none. */
static size_t find_block(const struct offsets *offsets, int64_t offset)
{
    size_t low = 0;
    size_t high = offsets->count;

    if (high == 0 || offsets->blocks[0]->first + BLOCK_BITS > offset) /* the oldest: as a rule */
        return 0;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (offsets->blocks[middle]->first + BLOCK_BITS <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The last block, or a new one behind it. */
static struct block *block_to_start_in(struct offsets *offsets, int64_t offset)
{
    int64_t first = block_of(offset);

    if (offsets->count > 0 && offsets->blocks[offsets->count - 1]->first == first)
        return offsets->blocks[offsets->count - 1];
    if (offsets->count == offsets->room) {
        offsets->room = offsets->room == 0 ? 8 : offsets->room * 2;
        offsets->blocks = xrealloc(offsets->blocks, offsets->room * sizeof(offsets->blocks[0]));
    }
    struct block *block = offsets->spare != NULL ? offsets->spare : xcalloc(1, sizeof(*block));
    offsets->spare = NULL;
    block->first = first;
    offsets->blocks[offsets->count++] = block;
    return block;
}

static void remove_block(struct offsets *offsets, size_t at)
{
    struct block *block = offsets->blocks[at];

    assert(block->count == 0);
    offsets->count--;
    memmove(&offsets->blocks[at], &offsets->blocks[at + 1], (offsets->count - at) * sizeof(offsets->blocks[0]));
    if (offsets->spare == NULL)
        offsets->spare = block;
    else
        free(block);
}

/* Whether an earlier owner had finished it. */
static bool was_done(struct offsets *offsets, int64_t offset)
{
    const struct restored *restored = &offsets->restored;

    if (restored->open == NULL)
        return false;
    if (offset - restored->base >= (int64_t)restored->known) {
        forget_restored(offsets);
        return false;
    }
    return !roaring_bitmap_contains(restored->open, (uint32_t)(offset - restored->base));
}

bool offsets_start(struct offsets *offsets, int64_t offset)
{
    assert(offset >= 0);
    if (offset < offsets->next)
        return false;
    offsets->next = offset + 1;
    if (was_done(offsets, offset))
        return false;

    struct block *block = block_to_start_in(offsets, offset);
    unsigned bit = (unsigned)(offset - block->first);
    block->in_flight[bit / WORD_BITS] |= UINT64_C(1) << bit % WORD_BITS;
    block->count++;
    offsets->in_flight++;
    return true;
}

/* Bits `from` to `to`, both included, of a word. */
static uint64_t word_mask(unsigned from, unsigned to)
{
    return (UINT64_MAX << from) & (UINT64_MAX >> (WORD_BITS - 1 - to));
}

static void block_finish(struct offsets *offsets, struct block *block, int64_t first, int64_t last)
{
    unsigned from = first <= block->first ? 0 : (unsigned)(first - block->first);
    unsigned to = last >= block->first + BLOCK_BITS ? BLOCK_BITS - 1 : (unsigned)(last - block->first);
    unsigned finished = 0;

    for (unsigned word = from / WORD_BITS; word <= to / WORD_BITS; word++) {
        uint64_t mask = word_mask(word == from / WORD_BITS ? from % WORD_BITS : 0, word == to / WORD_BITS ? to % WORD_BITS : WORD_BITS - 1);
        finished += (unsigned)__builtin_popcountll(block->in_flight[word] & mask);
        block->in_flight[word] &= ~mask;
    }
    assert(finished <= block->count);
    block->count -= finished;
    offsets->in_flight -= finished;
}

void offsets_finish_range(struct offsets *offsets, int64_t first, int64_t last)
{
    size_t at = find_block(offsets, first);

    while (at < offsets->count && offsets->blocks[at]->first <= last) {
        block_finish(offsets, offsets->blocks[at], first, last);
        if (offsets->blocks[at]->count == 0)
            remove_block(offsets, at);
        else
            at++;
    }
}

void offsets_finish(struct offsets *offsets, int64_t offset)
{
    offsets_finish_range(offsets, offset, offset);
}

void offsets_reach(struct offsets *offsets, int64_t position)
{
    if (position > offsets->next)
        offsets->next = position;
}

int64_t offsets_committable(const struct offsets *offsets)
{
    if (offsets->count > 0) {
        const struct block *block = offsets->blocks[0];
        for (unsigned word = 0; word < BLOCK_WORDS; word++) {
            if (block->in_flight[word] != 0)
                return block->first + word * WORD_BITS + __builtin_ctzll(block->in_flight[word]);
        }
    }
    return offsets->next;
}

int64_t offsets_next(const struct offsets *offsets)
{
    return offsets->next;
}

size_t offsets_in_flight(const struct offsets *offsets)
{
    return offsets->in_flight;
}

/* ---- commit metadata -------------------------------------------------------------------------- */

/* All of [0, known) above the commit is done but these. */
struct picture {
    uint32_t *open; /* ascending, relative to the commit */
    size_t count;
    uint32_t known;
};

static void picture_add(struct picture *picture, int64_t relative, size_t room)
{
    if (relative < (int64_t)picture->known && picture->count < room)
        picture->open[picture->count++] = (uint32_t)relative;
}

static void draw_in_flight(const struct offsets *offsets, int64_t committed, struct picture *picture)
{
    for (size_t i = 0; i < offsets->count; i++) {
        const struct block *block = offsets->blocks[i];
        for (unsigned word = 0; word < BLOCK_WORDS; word++) {
            for (uint64_t bits = block->in_flight[word]; bits != 0; bits &= bits - 1)
                picture_add(picture, block->first + word * WORD_BITS + __builtin_ctzll(bits) - committed, offsets->in_flight);
        }
    }
}

/* What was restored and has not come again yet. */
static void draw_restored(const struct offsets *offsets, int64_t committed, struct picture *picture, size_t room)
{
    const struct restored *restored = &offsets->restored;
    roaring_uint32_iterator_t at;

    roaring_iterator_init(restored->open, &at);
    while (at.has_value) {
        int64_t offset = restored->base + at.current_value;
        if (offset >= offsets->next)
            picture_add(picture, offset - committed, room);
        (void)roaring_uint32_iterator_advance(&at);
    }
}

static struct picture draw(const struct offsets *offsets, int64_t committed)
{
    const struct restored *restored = &offsets->restored;
    size_t room = offsets->in_flight;
    int64_t known_end = offsets->next;

    if (restored->open != NULL) {
        room += (size_t)roaring_bitmap_get_cardinality(restored->open);
        if (restored->base + restored->known > known_end)
            known_end = restored->base + restored->known;
    }
    int64_t known = known_end - committed;
    struct picture picture = {
        .open = xmalloc((room + 1) * sizeof(picture.open[0])),
        .known = known < UINT32_MAX ? (uint32_t)known : UINT32_MAX,
    };
    draw_in_flight(offsets, committed, &picture);
    if (restored->open != NULL)
        draw_restored(offsets, committed, &picture, room);
    while (picture.count > 0 && picture.open[picture.count - 1] == picture.known - 1) { /* not started: nothing to tell */
        picture.count--;
        picture.known--;
    }
    return picture;
}

static roaring_bitmap_t *bitmap_of(const struct picture *picture, size_t count)
{
    roaring_bitmap_t *bitmap = roaring_bitmap_of_ptr(count, picture->open);

    assert(bitmap != NULL);
    (void)roaring_bitmap_run_optimize(bitmap);
    return bitmap;
}

static size_t text_size(size_t bitmap_size)
{
    return MAGIC_SIZE + BASE64_SIZE(sizeof(struct told) + bitmap_size);
}

static bool fits(const struct picture *picture, size_t count, size_t max_size)
{
    roaring_bitmap_t *bitmap = bitmap_of(picture, count);
    size_t size = text_size(roaring_bitmap_portable_size_in_bytes(bitmap));

    roaring_bitmap_free(bitmap);
    return size <= max_size;
}

/* Cuts the highest off until it fits. */
static void cut_to_fit(struct picture *picture, size_t max_size)
{
    size_t low = 0; /* fits */
    size_t high = picture->count;

    if (fits(picture, picture->count, max_size))
        return;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (fits(picture, middle, max_size))
            low = middle;
        else
            high = middle;
    }
    picture->known = picture->count > 0 ? picture->open[low] : 0;
    picture->count = low;
}

static uint64_t checksum_of(int64_t committed, const struct told *told, struct bytes bitmap)
{
    uint64_t sum = XXH3_64bits_withSeed(bitmap.data, bitmap.size, (uint64_t)committed);

    return XXH3_64bits_withSeed(told, offsetof(struct told, checksum), sum);
}

/* A count in the bitmap's own words could be read back as it was miswritten. */
static void tell_open(struct told *told, size_t count)
{
    uint32_t more = count <= OPEN_MAX ? (uint32_t)count + 1 : 0;

    for (unsigned i = 0; i < sizeof(told->open); i++)
        told->open[i] = (uint8_t)(more >> (8 * i));
}

static bool is_told_open(const struct told *told, uint64_t count)
{
    uint32_t more = told->open[0] | (uint32_t)told->open[1] << 8 | (uint32_t)told->open[2] << 16;

    return more == 0 || more == count + 1;
}

size_t offsets_encode(const struct offsets *offsets, char *text, size_t max_size)
{
    int64_t committed = offsets_committable(offsets);
    struct picture picture = draw(offsets, committed);
    size_t size = 0;

    cut_to_fit(&picture, max_size);
    if (picture.known > 0) {
        roaring_bitmap_t *bitmap = bitmap_of(&picture, picture.count);
        size_t bitmap_size = roaring_bitmap_portable_size_in_bytes(bitmap);
        AUTO_FREE char *bytes = xcalloc(1, sizeof(struct told) + bitmap_size);
        (void)roaring_bitmap_portable_serialize(bitmap, bytes + sizeof(struct told));
        roaring_bitmap_free(bitmap);
        struct told told = { .version = VERSION, .known = htole32(picture.known) };
        tell_open(&told, picture.count);
        told.checksum = htole64(checksum_of(committed, &told, (struct bytes){ bytes + sizeof(told), bitmap_size }));
        memcpy(bytes, &told, sizeof(told));
        memcpy(text, MAGIC, MAGIC_SIZE);
        base64_encode((struct bytes){ bytes, sizeof(told) + bitmap_size }, text + MAGIC_SIZE);
        size = text_size(bitmap_size);
        assert(size <= max_size);
    }
    free(picture.open);
    return size;
}

struct checking {
    roaring_bitmap_t *bitmap;
    int64_t before;
    uint32_t known;
    uint32_t count;
};

static bool check_offset(uint32_t offset, void *argument)
{
    struct checking *checking = argument;

    if (offset <= checking->before || offset >= checking->known || ++checking->count > OPEN_MAX)
        return false;
    roaring_bitmap_add(checking->bitmap, offset);
    checking->before = offset;
    return true;
}

/* A bitmap made anew of one that a stranger may have written: CRoaring reads no byte too many of it, but
 * promises neither its order nor that its containers hold anything, on which iterators rely and
 * roaring_iterate() does not. NULL: it names an offset twice, out of order, or not below `known`. */
static roaring_bitmap_t *bitmap_checked(const roaring_bitmap_t *strange, uint32_t known)
{
    struct checking checking = { .bitmap = roaring_bitmap_create(), .before = -1, .known = known };

    assert(checking.bitmap != NULL);
    if (roaring_iterate(strange, check_offset, &checking))
        return checking.bitmap;
    roaring_bitmap_free(checking.bitmap);
    return NULL;
}

static int read_told(int64_t committed, struct bytes data, int64_t end, struct restored *ret_restored, struct error *ret_error)
{
    struct told told;

    if (data.size < sizeof(told))
        return error_set(ret_error, EBADMSG, "it is too short");
    memcpy(&told, data.data, sizeof(told));
    if (told.version != VERSION)
        return error_set(ret_error, EBADMSG, "it has version %u, not %d", told.version, VERSION);

    struct bytes bitmap = { (const char *)data.data + sizeof(told), data.size - sizeof(told) };
    uint32_t known = le32toh(told.known);
    if (checksum_of(committed, &told, bitmap) != le64toh(told.checksum))
        return error_set(ret_error, EBADMSG, "its checksum is wrong");
    if (known > end - committed)
        return error_set(ret_error, EBADMSG, "it reaches past the partition's end");

    roaring_bitmap_t *strange = roaring_bitmap_portable_deserialize_safe(bitmap.data, bitmap.size);
    if (strange == NULL)
        return error_set(ret_error, EBADMSG, "it holds no bitmap");
    roaring_bitmap_t *open = bitmap_checked(strange, known);
    roaring_bitmap_free(strange);
    if (open == NULL)
        return error_set(ret_error, EBADMSG, "its bitmap is damaged");
    uint64_t count = roaring_bitmap_get_cardinality(open);
    if (!is_told_open(&told, count)) {
        roaring_bitmap_free(open);
        return error_set(ret_error, EBADMSG, "its bitmap names %" PRIu64 " offsets, not as many as were written", count);
    }
    *ret_restored = (struct restored){ .base = committed, .known = known, .open = open };
    return 0;
}

int offsets_decode(struct offsets *offsets, struct bytes text, int64_t end, struct error *ret_error)
{
    size_t size;

    assert(offsets->count == 0 && offsets->restored.open == NULL && offsets->next >= 0);
    if (text.size < MAGIC_SIZE || memcmp(text.data, MAGIC, MAGIC_SIZE) != 0)
        return error_set(ret_error, EBADMSG, "it is not stepd's");
    struct bytes digits = { (const char *)text.data + MAGIC_SIZE, text.size - MAGIC_SIZE };
    if (!base64_is_valid(digits, &size))
        return error_set(ret_error, EBADMSG, "it is not base64");
    AUTO_FREE unsigned char *data = xmalloc(size + 1);
    base64_decode(digits, data);
    return read_told(offsets->next, (struct bytes){ data, size }, end, &offsets->restored, ret_error);
}
