/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a registry, and when it is asked: beside a server that answers in this process. */
#include "registry/schema_registry.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 30000
#define KNOWN_MOST 50 /* ids above it are not known */

static struct schema_registry *registry;
static pthread_t server;
static int listener;
static char url[40];
static atomic_int asked, asked_for_7;
static atomic_bool is_closed;

static void answer(int connection, const char *request)
{
    unsigned id = 0;
    char text[300];

    (void)sscanf(request, "GET /schemas/ids/%u", &id);
    atomic_fetch_add(&asked, 1);
    atomic_fetch_add(&asked_for_7, id == 7);
    const char *body = "{\"schema\":\"\\\"int\\\"\"}";
    if (id > KNOWN_MOST)
        body =
            id <= INT32_MAX ? "{\"error_code\":40403,\"message\":\"Schema not found\"}" : "{\"error_code\":0,\"message\":\"No such page\"}";
    int size = snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nconnection: close\r\ncontent-length: %zu\r\n\r\n%s",
                        id > KNOWN_MOST ? "404 Not Found" : "200 OK", strlen(body), body);
    (void)!write(connection, text, (size_t)size);
}

static void *serve(void *unused)
{
    char request[2000];
    int connection;

    (void)unused;
    while ((connection = accept(listener, NULL, NULL)) >= 0) {
        ssize_t size = read(connection, request, sizeof(request) - 1);
        request[size > 0 ? size : 0] = '\0';
        if (!atomic_load(&is_closed))
            answer(connection, request);
        (void)close(connection);
    }
    return NULL;
}

static void begin(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);

    listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(listener, 16), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(address.sin_port));
    cr_assert_eq(pthread_create(&server, NULL, serve, NULL), 0);
}

static void end(void)
{
    schema_registry_destroy(registry);
    (void)shutdown(listener, SHUT_RDWR);
    (void)pthread_join(server, NULL);
    (void)close(listener);
}

TestSuite(schema_registry, .init = begin, .fini = end);

static void start(size_t room)
{
    const struct schema_registry_settings settings = { .address = { .url = url }, .room = room };
    struct error error = { 0 };

    registry = schema_registry_create(&settings);
    cr_assert_eq(schema_registry_start(registry, &error), 0, "%s", error.text);
}

static struct schema_key key_of(unsigned id)
{
    return (struct schema_key){ .form = SCHEMA_BY_ID, .frame_size = FRAME_SIZE, .number = id };
}

/* The caller's. */
static struct schema *await(unsigned id)
{
    const struct schema_key key = key_of(id);
    struct schema *schema = NULL;

    for (int waited = 0; waited < WAIT_MS && schema == NULL; waited++) {
        schema = schema_registry_find(registry, &key);
        if (schema == NULL)
            (void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    cr_assert_not_null(schema, "schema %u", id);
    return schema;
}

Test(schema_registry, is_asked_once_for_what_it_keeps)
{
    start(10);
    for (int i = 0; i < 100; i++) {
        struct schema *schema = await(7);
        cr_assert_eq(schema_form(schema), SCHEMA_AVRO);
        cr_assert_str_eq(schema_text(schema), "7");
        schema_release(schema);
    }
    cr_assert_eq(atomic_load(&asked), 1);
}

Test(schema_registry, gives_up_the_least_used_for_others)
{
    struct schema_registry_counts counts;

    start(3);
    struct schema *held = await(7);
    for (unsigned id = 1; id <= 6; id++)
        schema_release(await(id));
    schema_registry_counts(registry, &counts);
    cr_assert_eq(counts.schemas, 3);
    cr_assert_eq(schema_form(held), SCHEMA_AVRO, "whoever holds one keeps it");
    schema_release(held);
    schema_release(await(7));
    cr_assert_eq(atomic_load(&asked_for_7), 2);
}

Test(schema_registry, believes_after_a_while_that_an_id_is_not_known, .timeout = 60)
{
    start(10);
    struct schema *schema = await(KNOWN_MOST + 1);
    cr_assert_eq(schema_form(schema), SCHEMA_UNREADABLE);
    cr_assert_str_eq(schema_reason(schema), "the schema registry, asked without a user, does not know schema 51 (404, Schema not found)");
    cr_assert_gt(atomic_load(&asked), 5);
    schema_release(schema);
    int before = atomic_load(&asked);
    schema_release(await(KNOWN_MOST + 1));
    cr_assert_eq(atomic_load(&asked), before);
}

/* Which a registry whose ids are Java's ints does not even look up. */
Test(schema_registry, believes_it_of_an_id_that_none_can_have_too, .timeout = 60)
{
    start(10);
    struct schema *schema = await(UINT32_MAX);
    cr_assert_eq(schema_form(schema), SCHEMA_UNREADABLE);
    cr_assert_not_null(strstr(schema_reason(schema), "(404, No such page)"), "%s", schema_reason(schema));
    schema_release(schema);
}

Test(schema_registry, waits_while_it_is_away_and_says_why)
{
    const struct schema_key key = key_of(7);
    struct schema_registry_counts counts = { 0 };
    char why[300];

    atomic_store(&is_closed, true);
    start(10);
    for (int waited = 0; waited < WAIT_MS && counts.failed < 2; waited++) {
        cr_assert_null(schema_registry_find(registry, &key));
        (void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        schema_registry_counts(registry, &counts);
    }
    cr_assert_geq(counts.failed, 2);
    cr_assert_eq(counts.up, 0);
    schema_registry_say_why(registry, why, sizeof(why));
    cr_assert_not_null(strstr(why, "can't be asked"), "%s", why);
    atomic_store(&is_closed, false);
    schema_release(await(7));
    schema_registry_counts(registry, &counts);
    cr_assert_eq(counts.up, 1);
}

Test(schema_registry, knows_the_topics_whose_values_are_framed)
{
    const char *const topics[] = { "shop.*", "orders", NULL };
    const struct schema_registry_settings settings = { .address = { .url = url }, .topics = topics, .room = 1 };

    registry = schema_registry_create(&settings);
    cr_assert(schema_registry_reads_topic(registry, "shop.public.customers"));
    cr_assert(schema_registry_reads_topic(registry, "orders"));
    cr_assert_not(schema_registry_reads_topic(registry, "orders.dead"));
    cr_assert_not(schema_registry_reads_topic(registry, "workshop.x"));
}
