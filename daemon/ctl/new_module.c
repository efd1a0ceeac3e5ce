/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "ctl/command.h"
#include "new_module.h"
#include "view/json_out.h"

#define MARK "@NAME@"
#define NAME_MAX_SIZE 100

/* Names of files may hold the mark too. */
static const struct {
    const char *name, *text;
} FILES[] = {
    { MARK ".c", new_module_module },
    { "test_" MARK ".c", new_module_test },
    { "CMakeLists.txt", new_module_CMakeLists },
    { "README.md", new_module_README },
};
#define FILE_COUNT COUNT_OF(FILES)

/* It becomes a function's id, a file's name and a CMake target. */
static bool name_is_valid(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t size = strlen(name);

    return size > 0 && size <= NAME_MAX_SIZE && name[0] >= 'a' && name[0] <= 'z' && strspn(name, letters) == size;
}

static void write_filled(FILE *file, const char *text, const char *name)
{
    for (const char *mark; (mark = strstr(text, MARK)) != NULL; text = mark + strlen(MARK)) {
        (void)fwrite(text, 1, (size_t)(mark - text), file);
        (void)fputs(name, file);
    }
    (void)fputs(text, file);
}

static char *filled(const char *text, const char *name)
{
    const char *mark = strstr(text, MARK);

    if (mark == NULL)
        return xstrdup(text);
    return xasprintf("%.*s%s%s", (int)(mark - text), text, name, mark + strlen(MARK));
}

static enum ctl_exit make_file(const char *folder, size_t at, const char *name)
{
    AUTO_FREE char *file_name = filled(FILES[at].name, name);
    AUTO_FREE char *path = xasprintf("%s/%s", folder, file_name);
    FILE *file = fopen(path, "wxe");

    if (file == NULL)
        return ctl_fail(CTL_FAILED, "cannot write %s: %s", path, strerror(errno));
    write_filled(file, FILES[at].text, name);
    if (fclose(file) != 0)
        return ctl_fail(CTL_FAILED, "cannot write %s: %s", path, strerror(errno));
    return CTL_OK;
}

static void print_json(const char *folder, const char *name)
{
    struct json_out out;

    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_text(&out, "module", name);
    json_out_text(&out, "folder", folder);
    json_out_close(&out, '{');
    json_out_flush(&out);
    (void)putchar('\n');
    json_out_done(&out);
}

static enum ctl_exit run(struct ctl *ctl)
{
    const char *folder = ctl->words[1];
    enum ctl_exit status = CTL_OK;

    if (folder == NULL)
        return ctl_misused(ctl, "what is it called?");
    const char *slash = strrchr(folder, '/');
    const char *name = slash != NULL ? slash + 1 : folder;
    if (!name_is_valid(name))
        return ctl_misused(ctl, "a module's name begins with a letter from a to z, then letters, digits, - and _; '%s' does not do", name);
    if (mkdir(folder, 0777) != 0)
        return ctl_fail(CTL_FAILED, "cannot make the folder %s: %s", folder, strerror(errno));
    for (size_t i = 0; i < FILE_COUNT && status == CTL_OK; i++)
        status = make_file(folder, i, name);
    if (status == CTL_OK && ctl->is_json)
        print_json(folder, name);
    else if (status == CTL_OK)
        (void)printf("%s: a module, its test, and how to build them; %s/README.md says how to go on\n", folder, folder);
    return status;
}

const struct command COMMAND_NEW_MODULE = {
    .name = "new-module",
    .arguments = "NAME",
    .summary = "a folder with a module to begin with",
    .help = "Makes the folder NAME with a module of one function, its test, CMakeLists.txt and README.md, which build,\n"
            "pass and load as they are. NAME may be a path; its last part names the module.\n\n"
            "  stepctl new-module greeter",
    .most_words = 1,
    .run = run,
};
