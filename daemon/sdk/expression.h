/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The condition of a trigger: `path == literal`, several joined by `&&`. A path begins with `event.`; a
 * literal is a text in either quotes, a whole number, true, false or null. Pure.
 */
#ifndef STEPD_SDK_EXPRESSION_H
#define STEPD_SDK_EXPRESSION_H

#include <stdbool.h>

#include <stepd/stepd.h>

/* Whether it is one. */
bool expression_is_valid(const char *text);
/* Whether it holds of the event; `text` is valid. */
bool expression_holds(const char *text, const struct stepd_event *event);

#endif
