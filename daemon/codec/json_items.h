/* SPDX-License-Identifier: Apache-2.0 */
/* The values of a JSON array, each as it stands there, found in a pass that validates all of it. */
#ifndef STEPD_CODEC_JSON_ITEMS_H
#define STEPD_CODEC_JSON_ITEMS_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"

/* *ret_items point into `text`, and are to be freed; NULL where there are none. 0, or -EBADMSG with the reason. */
int json_items(struct bytes text, struct bytes **ret_items, size_t *ret_count, struct error *ret_error) MUST_CHECK;

#endif
