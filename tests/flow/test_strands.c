/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/strands.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "event/event.h"

static struct assignment assignment = { .topic = (char *)(uintptr_t) "orders" };

/* The same function before and after a reload, and another one. */
static const struct function before = { .id = "f", .index = 3 };
static const struct function after = { .id = "f", .index = 3 };
static const struct function other = { .id = "g", .index = 4 };

static struct message *message_of(const char *key)
{
    struct message *message = xcalloc(1, sizeof(*message));

    message->assignment = &assignment;
    event_init(&message->event, "orders", 0, 0, 1, (struct bytes){ key, 1 }, (struct bytes){ "{}", 2 }, NULL, 0);
    return message;
}

static void message_free(struct message *message)
{
    event_done(&message->event);
    free(message);
}

Test(strands, a_key_waits_behind_its_run_of_before_a_reload)
{
    struct strands *strands = strands_create();
    struct message *message = message_of("a");
    struct job first = { .function = &before, .message = message };
    struct job *second = xcalloc(1, sizeof(*second));

    *second = (struct job){ .function = &after, .message = message };
    cr_assert(strands_enter(strands, &first));
    cr_assert_not(strands_enter(strands, second));
    cr_assert_eq(strands_leave(strands, first.strand), second);
    cr_assert_null(strands_leave(strands, second->strand));
    free(second);
    message_free(message);
    strands_destroy(strands);
}

Test(strands, another_function_of_the_key_does_not_wait)
{
    struct strands *strands = strands_create();
    struct message *message = message_of("a");
    struct job first = { .function = &before, .message = message };
    struct job second = { .function = &other, .message = message };

    cr_assert(strands_enter(strands, &first));
    cr_assert(strands_enter(strands, &second));
    cr_assert_null(strands_leave(strands, first.strand));
    cr_assert_null(strands_leave(strands, second.strand));
    message_free(message);
    strands_destroy(strands);
}
