/* SPDX-License-Identifier: Apache-2.0 */
#include "page_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/attempt_log.h"

static const char *topics[] = { "events", NULL };

void page_fixture_start(struct page_fixture *fixture, int shards)
{
    *fixture = (struct page_fixture){ .config = { .http_token = "", .topics = topics } };
    redis_fixture_start(&fixture->redis);
    struct store_settings settings = redis_fixture_settings(&fixture->redis);
    settings.shards = shards;
    settings.history = HISTORY_ALL;
    fixture->redis.store = redis_fixture_open_with(&settings);
    fixture->page = (struct page){ .settings = { .config = &fixture->config }, .store = fixture->redis.store };
}

void page_fixture_stop(struct page_fixture *fixture)
{
    redis_fixture_stop(&fixture->redis);
}

/* ---- requests ------------------------------------------------------------------------------------ */

static const char *find(const char *const *pairs, const char *name)
{
    for (; pairs[0] != NULL; pairs += 2)
        if (strcasecmp(pairs[0], name) == 0)
            return pairs[1];
    return NULL;
}

static const char *header_of(const struct web_request *request, const char *name)
{
    return find(((const struct asked *)request->connection)->headers, name);
}

static const char *query_of(const struct web_request *request, const char *name)
{
    return find(((const struct asked *)request->connection)->query, name);
}

struct web_request page_fixture_request(const struct asked *asked)
{
    const char *body = asked->body != NULL ? asked->body : "";

    return (struct web_request){
        .method = asked->method,
        .path = asked->path,
        .body = { body, strlen(body) },
        .connection = (void *)(uintptr_t)asked,
        .header = header_of,
        .query = query_of,
    };
}

char *page_fixture_ask(struct page_fixture *fixture, page_answer answer, const struct asked *asked, unsigned *ret_status)
{
    struct web_request request = page_fixture_request(asked);
    struct web_reply reply = { .status = 200 };

    answer(&fixture->page, &request, &reply);
    if (ret_status != NULL)
        *ret_status = reply.status;
    char *body = xstrndup(reply.body, reply.size);
    free(reply.body);
    return body;
}

/* ---- runs ---------------------------------------------------------------------------------------- */

static struct transition transition_to(enum run_fate fate, int64_t due_ms, struct bytes tail)
{
    switch (fate) {
    case FATE_DELAYED:
    case FATE_SLEEPING:
        return (struct transition){
            .kind = TRANSITION_PARK, .status = fate == FATE_DELAYED ? RUN_DELAYED : RUN_SLEEPING, .due_ms = due_ms, .tail = tail
        };
    case FATE_OWNED:
        return (struct transition){ .kind = TRANSITION_PHASE, .tail = tail };
    case FATE_COMPLETED:
        return (struct transition){ .kind = TRANSITION_FINISH, .tail = tail };
    case FATE_FAILED:
        return (struct transition){ .kind = TRANSITION_BURY, .phase = RUN_IN_ON_FAILURE, .tail = tail };
    }
    abort();
}

static void pack_tail(msgpack_sbuffer *tail, const char *error)
{
    struct failure failure = { .message = "why it failed" };
    struct attempt_entry entry = { .started_ms = 1, .duration_ms = 2, .failure = &failure };

    msgpack_sbuffer_init(tail);
    if (error != NULL)
        (void)snprintf(failure.name, sizeof(failure.name), "%s", error);
    attempt_log_pack(tail, (struct bytes){ 0 }, error != NULL ? &entry : NULL, (struct bytes){ 0 }, (struct bytes){ 0 });
}

const char *page_fixture_run(struct page_fixture *fixture, int number, const char *function, int64_t created_ms, int64_t due_ms,
                             enum run_fate fate, const char *error)
{
    static char id[RUN_ID_LENGTH + 1];
    struct store *port = store_port(fixture->redis.store);
    AUTO_FREE char *raw = xasprintf("{\"name\":\"app/%d\",\"id\":\"e-%d\",\"data\":{}}", number, number);
    struct transition_reply reply;
    struct sample sample;
    msgpack_sbuffer tail;

    sample_init(&sample, number);
    sample.function.id = function;
    sample.event.view.raw = raw;
    sample.event.view.raw_len = strlen(raw);
    sample.run.id = run_id_of(&sample.function, &sample.event);
    sample.run.created_ms = created_ms;
    pack_tail(&tail, error);
    const struct transition change = transition_to(fate, due_ms, (struct bytes){ tail.data, tail.size });
    cr_assert_eq(port->ops->advance(port, &sample.run, &change, &reply), 0);
    cr_assert_eq(reply.answer, STORE_OK);
    msgpack_sbuffer_destroy(&tail);
    memcpy(id, sample.run.id.text, sizeof(id));
    return id;
}
