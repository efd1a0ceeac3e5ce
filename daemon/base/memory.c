/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <assert.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWN_PIECE_MOST ((size_t)1024)

static void *memory_require(void *memory)
{
    if (memory == NULL) {
        (void)fputs("stepd: out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *xmalloc(size_t size)
{
    return memory_require(malloc(size > 0 ? size : 1));
}

/* malloc() gives a thread small pieces that it gave back itself, without a lock; calloc() does not. */
void *xcalloc(size_t count, size_t size)
{
    if (count <= OWN_PIECE_MOST && size <= OWN_PIECE_MOST && count * size <= OWN_PIECE_MOST) {
        size_t whole = count * size > 0 ? count * size : 1;
        return memset(memory_require(malloc(whole)), 0, whole);
    }
    return memory_require(calloc(count > 0 ? count : 1, size > 0 ? size : 1));
}

void *xcalloc_aligned(size_t alignment, size_t size)
{
    size_t whole = (size + alignment - 1) / alignment * alignment; /* aligned_alloc() wants a multiple */

    assert((alignment & (alignment - 1)) == 0);
    return memset(memory_require(aligned_alloc(alignment, whole)), 0, whole);
}

void *xrealloc(void *memory, size_t size)
{
    return memory_require(realloc(memory, size > 0 ? size : 1));
}

char *xstrdup(const char *text)
{
    return memory_require(strdup(text));
}

char *xstrdup_or_null(const char *text)
{
    return text != NULL ? xstrdup(text) : NULL;
}

char *xstrndup(const char *text, size_t size)
{
    return memory_require(strndup(text, size));
}

void *xmemdup(const void *memory, size_t size)
{
    void *copy = xmalloc(size);

    if (size > 0)
        memcpy(copy, memory, size);
    return copy;
}

char *xvasprintf(const char *format, va_list arguments)
{
    char *text = NULL;

    return memory_require(vasprintf(&text, format, arguments) >= 0 ? text : NULL);
}

char *xasprintf(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    char *text = xvasprintf(format, arguments);
    va_end(arguments);
    return text;
}

void memory_free_at(void *pointer_to_pointer)
{
    free(*(void **)pointer_to_pointer);
}

void memory_give_back(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}
