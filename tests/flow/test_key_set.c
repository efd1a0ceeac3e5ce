/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/key_set.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static struct bytes key(const char *text)
{
    return (struct bytes){ text, strlen(text) };
}

Test(key_set, knows_what_was_added)
{
    struct key_set *set = key_set_create();

    cr_assert_not(key_set_has(set, "mail", key("ada")));
    key_set_add(set, "mail", key("ada"));
    key_set_add(set, "mail", key("ada"));
    cr_assert(key_set_has(set, "mail", key("ada")));
    cr_assert_not(key_set_has(set, "mail", key("ad")));
    cr_assert_not(key_set_has(set, "sms", key("ada")));
    key_set_remove(set, "mail", key("ada"));
    key_set_remove(set, "mail", key("ada"));
    cr_assert_not(key_set_has(set, "mail", key("ada")));
    key_set_destroy(set);
}

Test(key_set, takes_any_bytes)
{
    struct key_set *set = key_set_create();

    key_set_add(set, "mail", (struct bytes){ "a\0b", 3 });
    key_set_add(set, "mail", (struct bytes){ NULL, 0 });
    cr_assert(key_set_has(set, "mail", (struct bytes){ "a\0b", 3 }));
    cr_assert_not(key_set_has(set, "mail", (struct bytes){ "a\0c", 3 }));
    cr_assert(key_set_has(set, "mail", (struct bytes){ "", 0 }));
    key_set_destroy(set);
}

Test(key_set, does_not_mistake_a_function_for_a_key)
{
    struct key_set *set = key_set_create();

    key_set_add(set, "ab", key("c"));
    cr_assert_not(key_set_has(set, "a", key("bc")));
    key_set_destroy(set);
}

struct writer {
    struct key_set *set;
    int number;
};

static void *write_many(void *data)
{
    const struct writer *writer = data;
    char text[32];

    for (int i = 0; i < 5000; i++) {
        snprintf(text, sizeof(text), "%d-%d", writer->number, i);
        key_set_add(writer->set, "f", key(text));
        if (i % 2 == 0)
            key_set_remove(writer->set, "f", key(text));
    }
    return NULL;
}

Test(key_set, serves_many_threads_and_grows)
{
    struct key_set *set = key_set_create();
    struct writer writers[4];
    pthread_t threads[4];
    char text[32];

    for (int i = 0; i < 4; i++) {
        writers[i] = (struct writer){ set, i };
        cr_assert_eq(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 5000; i++) {
        snprintf(text, sizeof(text), "%d-%d", i % 4, i);
        cr_assert_eq(key_set_has(set, "f", key(text)), i % 2 == 1);
    }
    key_set_destroy(set);
}
