/* SPDX-License-Identifier: Apache-2.0 */
/* Functions wherever they come from: modules, apps of SDKs, and programs that stay. */
#include "modules/loader.h"
#include "parts/part.h"
#include "program/programs.h"
#include "sdk/inngest.h"

const struct function *part_find_function(void *context, const char *id)
{
    const struct daemon *daemon = context;
    const struct function *function = functions_find(&daemon->loaded->functions, id);

    if (function == NULL && daemon->inngest != NULL)
        function = inngest_find_function(daemon->inngest, id);
    return function != NULL ? function : programs_find_function(daemon->programs, id);
}

const struct function *part_learn_function(void *context, const char *id)
{
    const struct daemon *daemon = context;
    const struct function *function = part_find_function(context, id);

    return function == NULL && daemon->inngest != NULL ? inngest_learn_function(daemon->inngest, id) : function;
}

void part_each_function(void *context, void (*each)(void *each_context, const struct function *function), void *each_context)
{
    const struct daemon *daemon = context;

    for (size_t i = 0; i < daemon->loaded->functions.count; i++)
        each(each_context, daemon->loaded->functions.items[i]);
    if (daemon->inngest != NULL)
        inngest_each_function(daemon->inngest, each, each_context);
    programs_each_function(daemon->programs, each, each_context);
}

size_t part_function_room(const struct daemon *daemon)
{
    return daemon->loaded->functions.count + (daemon->inngest != NULL ? INNGEST_FUNCTIONS_MAX : 0) +
           (daemon->programs != NULL ? PROGRAM_FUNCTIONS_MAX : 0);
}
