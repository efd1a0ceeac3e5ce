/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/yajl_run.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/utf8.h"

#define ARENA_SIZE 1024 /* yajl's handle, lexer and stack take some 400 bytes */
#define HEAD_SIZE 16    /* before each piece: its size */

/* Three mallocs a parse cost as much as the parse of a small event, so the first kilobyte comes from
 * the stack and is never given back. */
struct arena {
    _Alignas(HEAD_SIZE) char memory[ARENA_SIZE];
    size_t used;
};

static bool is_in(const struct arena *arena, const void *piece)
{
    return (uintptr_t)piece - (uintptr_t)arena->memory < ARENA_SIZE;
}

static void *arena_malloc(void *context, size_t size)
{
    struct arena *arena = context;
    size_t whole = HEAD_SIZE + (size + HEAD_SIZE - 1) / HEAD_SIZE * HEAD_SIZE;

    if (whole > ARENA_SIZE - arena->used)
        return xmalloc(size);
    char *piece = arena->memory + arena->used;
    memcpy(piece, &size, sizeof(size));
    arena->used += whole;
    return piece + HEAD_SIZE;
}

static void *arena_realloc(void *context, void *piece, size_t size)
{
    size_t old;

    if (piece == NULL)
        return arena_malloc(context, size);
    if (!is_in(context, piece))
        return xrealloc(piece, size);
    memcpy(&old, (char *)piece - HEAD_SIZE, sizeof(old));
    void *grown = arena_malloc(context, size);
    memcpy(grown, piece, old < size ? old : size);
    return grown;
}

static void arena_free(void *context, void *piece)
{
    if (piece != NULL && !is_in(context, piece))
        free(piece);
}

bool json_open(struct json_depth *depth)
{
    depth->is_too_deep = depth->depth == DATA_MAX_DEPTH;
    depth->depth++;
    return !depth->is_too_deep;
}

static int explain(yajl_handle handle, const struct json_depth *depth, struct error *ret_error)
{
    if (depth->is_too_deep)
        return error_set(ret_error, EBADMSG, "nested deeper than %d levels", DATA_MAX_DEPTH);
    if (depth->is_out_of_range)
        return error_set(ret_error, EBADMSG, "a number too large for a double at byte %zu", yajl_get_bytes_consumed(handle));
    unsigned char *reason = yajl_get_error(handle, 0, NULL, 0);
    int length = (int)strcspn((const char *)reason, "\n");
    int result =
        error_set(ret_error, EBADMSG, "not valid JSON: %.*s at byte %zu", length, (const char *)reason, yajl_get_bytes_consumed(handle));
    yajl_free_error(handle, reason);
    return result;
}

int yajl_run(struct bytes text, const yajl_callbacks *callbacks, void *context, const struct json_depth *depth, yajl_begin_fn begin,
             struct error *ret_error)
{
    struct arena arena;
    yajl_alloc_funcs memory = { .malloc = arena_malloc, .realloc = arena_realloc, .free = arena_free, .ctx = &arena };
    int result = 0;

    arena.used = 0;
    if (!utf8_is_valid(text.data, text.size))
        return error_set(ret_error, EBADMSG, "not valid UTF-8");
    yajl_handle handle = yajl_alloc(callbacks, &memory, context);
    (void)yajl_config(handle, yajl_dont_validate_strings, 1); /* yajl's own check lets surrogates and overlong forms pass */
    if (begin != NULL)
        begin(context, handle);
    if (yajl_parse(handle, text.data, text.size) != yajl_status_ok || yajl_complete_parse(handle) != yajl_status_ok)
        result = explain(handle, depth, ret_error);
    yajl_free(handle);
    return result;
}
