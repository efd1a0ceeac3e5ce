/* SPDX-License-Identifier: Apache-2.0 */
#include "new_module.h"
#include "base/array.h"
#include "ctl/command.h"
#include "ctl/new_folder.h"

static const struct new_file FILES[] = {
    { "@NAME@.c", new_module_module },
    { "test_@NAME@.c", new_module_test },
    { "CMakeLists.txt", new_module_CMakeLists },
    { "README.md", new_module_README },
};

static enum ctl_exit run(struct ctl *ctl)
{
    struct new_folder folder;
    enum ctl_exit status = new_folder_read(&folder, ctl, "module");

    if (status == CTL_OK)
        status = new_folder_make(&folder, FILES, COUNT_OF(FILES));
    if (status == CTL_OK)
        new_folder_tell(&folder, ctl, "a module, its test, and how to build them");
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
