/* SPDX-License-Identifier: Apache-2.0 */
#include "event/event_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "codec/json_items.h"

#define OWN_HEADERS 2 /* a part's content type, and its index */

static bool says_type(const struct event_header *header)
{
    return strcasecmp(header->name, "content-type") == 0 || strcasecmp(header->name, "contentType") == 0;
}

static size_t fill_headers(const struct event *message, const char *index, struct event_header *headers)
{
    static const char type[] = "application/cloudevents+json";
    size_t count = 0;

    for (size_t i = 0; i < message->header_count; i++) {
        if (!says_type(&message->headers[i]))
            headers[count++] = message->headers[i];
    }
    headers[count++] = (struct event_header){ "content-type", { type, sizeof(type) - 1 } };
    headers[count++] = (struct event_header){ EVENT_INDEX_HEADER, { index, strlen(index) } };
    return count;
}

static void fill(struct event_parts *parts, size_t index, const struct event *message, struct bytes value)
{
    const struct stepd_event *view = &message->view;
    struct event_header *headers = &parts->headers[index * (message->header_count + OWN_HEADERS)];

    (void)snprintf(parts->indexes[index], sizeof(parts->indexes[index]), "%zu", index);
    size_t count = fill_headers(message, parts->indexes[index], headers);
    event_init(&parts->events[index], view->topic, view->partition, view->offset, message->timestamp_ms,
               (struct bytes){ view->key, view->key_len }, value, headers, count);
    parts->events[index].part = (uint32_t)index + 1;
}

int event_parts_create(const struct event *message, struct bytes value, struct event_parts **ret_parts, struct error *ret_error)
{
    struct bytes *items = NULL;
    size_t count = 0;
    int result = json_items(value, &items, &count, ret_error);

    if (result < 0)
        return result;
    struct event_parts *parts = xcalloc(1, sizeof(*parts) + count * sizeof(parts->events[0]));
    parts->count = count;
    parts->headers = xcalloc(count * (message->header_count + OWN_HEADERS) + 1, sizeof(*parts->headers));
    parts->indexes = xcalloc(count + 1, sizeof(*parts->indexes));
    for (size_t i = 0; i < count; i++)
        fill(parts, i, message, items[i]);
    free(items);
    *ret_parts = parts;
    return 0;
}

void event_parts_destroy(struct event_parts *parts)
{
    if (parts == NULL)
        return;
    for (size_t i = 0; i < parts->count; i++)
        event_done(&parts->events[i]);
    free(parts->headers);
    free(parts->indexes);
    free(parts);
}
