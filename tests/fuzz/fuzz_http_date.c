/* SPDX-License-Identifier: Apache-2.0 */
/* Retry-After and RFC 3339 times out of any bytes: refused, or a time within sane bounds. */
#include "fuzz.h"

#include "codec/http_date.h"

#define NOW_MS INT64_C(1700000000000)
#define FARTHEST_MS (INT64_C(10001) * 366 * 86400 * 1000)

static void check(int result, int64_t ms)
{
    require(result != 0 || (ms <= FARTHEST_MS && ms >= -FARTHEST_MS));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t ms = 0;
    char *text = text_copy(data, size);
    void *exact = exact_copy(data, size);

    check(http_retry_after(text, NOW_MS, &ms), ms);
    check(rfc3339_parse((struct bytes){ exact, size }, &ms), ms);
    check(http_date_parse((struct bytes){ exact, size }, NOW_MS, &ms), ms);
    free(exact);
    free(text);
    return 0;
}
