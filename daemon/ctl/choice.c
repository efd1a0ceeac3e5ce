/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/choice.h"

#include <assert.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "ctl/when.h"

static const struct {
    const char *word;
    const char *letters; /* of enum run_status */
} STATUSES[] = {
    { "running", "o" }, { "delayed", "d" },   { "queued", "dbq" }, { "sleeping", "s" },
    { "waiting", "w" }, { "completed", "c" }, { "failed", "f" },   { "cancelled", "x" },
};

bool choice_is_given(const struct ctl *ctl)
{
    return ctl->status != NULL || ctl->function != NULL || ctl->error != NULL || ctl->event != NULL || ctl->since != NULL ||
           ctl->until != NULL || ctl->where != NULL;
}

enum find_lines choice_lines(const struct ctl *ctl)
{
    if (ctl->status != NULL && strcmp(ctl->status, "queued") == 0)
        return FIND_LINES_ALONE;
    return ctl->status != NULL && strcmp(ctl->status, "delayed") == 0 ? FIND_LINES_NOT : FIND_LINES_TOO;
}

static enum ctl_exit read_status(const struct ctl *ctl, const char *otherwise, const char **ret_statuses)
{
    *ret_statuses = otherwise;
    if (ctl->status == NULL)
        return CTL_OK;
    for (size_t i = 0; i < COUNT_OF(STATUSES); i++) {
        if (strcmp(STATUSES[i].word, ctl->status) == 0) {
            *ret_statuses = STATUSES[i].letters;
            return CTL_OK;
        }
    }
    return ctl_misused(ctl, "'%s' is no status: running delayed queued sleeping waiting completed failed cancelled", ctl->status);
}

static enum ctl_exit read_times(const struct ctl *ctl, struct selection *selection)
{
    const int64_t now_ms = clock_wall_ms();
    struct error error = { 0 };

    selection->since_ms = INT64_MIN;
    selection->until_ms = INT64_MAX;
    if (ctl->since != NULL && when_since(ctl->since, now_ms, &selection->since_ms, &error) != 0)
        return ctl_misused(ctl, "--since: %s", error.text);
    if (ctl->until != NULL && when_until(ctl->until, now_ms, selection->since_ms, &selection->until_ms, &error) != 0)
        return ctl_misused(ctl, "--until: %s", error.text);
    return CTL_OK;
}

enum ctl_exit choice_compile(const struct ctl *ctl, struct expression **ret_where)
{
    struct error error = { 0 };

    if (ctl->where != NULL && expression_compile((struct bytes){ ctl->where, strlen(ctl->where) }, ret_where, &error) != 0)
        return ctl_misused(ctl, "--where: %s", error.text);
    return CTL_OK;
}

enum ctl_exit choice_read(const struct ctl *ctl, const char *otherwise, struct choice *choice)
{
    struct selection *selection = &choice->selection;

    *choice = (struct choice){ .selection = { .function = ctl->function, .error = ctl->error, .event = ctl->event } };
    enum ctl_exit status = read_status(ctl, otherwise, &selection->statuses);
    if (status == CTL_OK)
        status = read_times(ctl, selection);
    if (status == CTL_OK)
        status = choice_compile(ctl, &choice->where);
    selection->where = choice->where;
    assert(status != CTL_OK || (choice->where != NULL) == (ctl->where != NULL));
    return status;
}

void choice_done(struct choice *choice)
{
    expression_destroy(choice->where);
    *choice = (struct choice){ 0 };
}
