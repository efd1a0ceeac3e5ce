/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/marks.h"

#include <assert.h>
#include <errno.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "run/failure.h"
#include "store/shelf.h"

/* ---- what is done ---------------------------------------------------------------------------------- */

static void remove_mark(struct marks *marks, size_t index)
{
    assert(index < marks->count);
    marks->all[index] = marks->all[--marks->count];
}

void marks_add(struct marks *marks, int32_t partition, int64_t first, int64_t end)
{
    struct mark added = { partition, first, end };

    if (first >= end)
        return;
    assert(partition >= 0 && first >= 0);
    for (size_t i = 0; i < marks->count;) {
        const struct mark *mark = &marks->all[i];
        if (mark->partition != partition || mark->first > added.end || mark->end < added.first) {
            i++;
            continue;
        }
        added.first = mark->first < added.first ? mark->first : added.first;
        added.end = mark->end > added.end ? mark->end : added.end;
        remove_mark(marks, i);
    }
    marks->all = xrealloc(marks->all, (marks->count + 1) * sizeof(*marks->all));
    marks->all[marks->count++] = added;
}

/* The mark that holds it; NULL: it is not done. */
static const struct mark *find(const struct marks *marks, int32_t partition, int64_t offset)
{
    for (size_t i = 0; i < marks->count; i++) {
        const struct mark *mark = &marks->all[i];
        if (mark->partition == partition && offset >= mark->first && offset < mark->end)
            return mark;
    }
    return NULL;
}

bool marks_have(const struct marks *marks, int32_t partition, int64_t offset)
{
    return find(marks, partition, offset) != NULL;
}

static void forget_log_before(struct marks *marks, const struct topic_span *span)
{
    bool is_new = false;

    for (size_t i = 0; i < marks->count; i++)
        is_new |= marks->all[i].partition == span->partition && marks->all[i].end > span->log_end;
    for (size_t i = 0; is_new && i < marks->count;) {
        if (marks->all[i].partition == span->partition)
            remove_mark(marks, i);
        else
            i++;
    }
}

void marks_skip(struct marks *marks, struct topic_span *spans, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct topic_span *span = &spans[i];
        forget_log_before(marks, span);
        const struct mark *mark = find(marks, span->partition, span->first);
        if (mark != NULL)
            span->first = mark->end < span->end ? mark->end : span->end;
    }
}

/* ---- in the store: [what, [partition, first, end]…] ------------------------------------------------ */

static void pack(const struct marks *marks, msgpack_sbuffer *buffer)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 1 + marks->count);
    failure_pack_text(&packer, marks->what);
    for (size_t i = 0; i < marks->count; i++) {
        msgpack_pack_array(&packer, 3);
        msgpack_pack_int32(&packer, marks->all[i].partition);
        msgpack_pack_int64(&packer, marks->all[i].first);
        msgpack_pack_int64(&packer, marks->all[i].end);
    }
}

static int unpack(struct bytes thing, struct marks *marks, struct error *ret_error)
{
    struct fields fields = fields_open(thing);
    struct bytes what = fields_take_text(&fields);

    if (fields.is_damaged || what.size != strlen(marks->what) || memcmp(what.data, marks->what, what.size) != 0)
        return error_set(ret_error, EINVAL, "%.*s", (int)(what.data != NULL ? what.size : 0),
                         what.data != NULL ? (const char *)what.data : "");
    while (fields.count > 0 && !fields.is_damaged) {
        struct fields one = fields_open(fields_take(&fields, 2));
        int32_t partition = (int32_t)fields_take_integer(&one, 0, INT32_MAX);
        int64_t first = fields_take_integer(&one, 0, INT64_MAX);
        int64_t end = fields_take_integer(&one, 0, INT64_MAX);
        if (!one.is_damaged)
            marks_add(marks, partition, first, end);
    }
    return 0;
}

int marks_load(struct redis_store *store, const char *shelf, const char *name, const char *what, struct marks *ret_marks,
               struct error *ret_error)
{
    struct bytes thing;

    *ret_marks = (struct marks){ .shelf = xstrdup(shelf), .name = xstrdup(name), .what = xstrdup(what) };
    int status = shelf_find(store, shelf, name, &thing);
    if (status != 0)
        return error_set(ret_error, -status, "Redis: %s", strerror(-status));
    if (thing.data != NULL)
        status = unpack(thing, ret_marks, ret_error);
    free((void *)(uintptr_t)thing.data);
    return status;
}

int marks_save(struct redis_store *store, const struct marks *marks)
{
    msgpack_sbuffer buffer;

    assert(marks->shelf != NULL && marks->name != NULL); /* as marks_load() has them */
    msgpack_sbuffer_init(&buffer);
    pack(marks, &buffer);
    int status = shelf_save(store, marks->shelf, marks->name, (struct bytes){ buffer.data, buffer.size });
    msgpack_sbuffer_destroy(&buffer);
    return status;
}

void marks_done(struct marks *marks)
{
    free(marks->shelf);
    free(marks->name);
    free(marks->what);
    free(marks->all);
    *marks = (struct marks){ 0 };
}
