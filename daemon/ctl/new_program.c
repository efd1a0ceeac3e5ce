/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/memory.h"
#include "ctl/command.h"
#include "ctl/new_folder.h"
#include "new_program.h"

/* As seen from the folder of stepctl, as installed and in a build tree. */
#define CLIENTS "../share/stepd/clients"

static const struct new_file NODE_FILES[] = {
    { "@NAME@.js", new_program_node_functions },  { "main.js", new_program_node_main },     { "@NAME@.test.js", new_program_node_test },
    { "package.json", new_program_node_package }, { "README.md", new_program_node_readme },
};

static const struct new_file PYTHON_FILES[] = {
    { "@NAME@.py", new_program_python_functions },
    { "test_program.py", new_program_python_test },
    { "README.md", new_program_python_readme },
};

/* The client's package is linked into the folder, so that the program and its test run as they are. */
struct language {
    const char *package;     /* below CLIENTS */
    const char *link_folder; /* NULL: the link stands in the folder itself */
    const char *link;
    const struct new_file *files;
    size_t file_count;
};

static const struct language NODE = { "node", "node_modules", "node_modules/stepd", NODE_FILES, COUNT_OF(NODE_FILES) };
static const struct language PYTHON = { "python/stepd", NULL, "stepd", PYTHON_FILES, COUNT_OF(PYTHON_FILES) };

/* To be freed; NULL: it is not there. */
static char *package_path(const struct language *language)
{
    char program[PATH_MAX] = "";

    if (readlink("/proc/self/exe", program, sizeof(program) - 1) <= 0)
        return NULL;
    AUTO_FREE char *path = xasprintf("%s/" CLIENTS "/%s", dirname(program), language->package);
    return realpath(path, NULL);
}

static enum ctl_exit link_package(const struct new_folder *folder, const struct language *language)
{
    AUTO_FREE char *link = xasprintf("%s/%s", folder->path, language->link);

    if (language->link_folder != NULL) {
        AUTO_FREE char *path = xasprintf("%s/%s", folder->path, language->link_folder);
        if (mkdir(path, 0777) != 0)
            return ctl_fail(CTL_FAILED, "cannot make the folder %s: %s", path, strerror(errno));
    }
    if (symlink(folder->package, link) != 0)
        return ctl_fail(CTL_FAILED, "cannot link %s to %s: %s", link, folder->package, strerror(errno));
    return CTL_OK;
}

static enum ctl_exit run(struct ctl *ctl)
{
    const struct language *language = ctl->is_node ? &NODE : &PYTHON;
    struct new_folder folder;

    if (ctl->is_node == ctl->is_python)
        return ctl_misused(ctl, "in which language? --python or --node");
    enum ctl_exit status = new_folder_read(&folder, ctl, "program");
    if (status != CTL_OK)
        return status;
    AUTO_FREE char *package = package_path(language);
    if (package == NULL)
        return ctl_fail(CTL_FAILED, "the package for programs is not where stepd puts it: " CLIENTS "/%s, seen from stepctl",
                        language->package);
    folder.package = package;
    status = new_folder_make(&folder, language->files, language->file_count);
    if (status == CTL_OK)
        status = link_package(&folder, language);
    if (status == CTL_OK)
        new_folder_tell(&folder, ctl, "a program, and its test");
    return status;
}

const struct command COMMAND_NEW_PROGRAM = {
    .name = "new-program",
    .arguments = "NAME",
    .summary = "a folder with a program to begin with",
    .help = "Makes the folder NAME with a program of one function in Python or Node, its test and README.md, which run\n"
            "as they are. NAME may be a path; its last part names the program.\n\n"
            "  stepctl new-program greeter --python",
    .options = TAKES_LANGUAGE,
    .most_words = 1,
    .run = run,
};
