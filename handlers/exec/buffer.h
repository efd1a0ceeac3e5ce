/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that are added at the end and dropped at the front. Zeroed: empty. */
#ifndef HANDLERS_EXEC_BUFFER_H
#define HANDLERS_EXEC_BUFFER_H

#include <stddef.h>

struct buffer {
    char *bytes;
    size_t size, room;
};

/* Out of memory ends the process: the run is attempted again by the next. */
void buffer_add(struct buffer *buffer, const void *bytes, size_t size);
void buffer_drop(struct buffer *buffer, size_t size);
void buffer_done(struct buffer *buffer);

#endif
