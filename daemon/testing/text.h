/* SPDX-License-Identifier: Apache-2.0 */
/* The texts that a test's author writes: JSON, or YAML's short form of it. */
#ifndef STEPD_TESTING_TEXT_H
#define STEPD_TESTING_TEXT_H

#include <msgpack.h>
#include <stdbool.h>

/* The text as JSON; caller frees. Ends the program when it is neither. */
char *text_to_json(const char *text);
/* Whether two values are the same: numbers by value, maps whatever the order of their keys. */
bool values_equal(const msgpack_object *one, const msgpack_object *other);

#endif
