/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/outcome.h"

#include <assert.h>
#include <string.h>

#include "base/log.h"

/* NULL: nobody need know. */
static const char *outcome_of(const struct attempt_report *report)
{
    switch (report->end) {
    case ATTEMPT_AWAY:
        return report->failure != NULL ? attempt_end_word(ATTEMPT_RETRY) : NULL;
    case ATTEMPT_PASSED_ON:
    case ATTEMPT_MOVED:
    case ATTEMPT_STOPPED:
    case ATTEMPT_REFUSED:
    case ATTEMPT_SETTLING:
    case ATTEMPT_ABANDONED:
        return NULL;
    default:
        return attempt_end_word(report->end);
    }
}

static enum log_level level_of(const struct attempt_report *report, bool is_watched)
{
    if (report->end == ATTEMPT_FAILED)
        return LOG_LEVEL_ERROR;
    if (report->end == ATTEMPT_RETRY || report->end == ATTEMPT_AWAY)
        return LOG_LEVEL_WARN;
    return is_watched ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
}

static bool goes_on_later(const struct attempt_report *report)
{
    return report->end == ATTEMPT_RETRY || report->end == ATTEMPT_SLEEPING || report->end == ATTEMPT_AWAY;
}

static struct log_fields fields_of(const struct run *run, const struct attempt_report *report)
{
    const struct stepd_event *event = &run->event->view;
    const struct failure *failure = report->failure;
    struct log_fields fields = LOG_FIELDS_NONE;

    fields.outcome = outcome_of(report);
    fields.run_id = run->id.text;
    fields.function = run->function->id;
    fields.event_id = event->id;
    fields.trace_id = event->traceparent;
    fields.topic = event->topic;
    fields.partition = event->partition;
    fields.offset = event->offset;
    fields.attempt = failure != NULL ? failure->attempt : run->attempt;
    if (goes_on_later(report))
        fields.due_in_ms = report->due_in_ms > 0 ? report->due_in_ms : 0;
    if (failure != NULL && failure->step_id[0] != '\0')
        fields.step = failure->step_id;
    return fields;
}

/* What stepd tells of runs is for whoever wants it. */
static bool is_told_by_stepd(const char *name)
{
    return strncmp(name, "stepd/", 6) == 0 || strncmp(name, "inngest/", 8) == 0;
}

void outcome_log_unhandled(const struct stepd_event *event, bool is_watched)
{
    enum log_level level = is_watched ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;

    if (!log_has_level(level) || is_told_by_stepd(event->name))
        return;
    struct log_fields fields = LOG_FIELDS_NONE;
    fields.topic = event->topic;
    fields.partition = event->partition;
    fields.offset = event->offset;
    LOG_AT(level, LOG_LINES_PER_SECOND, &fields, "no function is started by %s", event->name);
}

void outcome_log(const struct run *run, const struct attempt_report *report, bool is_watched)
{
    enum log_level level = level_of(report, is_watched);
    char duration[LOG_DURATION_SIZE];

    if (!log_has_level(level) || outcome_of(report) == NULL)
        return;
    assert(run->function != NULL);
    struct log_fields fields = fields_of(run, report);
    if (report->failure != NULL)
        log_event(level, &fields, "%s: %s", report->failure->name, report->failure->message);
    else
        log_event(level, &fields, "%s", log_duration((report->ended_ns - report->started_ns) / 1000000, duration));
}
