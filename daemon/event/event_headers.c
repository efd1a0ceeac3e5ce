/* SPDX-License-Identifier: Apache-2.0 */
/* What headers say of a message: its content type, and whether it is a CloudEvent. */
#include <assert.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "event/event_internal.h"

static_assert(sizeof(struct stepd_header) == sizeof(struct event_header), "a module reads the daemon's own headers");
static_assert(offsetof(struct stepd_header, value) == offsetof(struct event_header, value.data), "their values too");
static_assert(offsetof(struct stepd_header, size) == offsetof(struct event_header, value.size), "and their sizes");

bool event_header_find(const struct event *event, const char *name, struct bytes *ret_value)
{
    for (size_t i = event->header_count; i-- > 0;) {
        if (strcasecmp(event->headers[i].name, name) != 0)
            continue;
        *ret_value = event->headers[i].value;
        return true;
    }
    return false;
}

bool content_type_is(struct bytes content_type, const char *type)
{
    const char *text = content_type.data;
    const char *end = text == NULL ? NULL : memchr(text, ';', content_type.size);
    size_t size = end == NULL ? content_type.size : (size_t)(end - text);
    size_t wanted = strlen(type);

    while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
        size--;
    if (type[0] == '+' ? size < wanted : size != wanted)
        return false;
    return strncasecmp(text + size - wanted, type, wanted) == 0;
}

bool content_type_is_json(struct bytes content_type)
{
    return content_type_is(content_type, "application/json") || content_type_is(content_type, "text/json") ||
           content_type_is(content_type, "+json");
}

bool content_type_is_msgpack(struct bytes content_type)
{
    return content_type_is(content_type, "application/msgpack") || content_type_is(content_type, "application/x-msgpack") ||
           content_type_is(content_type, "application/vnd.msgpack") || content_type_is(content_type, "+msgpack");
}

bool content_type_is_text(struct bytes content_type)
{
    bool is_text = content_type.size >= 5 && strncasecmp(content_type.data, "text/", 5) == 0;

    return (is_text && !content_type_is_json(content_type)) || content_type_is(content_type, "application/xml") ||
           content_type_is(content_type, "+xml");
}

/* Some write header values as JSON: `"application/json"`, with the quotes. */
static struct bytes without_quotes(struct bytes text)
{
    const char *at = text.data;

    if (text.size < 2 || at[0] != '"' || at[text.size - 1] != '"')
        return text;
    return (struct bytes){ at + 1, text.size - 2 };
}

static bool is_named(const struct event_header *header, const char *name)
{
    return strcasecmp(header->name, name) == 0;
}

/* One look at each header; the last of a name counts. Most headers are none of these, by their first letter. */
struct event_marks event_marks_of(const struct event *event)
{
    struct bytes content_type = { 0 }, spring_type = { 0 }, type = { 0 }, version = { 0 }, dash_type = { 0 }, dash_version = { 0 };

    for (size_t i = 0; i < event->header_count; i++) {
        const struct event_header *header = &event->headers[i];
        if ((header->name[0] | 0x20) != 'c')
            continue;
        if (is_named(header, "content-type"))
            content_type = header->value;
        else if (is_named(header, "contentType"))
            spring_type = header->value;
        else if (is_named(header, "ce_type"))
            type = header->value;
        else if (is_named(header, "ce_specversion"))
            version = header->value;
        else if (is_named(header, "ce-type"))
            dash_type = header->value;
        else if (is_named(header, "ce-specversion"))
            dash_version = header->value;
    }
    bool has_dashes = type.size == 0 && version.size == 0 && dash_version.size > 0 && dash_type.size > 0;
    return (struct event_marks){
        .content_type = without_quotes(content_type.size > 0 ? content_type : spring_type),
        .cloud_prefix = type.size > 0 ? "ce_"
                        : has_dashes  ? "ce-"
                                      : NULL,
    };
}
