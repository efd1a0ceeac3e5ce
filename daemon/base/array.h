/* SPDX-License-Identifier: Apache-2.0 */
/* Of arrays, never of pointers to one. */
#ifndef STEPD_BASE_ARRAY_H
#define STEPD_BASE_ARRAY_H

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
