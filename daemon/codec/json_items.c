/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json_items.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json_mend.h"
#include "codec/yajl_run.h"

#define FIRST_ITEMS 16

struct scan {
    struct json_depth depth;
    struct bytes text;    /* what is parsed */
    const char *original; /* the same, before it was mended */
    yajl_handle handle;
    bool is_array;
    size_t at; /* behind the value before */
    struct bytes *items;
    size_t count;
    size_t room;
};

/* yajl has read a value of the array up to where it stands; it began behind the one before, and a comma. */
static int take_item(struct scan *scan)
{
    const char *text = scan->text.data;
    size_t end = yajl_get_bytes_consumed(scan->handle);
    size_t start = scan->at;

    while (start < end && strchr(YAJL_BLANKS ",", text[start]) != NULL)
        start++;
    if (scan->count == scan->room) {
        scan->room = scan->room == 0 ? FIRST_ITEMS : 2 * scan->room;
        scan->items = xrealloc(scan->items, scan->room * sizeof(*scan->items));
    }
    scan->items[scan->count++] = (struct bytes){ scan->original + start, end - start };
    scan->at = end;
    return 1;
}

static int on_value(struct scan *scan)
{
    return scan->depth.depth == 1 && scan->is_array ? take_item(scan) : 1;
}

static int on_null(void *context)
{
    return on_value(context);
}

static int on_boolean(void *context, int value)
{
    (void)value;
    return on_value(context);
}

static int on_number(void *context, const char *text, size_t size)
{
    (void)text;
    (void)size;
    return on_value(context);
}

static int on_string(void *context, const unsigned char *text, size_t size)
{
    (void)text;
    (void)size;
    return on_value(context);
}

static int on_open_map(void *context)
{
    struct scan *scan = context;
    return json_open(&scan->depth);
}

static int on_open_array(void *context)
{
    struct scan *scan = context;

    if (scan->depth.depth == 0) {
        scan->is_array = true;
        scan->at = yajl_get_bytes_consumed(scan->handle);
    }
    return json_open(&scan->depth);
}

static int on_close(void *context)
{
    struct scan *scan = context;

    assert(scan->depth.depth > 0);
    scan->depth.depth--;
    return on_value(scan);
}

static void on_begin(void *context, yajl_handle handle)
{
    struct scan *scan = context;
    scan->handle = handle;
}

/* `original` is what `text` was before it was mended. */
static int find(struct bytes text, const char *original, struct scan *scan, struct error *ret_error)
{
    static const yajl_callbacks callbacks = {
        .yajl_null = on_null,
        .yajl_boolean = on_boolean,
        .yajl_number = on_number,
        .yajl_string = on_string,
        .yajl_start_map = on_open_map,
        .yajl_end_map = on_close,
        .yajl_start_array = on_open_array,
        .yajl_end_array = on_close,
    };

    *scan = (struct scan){ .text = text, .original = original };
    int result = yajl_run(text, &callbacks, scan, &scan->depth, on_begin, ret_error);
    if (result == 0 && !scan->is_array)
        result = error_set(ret_error, EBADMSG, "it is no JSON array");
    if (result < 0)
        free(scan->items);
    return result;
}

/* What JSON can't hold stands in the items as it was written: whoever reads them mends it there. */
int json_items(struct bytes text, struct bytes **ret_items, size_t *ret_count, struct error *ret_error)
{
    struct scan scan;

    int result = find(text, text.data, &scan, ret_error);
    if (result < 0) {
        AUTO_FREE char *copy = xmalloc(text.size + 1);
        if (!json_mend(text, copy))
            return result;
        result = find((struct bytes){ copy, text.size }, text.data, &scan, ret_error);
        if (result < 0)
            return result;
    }
    *ret_items = scan.items;
    *ret_count = scan.count;
    return 0;
}
