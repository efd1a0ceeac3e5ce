/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation that never fails: out of memory ends the process (at-least-once makes that safe). */
#ifndef STEPD_BASE_MEMORY_H
#define STEPD_BASE_MEMORY_H

#include <stdarg.h>
#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, arguments_at) __attribute__((format(printf, format_at, arguments_at)))

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
/* Zeros, aligned to a power of two: for structures with an _Alignas, which malloc() knows nothing of. free() frees it. */
void *xcalloc_aligned(size_t alignment, size_t size) __attribute__((malloc, returns_nonnull, alloc_align(1), alloc_size(2)));
void *xrealloc(void *memory, size_t size) __attribute__((returns_nonnull)) MUST_CHECK;
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull));
/* NULL stays NULL. */
char *xstrdup_or_null(const char *text);
char *xstrndup(const char *text, size_t size) __attribute__((malloc, returns_nonnull));
void *xmemdup(const void *memory, size_t size) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *format, ...) PRINTF_LIKE(1, 2) __attribute__((malloc, returns_nonnull));
char *xvasprintf(const char *format, va_list arguments) PRINTF_LIKE(1, 0) __attribute__((malloc, returns_nonnull));

/* Gives back to the system what is free, of all threads; some milliseconds. */
void memory_give_back(void);

void memory_free_at(void *pointer_to_pointer);
/* Frees what the variable points to at the end of its scope: AUTO_FREE char *text = …; */
#define AUTO_FREE __attribute__((cleanup(memory_free_at)))

#endif
