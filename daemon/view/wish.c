/* SPDX-License-Identifier: Apache-2.0 */
#include "view/wish.h"

#include <assert.h>
#include <msgpack.h>
#include <stdlib.h>

#include "base/memory.h"
#include "codec/packed.h"

/* The caller frees. NULL: it has none. */
static char *text_in(const msgpack_object *map, const char *name)
{
    const msgpack_object *text = packed_find(map, name);

    return text != NULL && text->type == MSGPACK_OBJECT_STR ? xasprintf("%.*s", (int)text->via.str.size, text->via.str.ptr) : NULL;
}

bool wish_read(const struct checkpoint *waiting, struct wish *ret_wish)
{
    msgpack_object map = { .type = MSGPACK_OBJECT_NIL };
    msgpack_zone zone;

    assert(waiting->kind == CHECKPOINT_WAITING);
    if (!msgpack_zone_init(&zone, 512))
        abort();
    if (waiting->value.size > 0)
        packed_build(waiting->value, &zone, &map);
    *ret_wish = (struct wish){ 0 };
    if (map.type == MSGPACK_OBJECT_MAP)
        *ret_wish = (struct wish){ .event = text_in(&map, "event"), .when = text_in(&map, "when") };
    msgpack_zone_destroy(&zone);
    if (ret_wish->event != NULL)
        return true;
    wish_done(ret_wish);
    return false;
}

void wish_done(struct wish *wish)
{
    free(wish->event);
    free(wish->when);
}
