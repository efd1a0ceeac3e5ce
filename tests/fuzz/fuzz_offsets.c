/* SPDX-License-Identifier: Apache-2.0 */
/* Commit metadata that anybody may have written: read or refused with a reason. Half of the inputs are
 * given a right head and checksum, or no mutation would ever reach the bitmap. */
#include "fuzz.h"

#include <endian.h>
#include <xxhash.h>

#include "codec/base64.h"
#include "intake/offsets.h"

#define COMMITTED 1000
#define METADATA_MAX 4096

/* As intake/offsets.c writes it around a bitmap. */
static struct bytes disguise(const uint8_t *data, size_t size, char *text)
{
    unsigned char *told = malloc(16 + size);
    uint32_t known = 0;
    int64_t committed = COMMITTED;

    require(told != NULL);
    memset(told, 0, 16);
    told[0] = 1;
    if (size >= 2) {
        known = (uint32_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
    }
    known = htole32(known);
    memcpy(told + 4, &known, 4);
    uint64_t sum = XXH3_64bits_withSeed(data, size, (uint64_t)committed);
    sum = htole64(XXH3_64bits_withSeed(told, 8, sum));
    memcpy(told + 8, &sum, 8);
    memcpy(told + 16, data, size);
    memcpy(text, "stepd:", 6);
    base64_encode((struct bytes){ told, 16 + size }, text + 6);
    free(told);
    return (struct bytes){ text, 6 + BASE64_SIZE(16 + size) };
}

/* What was told is told again alike. */
static void check_again(struct offsets *offsets)
{
    static char text[METADATA_MAX * 4];
    struct error error;

    (void)offsets_start(offsets, COMMITTED);
    size_t size = offsets_encode(offsets, text, sizeof(text));
    if (size == 0)
        return;
    struct offsets *again = offsets_create(offsets_committable(offsets));
    require(offsets_decode(again, (struct bytes){ text, size }, INT64_MAX, &error) == 0);
    for (int64_t offset = COMMITTED + 1; offset < COMMITTED + 300; offset++) {
        if (offset >= offsets_committable(offsets))
            require(offsets_start(again, offset) == offsets_start(offsets, offset));
    }
    offsets_destroy(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[METADATA_MAX * 2];
    struct offsets *offsets = offsets_create(COMMITTED);
    struct error error = { 0 };

    if (size == 0 || size > METADATA_MAX) {
        offsets_destroy(offsets);
        return 0;
    }
    struct bytes metadata = { data + 1, size - 1 };
    if (data[0] & 1)
        metadata = disguise(data + 1, size - 1, text);
    void *exact = exact_copy(metadata.data, metadata.size);
    if (offsets_decode(offsets, (struct bytes){ exact, metadata.size }, COMMITTED + 60000, &error) == 0)
        check_again(offsets);
    else
        require(error.text[0] != '\0');
    free(exact);
    offsets_destroy(offsets);
    return 0;
}
