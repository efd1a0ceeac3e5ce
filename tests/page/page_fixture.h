/* SPDX-License-Identifier: Apache-2.0 */
/* A page over a private Redis, with no daemon around it; requests as a server would hand them over. */
#ifndef STEPD_TESTS_PAGE_FIXTURE_H
#define STEPD_TESTS_PAGE_FIXTURE_H

#include "page/page_internal.h"
#include "store/redis/redis_fixture.h"

#define PAIRS_MOST 12 /* names and values by turns, ended by NULL */

struct asked {
    const char *method;
    const char *path;
    const char *body;
    const char *headers[PAIRS_MOST];
    const char *query[PAIRS_MOST];
};

struct page_fixture {
    struct redis_fixture redis;
    struct config config;
    struct page page;
};

/* History of all runs; `shards` of them. */
void page_fixture_start(struct page_fixture *fixture, int shards);
void page_fixture_stop(struct page_fixture *fixture);

/* The body of the answer, which the caller frees. */
char *page_fixture_ask(struct page_fixture *fixture, page_answer answer, const struct asked *asked, unsigned *ret_status);

/* Request and reply without an answerer, for what only judges them. */
struct web_request page_fixture_request(const struct asked *asked);

/* A run of function `function` in the store, begun at `created_ms`, on the event {"name":"app/N","id":"e-N"}, N its
 * number. It is parked until `due_ms`, or has ended. */
enum run_fate { FATE_DELAYED, FATE_SLEEPING, FATE_OWNED, FATE_COMPLETED, FATE_FAILED };
/* Its id lives until the next. FATE_FAILED: with an error of that name. */
const char *page_fixture_run(struct page_fixture *fixture, int number, const char *function, int64_t created_ms, int64_t due_ms,
                             enum run_fate fate, const char *error);

#endif
