/* SPDX-License-Identifier: Apache-2.0 */
/* Retry-After and RFC 3339 times out of any bytes: refused, or a time within sane bounds. */
#include <stdlib.h>
#include <string.h>

#include "core/http_date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_MS INT64_C(1700000000000)
#define FARTHEST_MS (INT64_C(10001) * 366 * 86400 * 1000)

static void check(int result, int64_t ms)
{
    if (result == 0 && (ms > FARTHEST_MS || ms < -FARTHEST_MS))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t ms = 0;
    char *text = malloc(size + 1);

    if (text == NULL)
        abort();
    memcpy(text, data, size);
    text[size] = 0;
    check(http_retry_after(text, NOW_MS, &ms), ms);
    char *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL)
        abort();
    memcpy(exact, data, size);
    check(rfc3339_parse((struct bytes){ exact, size }, &ms), ms);
    check(http_date_parse((struct bytes){ exact, size }, NOW_MS, &ms), ms);
    free(exact);
    free(text);
    return 0;
}
