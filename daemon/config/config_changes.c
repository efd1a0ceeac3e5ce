/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_changes.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

/* One way down from the root: a key and the keys above it. */
struct path {
    const struct path *above; /* NULL: of the top level */
    const char *name;
};

struct changes {
    enum change_kind kind;
    char *text;
};

/* The setting is there, with something behind it. */
static const struct setting *given(const struct setting *map, const char *name)
{
    const struct setting *setting = setting_find(map, name);

    return setting != NULL && setting->kind != SETTING_NULL ? setting : NULL;
}

static bool is_same(const struct setting *one, const struct setting *other)
{
    if (one == NULL || other == NULL || one->kind != other->kind)
        return one == other;
    if (one->kind == SETTING_SCALAR)
        return strcmp(one->text, other->text) == 0;
    if (one->count != other->count)
        return false;
    for (size_t i = 0; i < one->count; i++) {
        const struct setting *match = one->kind == SETTING_MAP ? setting_find(other, one->items[i].name) : &other->items[i];
        if (!is_same(&one->items[i], match))
            return false;
    }
    return true;
}

/* ---- which kind ------------------------------------------------------------------------------- */

/* What starts a function, which code, in which order: the routes are built on it. */
static bool is_fixed_in_function(const char *name)
{
    static const char *const fixed[] = { "use", "event", "events", "topic", "cron", "enabled", "ordering" };

    for (size_t i = 0; i < COUNT_OF(fixed); i++) {
        if (strcmp(name, fixed[i]) == 0)
            return true;
    }
    return false;
}

static enum change_kind kind_of(const struct path *path)
{
    const struct path *up = path->above;

    if (up == NULL)
        return strcmp(path->name, "dedupe") == 0 ? CHANGE_AT_ONCE : CHANGE_AT_RESTART;
    if (up->above == NULL && (strcmp(up->name, "retry") == 0 || strcmp(up->name, "programs") == 0))
        return CHANGE_AT_ONCE;
    if (up->above == NULL && strcmp(up->name, "log") == 0)
        return strcmp(path->name, "level") == 0 ? CHANGE_AT_ONCE : CHANGE_AT_RESTART;
    if (up->above != NULL && up->above->above == NULL && strcmp(up->above->name, "functions") == 0)
        return is_fixed_in_function(path->name) ? CHANGE_AT_RESTART : CHANGE_AT_ONCE;
    return CHANGE_AT_RESTART;
}

/* ---- the walk --------------------------------------------------------------------------------- */

static char *path_text(const struct path *path)
{
    if (path->above == NULL)
        return xstrdup(path->name);
    AUTO_FREE char *above = path_text(path->above);
    return xasprintf("%s.%s", above, path->name);
}

static void changes_add(struct changes *changes, const struct path *path, enum change_kind kind)
{
    if (kind != changes->kind)
        return;
    AUTO_FREE char *name = path_text(path);
    AUTO_FREE char *before = changes->text;
    changes->text = before != NULL ? xasprintf("%s, %s", before, name) : xstrdup(name);
}

/* A function that begins, ends or becomes another: whatever else changed of it goes with that. */
static bool is_other_function(const struct setting *before, const struct setting *after)
{
    return !is_same(given(before, "use"), given(after, "use")) || !is_same(given(before, "enabled"), given(after, "enabled"));
}

static void walk(struct changes *changes, const struct path *above, const struct setting *before, const struct setting *after);

static bool is_map_or_none(const struct setting *setting)
{
    return setting == NULL || setting->kind == SETTING_MAP;
}

static void compare(struct changes *changes, const struct path *path, const struct setting *before, const struct setting *after)
{
    bool is_section = path->above == NULL;
    bool is_function = !is_section && path->above->above == NULL && strcmp(path->above->name, "functions") == 0;

    if (is_same(before, after))
        return;
    if (is_function && is_other_function(before, after))
        changes_add(changes, path, CHANGE_AT_RESTART);
    else if ((is_section || is_function) && is_map_or_none(before) && is_map_or_none(after))
        walk(changes, path, before, after);
    else
        changes_add(changes, path, kind_of(path));
}

/* Either may be NULL. */
static void walk(struct changes *changes, const struct path *above, const struct setting *before, const struct setting *after)
{
    for (size_t i = 0; before != NULL && i < before->count; i++) {
        const struct path path = { above, before->items[i].name };
        compare(changes, &path, given(before, path.name), given(after, path.name));
    }
    for (size_t i = 0; after != NULL && i < after->count; i++) {
        const struct path path = { above, after->items[i].name };
        if (setting_find(before, path.name) == NULL)
            compare(changes, &path, NULL, given(after, path.name));
    }
}

char *config_changes(const struct config *before, const struct config *after, enum change_kind kind)
{
    struct changes changes = { .kind = kind };

    walk(&changes, NULL, &before->root, &after->root);
    return changes.text;
}
