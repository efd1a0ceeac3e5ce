/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an event's name or its topic to the functions that it starts. Built once, replaced as a whole
 * where functions come at run time, read by any thread. The functions and their strings are borrowed.
 */
#ifndef STEPD_RUN_ROUTES_H
#define STEPD_RUN_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "run/function.h"

struct routes;

struct routes *routes_create(const struct function *const *functions, size_t count);
/* Frees all that replaced it, too. */
void routes_destroy(struct routes *routes);
/* Where functions come from. */
enum routes_source { ROUTES_OF_MODULES, ROUTES_OF_APPS, ROUTES_OF_PROGRAMS, ROUTES_SOURCES };

/* From here on `routes` leads to these instead of all that came from the same source, in the order of the sources;
 * readers that have begun finish with what they have. Any thread. What routes_create() was given is of modules. */
void routes_replace(struct routes *routes, enum routes_source source, const struct function *const *functions, size_t count);

/* Writes up to `max` functions to `out`, each the newest of it, in the order in which they were given
 * to routes_create(), and returns how many match, which may be more. `event_name` NULL (undecodable): those with a
 * topic only. Allocates nothing. */
size_t routes_match(const struct routes *routes, const char *topic, const char *event_name, const struct function **out, size_t max);
/* Whether some function is started by an event of this name, whatever its topic. Allocates nothing. */
bool routes_take_name(const struct routes *routes, const char *event_name);
/* No event starts more functions than this. */
size_t routes_function_count(const struct routes *routes);
/* Whether some function takes every message of this topic, whatever its bytes. */
bool routes_topic_has_raw(const struct routes *routes, const char *topic);
/* Whether some function that a message of this topic may start is STEPD_BY_KEY. */
bool routes_has_ordered(const struct routes *routes, const char *topic);

#endif
