/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "codec/packed.h"
#include "event/event_fields.h"
#include "sdk/app_internal.h"
#include "sdk/object.h"

#define TRIGGERS_MOST 10

/* ---- conditions ------------------------------------------------------------------------------------ */

static bool is_named(const struct sdk_trigger *trigger, const char *name)
{
    size_t plain = strcspn(trigger->event, "*");

    return trigger->event[plain] == '*' ? strncmp(trigger->event, name, plain) == 0 : strcmp(trigger->event, name) == 0;
}

/* Negative: an error, which makes it false, and is said once. */
static int holds_of(const struct sdk_function *own, const struct sdk_trigger *trigger, const struct expression_scope *scope)
{
    struct error error = { 0 };
    int answer = expression_holds(trigger->condition, scope, &error);

    if (answer < 0 && !atomic_exchange(own->has_failed_once, true))
        log_warn("function '%s': the expression \"%s\" fails, and counts as false: %s (logged once)", own->id, trigger->text, error.text);
    return answer;
}

/* As function.h says: one trigger of that name without a condition, or with one that holds. */
static int conditions_admit(const struct function *function, const struct stepd_event *event)
{
    const struct sdk_function *own = function->options;
    struct event_fields fields;
    int answer = 0;

    event_fields_init_of_view(&fields, event);
    const struct expression_scope scope = { .event = &fields.base, .now_ms = clock_wall_ms() };
    for (size_t i = 0; i < own->trigger_count; i++) {
        const struct sdk_trigger *trigger = &own->triggers[i];
        if (!is_named(trigger, event->name))
            continue;
        int holds = trigger->condition == NULL ? 1 : holds_of(own, trigger, &scope);
        if (holds > 0)
            return holds;
        answer = holds < 0 ? holds : answer;
    }
    return answer;
}

/* ---- by event -------------------------------------------------------------------------------------- */

static bool is_same_text(const char *one, const char *other)
{
    return one == other || (one != NULL && other != NULL && strcmp(one, other) == 0);
}

static int add_event(const struct reading *reading, const msgpack_object *given, struct sdk_function *function)
{
    const msgpack_object *text = packed_find(given, "expression");
    struct error error = { 0 };
    struct sdk_trigger *trigger = &function->triggers[function->trigger_count++];

    assert(function->trigger_count <= TRIGGERS_MOST);
    trigger->event = object_find_text(given, "event");
    trigger->text = object_is_nothing(text) ? NULL : object_text(text);
    if (trigger->event == NULL || trigger->event[0] == '\0')
        return reading_refuse(reading, "has a trigger with neither an event nor a cron");
    for (size_t i = 0; i + 1 < function->trigger_count; i++) {
        const struct sdk_trigger *other = &function->triggers[i];
        if (strcmp(other->event, trigger->event) == 0 && is_same_text(other->text, trigger->text))
            return reading_refuse(reading, "has the trigger \"%s\" twice", trigger->event);
    }
    if (object_is_nothing(text))
        return 0;
    if (trigger->text == NULL)
        return reading_refuse(reading, "has a trigger of \"%s\" whose expression is no text", trigger->event);
    if (expression_compile((struct bytes){ trigger->text, strlen(trigger->text) }, &trigger->condition, &error) != 0)
        return reading_refuse(reading, "has the expression \"%s\": %s", trigger->text, error.text);
    function->base.wants = conditions_admit;
    return 0;
}

/* ---- by the clock ----------------------------------------------------------------------------------- */

static const char *field_at(const char *text, int at)
{
    for (; at > 0; at--) {
        text += strcspn(text, " \t");
        text += strspn(text, " \t");
    }
    return text;
}

/* Whether the field names that number alone, not as a part of another. */
static bool names_number(const char *field, char digit)
{
    size_t size = strcspn(field, " \t");

    for (size_t i = 0; i < size; i++) {
        bool is_alone = (i == 0 || !isdigit((unsigned char)field[i - 1])) && !isdigit((unsigned char)field[i + 1]);
        if (field[i] == digit && is_alone && (i == 0 || field[i - 1] != '/'))
            return true;
    }
    return false;
}

