/* SPDX-License-Identifier: Apache-2.0 */
#include "buffer.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 4096

static void reserve(struct buffer *buffer, size_t size)
{
    size_t room = buffer->room > 0 ? buffer->room : FIRST_ROOM;

    if (size <= buffer->room)
        return;
    while (room < size)
        room *= 2;
    buffer->bytes = realloc(buffer->bytes, room);
    if (buffer->bytes == NULL)
        abort();
    buffer->room = room;
}

void buffer_add(struct buffer *buffer, const void *bytes, size_t size)
{
    if (size == 0)
        return;
    reserve(buffer, buffer->size + size);
    memcpy(buffer->bytes + buffer->size, bytes, size);
    buffer->size += size;
}

void buffer_drop(struct buffer *buffer, size_t size)
{
    if (size == 0)
        return;
    buffer->size -= size;
    memmove(buffer->bytes, buffer->bytes + size, buffer->size);
}

void buffer_done(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){ .size = 0 };
}
