/* SPDX-License-Identifier: Apache-2.0 */
#include "run/branches.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "run/failure.h"

#define BRANCH_FIELDS 3

void branches_load(struct branches *branches, struct bytes packed)
{
    struct fields list = fields_open(packed);

    *branches = (struct branches){ 0 };
    while (!list.is_damaged && list.count > 0) {
        struct fields fields = fields_open(fields_take(&list, 1));
        struct branch branch = { 0 };
        failure_copy_text(branch.name, sizeof(branch.name), fields_take_text(&fields));
        branch.attempt = (int)fields_take_integer(&fields, 0, INT_MAX);
        branch.due_ms = fields_take_integer(&fields, 0, INT64_MAX);
        branch.is_outside = fields.count > 0 && fields_take_integer(&fields, 0, 1) == 1;
        if (!fields.is_damaged)
            *branches_add(branches, branch.name) = branch;
    }
}

void branches_done(struct branches *branches)
{
    free(branches->items);
    *branches = (struct branches){ 0 };
}

void branches_pack(const struct branches *branches, msgpack_sbuffer *buffer)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, branches->count);
    for (size_t i = 0; i < branches->count; i++) {
        const struct branch *branch = &branches->items[i];
        msgpack_pack_array(&packer, BRANCH_FIELDS + branch->is_outside);
        failure_pack_text(&packer, branch->name);
        msgpack_pack_int(&packer, branch->attempt);
        msgpack_pack_int64(&packer, branch->due_ms);
        if (branch->is_outside)
            msgpack_pack_int(&packer, 1);
    }
}

void branches_keep(const struct branches *branches, struct stepd_ctx *ctx)
{
    msgpack_sbuffer packed;

    ctx->branches = (struct bytes){ 0 };
    if (branches->count == 0)
        return;
    msgpack_sbuffer_init(&packed);
    branches_pack(branches, &packed);
    ctx->branches = (struct bytes){ context_strdup(ctx, packed.data, packed.size), packed.size };
    msgpack_sbuffer_destroy(&packed);
}

struct branch *branches_find(const struct branches *branches, const char *name)
{
    for (size_t i = 0; i < branches->count; i++) {
        if (strcmp(branches->items[i].name, name) == 0)
            return &branches->items[i];
    }
    return NULL;
}

struct branch *branches_add(struct branches *branches, const char *name)
{
    struct branch *branch = branches_find(branches, name);

    assert(strlen(name) < STEP_ID_SIZE);
    if (branch != NULL)
        return branch;
    branches->items = xrealloc(branches->items, (branches->count + 1) * sizeof(*branches->items));
    branch = &branches->items[branches->count++];
    *branch = (struct branch){ 0 };
    memcpy(branch->name, name, strnlen(name, STEP_ID_SIZE - 1));
    return branch;
}

void branches_remove(struct branches *branches, const char *name)
{
    struct branch *branch = branches_find(branches, name);

    if (branch == NULL)
        return;
    assert(branch >= branches->items && branch < branches->items + branches->count);
    size_t behind = (size_t)(branches->items + branches->count - branch) - 1;
    memmove(branch, branch + 1, behind * sizeof(*branch));
    branches->count--;
}