/* Beyond what stepd's crons have: what Inngest's server takes, so that a program may go back there. */
static int check_cron(const struct reading *reading, const char *cron)
{
    bool has_zone = strncmp(cron, "TZ=", 3) == 0 || strncmp(cron, "CRON_TZ=", 8) == 0;
    const char *fields = field_at(cron + strspn(cron, " \t"), has_zone ? 1 : 0);

    if (fields[0] == '@')
        return reading_refuse(reading, "has the cron \"%s\": Inngest's crons have five fields, and no words", cron);
    if (names_number(field_at(fields, 4), '7'))
        return reading_refuse(reading, "has the cron \"%s\": Inngest's crons count weekdays from 0 to 6", cron);
    return 0;
}

static int add_cron(const struct reading *reading, const msgpack_object *given, const char **crons, struct sdk_function *function)
{
    struct stepd_texts *list = &function->asked.given.cron;
    char *cron = asked_keep(&function->asked, object_find_text(given, "cron"));

    if (object_is_given(packed_find(given, "event")))
        return reading_refuse(reading, "has a trigger with both an event and a cron");
    if (!object_is_nothing(packed_find(given, "jitter")))
        return reading_refuse(reading, "asks for a cron's 'jitter', which stepd does not have");
    if (cron == NULL || cron[0] == '\0')
        return reading_refuse(reading, "has a cron that is no text, or empty");
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], cron) == 0)
            return reading_refuse(reading, "has the cron \"%s\" twice", cron);
    }
    assert(list->count < TRIGGERS_MOST);
    crons[list->count++] = cron;
    return check_cron(reading, cron);
}

/* ---- all -------------------------------------------------------------------------------------------- */

/* Before a function had several triggers each was one of its own: those behind the first were "ID:2", "ID:3" … */
static void name_older(struct sdk_function *function, size_t count)
{
    if (count < 2)
        return;
    const char **ids = asked_keep(&function->asked, xcalloc(count, sizeof(*ids)));
    for (size_t i = 1; i < count; i++)
        ids[i - 1] = asked_keep(&function->asked, xasprintf("%s:%zu", function->slug, i + 1));
    function->base.older_ids = (struct stepd_texts){ ids, count - 1 };
}

static void name_events(struct sdk_function *function)
{
    const char **events = asked_keep(&function->asked, xcalloc(function->trigger_count + 1, sizeof(*events)));

    for (size_t i = 0; i < function->trigger_count; i++)
        events[i] = function->triggers[i].event;
    function->asked.given.events = (struct stepd_texts){ events, function->trigger_count };
}

int app_triggers_read(const struct reading *reading, const msgpack_object *triggers, struct sdk_function *function)
{
    if (triggers == NULL || triggers->type != MSGPACK_OBJECT_ARRAY || triggers->via.array.size == 0)
        return reading_refuse(reading, "has no trigger");
    size_t count = triggers->via.array.size;
    if (count > TRIGGERS_MOST)
        return reading_refuse(reading, "has %zu triggers: up to %d are possible", count, TRIGGERS_MOST);
    function->triggers = xcalloc(count, sizeof(*function->triggers));
    const char **crons = asked_keep(&function->asked, xcalloc(count, sizeof(*crons)));
    function->asked.given.cron.items = crons;
    for (size_t i = 0; i < count; i++) {
        const msgpack_object *given = &triggers->via.array.ptr[i];
        bool is_cron = object_is_given(packed_find(given, "cron"));
        int status = is_cron ? add_cron(reading, given, crons, function) : add_event(reading, given, function);
        if (status != 0)
            return status;
    }
    name_older(function, count);
    name_events(function);
    return 0;
}
