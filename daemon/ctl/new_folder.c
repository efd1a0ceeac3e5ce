/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/new_folder.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/memory.h"
#include "view/json_out.h"

#define NAME_MARK "@NAME@"
#define PACKAGE_MARK "@PACKAGE@"
#define NAME_MAX_SIZE 100

/* It becomes a function's id, a file's name, a CMake target, a package's name. */
static bool name_is_valid(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t size = strlen(name);

    return size > 0 && size <= NAME_MAX_SIZE && name[0] >= 'a' && name[0] <= 'z' && strspn(name, letters) == size;
}

enum ctl_exit new_folder_read(struct new_folder *folder, const struct ctl *ctl, const char *what)
{
    const char *path = ctl->words[1];

    if (path == NULL)
        return ctl_misused(ctl, "which name?");
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    if (!name_is_valid(name))
        return ctl_misused(ctl, "a %s's name begins with a letter from a to z, then letters, digits, - and _; '%s' does not do", what,
                           name);
    *folder = (struct new_folder){ .what = what, .path = path, .name = name };
    return CTL_OK;
}

/* The text that stands for the mark at `text`, whose size is told; NULL: none begins there. */
static const char *meant_at(const char *text, const struct new_folder *folder, size_t *ret_size)
{
    const struct {
        const char *mark, *meant;
    } marks[] = { { NAME_MARK, folder->name }, { PACKAGE_MARK, folder->package } };

    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        *ret_size = strlen(marks[i].mark);
        if (marks[i].meant != NULL && strncmp(text, marks[i].mark, *ret_size) == 0)
            return marks[i].meant;
    }
    return NULL;
}

static void write_filled(FILE *file, const char *text, const struct new_folder *folder)
{
    size_t size;

    for (const char *mark; (mark = strchr(text, '@')) != NULL; text = mark + size) {
        const char *meant = meant_at(mark, folder, &size);
        if (meant == NULL)
            size = 1;
        (void)fwrite(text, 1, (size_t)(mark - text), file);
        (void)fputs(meant != NULL ? meant : "@", file);
    }
    (void)fputs(text, file);
}

/* To be freed. */
static char *filled(const char *text, const struct new_folder *folder)
{
    char *whole = NULL;
    size_t size;
    FILE *out = open_memstream(&whole, &size);

    assert(out != NULL);
    write_filled(out, text, folder);
    (void)fclose(out);
    return whole;
}

static enum ctl_exit make_file(const struct new_folder *folder, const struct new_file *made)
{
    AUTO_FREE char *name = filled(made->name, folder);
    AUTO_FREE char *path = xasprintf("%s/%s", folder->path, name);
    FILE *file = fopen(path, "wxe");

    if (file == NULL)
        return ctl_fail(CTL_FAILED, "cannot write %s: %s", path, strerror(errno));
    write_filled(file, made->text, folder);
    if (fclose(file) != 0)
        return ctl_fail(CTL_FAILED, "cannot write %s: %s", path, strerror(errno));
    return CTL_OK;
}

enum ctl_exit new_folder_make(const struct new_folder *folder, const struct new_file *files, size_t count)
{
    enum ctl_exit status = CTL_OK;

    assert(count > 0 && folder->path != NULL);
    if (mkdir(folder->path, 0777) != 0)
        return ctl_fail(CTL_FAILED, "cannot make the folder %s: %s", folder->path, strerror(errno));
    for (size_t i = 0; i < count && status == CTL_OK; i++)
        status = make_file(folder, &files[i]);
    return status;
}

static void print_json(const struct new_folder *folder)
{
    struct json_out out;

    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_text(&out, folder->what, folder->name);
    json_out_text(&out, "folder", folder->path);
    json_out_close(&out, '{');
    json_out_print(&out);
}

void new_folder_tell(const struct new_folder *folder, const struct ctl *ctl, const char *hint)
{
    if (ctl->is_json)
        print_json(folder);
    else
        (void)printf("%s: %s; %s/README.md says how to go on\n", folder->path, hint, folder->path);
}
