/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of runs, newest first. What has ended stands in lists by when it did. All else is found
 * among the newest runs there are, listed by when they began; what is older than those follows as
 * the lists have it that it stands in. Where few runs are such, all of them are put in order. However
 * many there are, a page looks at a bounded number of them.
 */
#ifndef STEPD_PAGE_LISTING_H
#define STEPD_PAGE_LISTING_H

#include <stdint.h>

#include "store/store.h"
#include "view/json_out.h"

struct listing_filter {
    const char *status;   /* a word, or "behind"; "": any */
    const char *function; /* NULL: any, as all that follow */
    const char *error;    /* its name */
    const char *text;     /* of the event's name or id, or the start of the run's id */
    int64_t since_ms;     /* begun; INT64_MIN: any */
    int64_t until_ms;     /* INT64_MAX: any */
    size_t limit;
};

/* Puts `runs`, `cursor` (of the next page; null: there is none; a page may be short and yet have one), `order`
 * (what they are newest by: "begun" or "ended") and `is_older` (these follow in no such order). `cursor` NULL: the first
 * page. 0, -EINVAL with the reason, or as runs_list(). */
int listing_put(struct redis_store *store, const struct listing_filter *filter, const char *cursor, struct json_out *out,
                struct error *ret_error) MUST_CHECK;

#endif
