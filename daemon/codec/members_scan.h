/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The quick way to the members of a JSON map, or of each map of an array: knows what events are mostly made of, and leaves all else
 * (\u, exponents, anything that may be wrong) to the parser that knows every rule and says what is wrong.
 * What it takes, that parser takes too, and finds the same in it.
 */
#ifndef STEPD_CODEC_MEMBERS_SCAN_H
#define STEPD_CODEC_MEMBERS_SCAN_H

#include <stdbool.h>

#include "base/bytes.h"
#include "codec/members.h"

/* True: the text is a valid JSON map and `members` are filled; *ret_others: how many members are not in
 * the list. False: not known; `members` are as if nothing was found. */
bool members_scan_json(struct bytes text, struct member *members, size_t *ret_others);
/* True: the text is a valid JSON array of maps. *ret_texts are they as they stand there, *ret_members a list as `wanted` for each, filled, one
 * behind the other; both are to be freed, NULL where there are none. False: not known. */
bool members_scan_maps(struct bytes text, const struct member *wanted, struct bytes **ret_texts, struct member **ret_members,
                       size_t *ret_count);

#endif
