/* SPDX-License-Identifier: Apache-2.0 */
/* Runs found in the store: by a prefix of their id, or those that a person wants listed. */
#ifndef STEPD_CTL_FIND_H
#define STEPD_CTL_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/ctl.h"
#include "store/runs.h"
#include "view/selection.h"

#define FIND_PREFIX_LEAST 4  /* hex digits: they say which shard */
#define FIND_SHORT_LENGTH 12 /* as much of an id as tables show */

/* The run whose id is `text` or, alone, begins with it. Says itself what is wrong. */
enum ctl_exit find_run(struct ctl *ctl, const char *text, struct run_id *ret_id) MUST_CHECK;
/* The same, with all that the store holds of it; the caller gives it to loaded_run_done(). */
enum ctl_exit find_and_load(struct ctl *ctl, const char *text, struct loaded_run *ret_run) MUST_CHECK;
/* Says why runs_load() of that id gave no run. */
enum ctl_exit find_failed(struct ctl *ctl, const char *id, int status, const struct error *error);

struct found {
    struct run_id id;
    int64_t created_ms;
};

/* Of runs that wait in a line (behind another of their key, for room, for their turns): they are looked at as all others, alone, or not.
 * Of a run for room only the list in which it stands says that it does. */
enum find_lines { FIND_LINES_TOO, FIND_LINES_ALONE, FIND_LINES_NOT };

struct find_filter {
    const struct selection *selection;
    size_t limit;
    enum find_lines lines;
    bool is_whole; /* all are looked at, however many there are and however long that takes */
};

struct finds {
    struct found *all; /* newest first; the caller frees */
    size_t count;
    bool is_cut;      /* there are more runs than were looked at: older ones that are meant may be missing */
    size_t undecided; /* for so many the expression failed: they were left out, */
    struct error why; /* of the first */
};

/* The newest `limit` runs that are meant. They are looked for among the newest of all first; where those are too few, in the other
 * lists, at some ten thousand runs of each (more where `limit` is more), so that it takes a moment whatever there is. Only what is needed of each is read, some hundred a call, with a pause
 * behind each call. Negative errno as runs_list(). */
int find_runs(struct redis_store *store, const struct find_filter *filter, struct finds *ret_finds) MUST_CHECK;
/* Whether a run, as it is now, is still meant. */
bool find_takes(const struct selection *selection, struct run_view *view);
/* On standard error, where an expression failed. */
void finds_warn(const struct finds *finds);

#endif
