/* SPDX-License-Identifier: Apache-2.0 */
#include "event/event_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "codec/json_items.h"
#include "codec/members_scan.h"

#define OWN_HEADERS 2 /* a part's content type, and its index */

static bool says_type(const struct event_header *header)
{
    return strcasecmp(header->name, "content-type") == 0 || strcasecmp(header->name, "contentType") == 0;
}

/* The message's but for its content type, and those of a part; the last is its index. */
static size_t make_headers(const struct event *message, struct event_header *headers)
{
    static const char type[] = "application/cloudevents+json";
    size_t count = 0;

    for (size_t i = 0; i < message->header_count; i++) {
        if (!says_type(&message->headers[i]))
            headers[count++] = message->headers[i];
    }
    headers[count++] = (struct event_header){ "content-type", { type, sizeof(type) - 1 } };
    headers[count++] = (struct event_header){ EVENT_INDEX_HEADER, { NULL, 0 } };
    assert(count <= message->header_count + OWN_HEADERS);
    return count;
}

static void fill(struct event_parts *parts, size_t index, const struct event *message, struct event_header *headers, size_t header_count,
                 struct bytes value)
{
    const struct stepd_event *view = &message->view;
    char *digits = parts->indexes[index];

    assert(header_count >= OWN_HEADERS && index < parts->count);
    headers[header_count - 1].value = (struct bytes){ digits, (size_t)(event_write_decimal(digits, (int64_t)index) - digits) };
    event_init(&parts->events[index], view->topic, view->partition, view->offset, message->timestamp_ms,
               (struct bytes){ view->key, view->key_len }, value, headers, header_count);
    parts->events[index].part = (uint32_t)index + 1;
}

static struct event_parts *make_parts(const struct event *message, const struct bytes *texts, size_t count)
{
    struct event_parts *parts = xcalloc(1, sizeof(*parts) + count * sizeof(parts->events[0]));
    struct event_header *headers = xcalloc((count + 1) * (message->header_count + OWN_HEADERS), sizeof(*headers));

    parts->count = count;
    parts->headers = headers;
    parts->indexes = xcalloc(count + 1, sizeof(*parts->indexes));
    size_t header_count = make_headers(message, headers);
    for (size_t i = 0; i < count; i++, headers += header_count) {
        memcpy(headers + header_count, headers, header_count * sizeof(*headers)); /* the next one's */
        fill(parts, i, message, headers, header_count, texts[i]);
    }
    return parts;
}

/* Their names are found in the pass that finds them. False: that pass can't say what the value is. */
static bool create_named(const struct event *message, struct bytes value, struct event_parts **ret_parts)
{
    struct bytes *texts = NULL;
    struct member *members = NULL;
    size_t count = 0;

    if (!members_scan_maps(value, event_cloud_members, &texts, &members, &count))
        return false;
    *ret_parts = make_parts(message, texts, count);
    for (size_t i = 0; i < count; i++)
        event_find_name_in(&(*ret_parts)->events[i], &members[i * CLOUD_MEMBERS]);
    free(texts);
    free(members);
    return true;
}

int event_parts_create(const struct event *message, struct bytes value, struct event_parts **ret_parts, struct error *ret_error)
{
    struct bytes *items = NULL;
    size_t count = 0;

    if (create_named(message, value, ret_parts))
        return 0;
    int result = json_items(value, &items, &count, ret_error);
    if (result < 0)
        return result;
    *ret_parts = make_parts(message, items, count);
    free(items);
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
