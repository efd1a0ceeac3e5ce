/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/reading.h"

#include <errno.h>
#include <stdarg.h>

#include "base/memory.h"

int reading_refuse(const struct reading *reading, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    AUTO_FREE char *why = xvasprintf(format, arguments);
    va_end(arguments);
    *reading->ret_error = reading->slug != NULL ? xasprintf("function '%s' %s", reading->slug, why) : xstrdup(why);
    return -EINVAL;
}
