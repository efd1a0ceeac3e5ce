/* SPDX-License-Identifier: Apache-2.0 */
/* A view of bytes that someone else owns; who hands one out says how long they live. */
#ifndef STEPD_BASE_BYTES_H
#define STEPD_BASE_BYTES_H

#include <stddef.h>

struct bytes {
    const void *data;
    size_t size;
};

#endif
