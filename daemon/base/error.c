/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

int error_set(struct error *error, int code, const char *format, ...)
{
    assert(code > 0);
    if (error == NULL)
        return -code;

    /* The arguments may be the error's own text. */
    char text[sizeof(error->text)];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)snprintf(error->text, sizeof(error->text), "%s", text);
    error->code = code;
    return -code;
}
