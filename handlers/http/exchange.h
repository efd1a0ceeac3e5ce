/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its answer, from when it is made until its function has judged it. It has one owner at a time: the
 * function, and between the two who sends it.
 */
#ifndef HANDLERS_HTTP_EXCHANGE_H
#define HANDLERS_HTTP_EXCHANGE_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request {
    const char *method, *url;   /* these live as long as the function's options */
    struct curl_slist *headers; /* the exchange's */
    void *body;                 /* the exchange's: free() */
    size_t body_size;
    int64_t timeout_ms; /* of all of it; 0: none */
    int64_t connect_timeout_ms;
    size_t response_most;                            /* bytes of the answer's body that are kept */
    const char *ca_file, *certificate, *private_key; /* PEM files; "": none */
    bool skips_verification;
};

enum answer_end {
    ANSWER_WHOLE, /* there is a status */
    ANSWER_NONE,  /* no server, no TLS, broken off */
    ANSWER_TIMED_OUT,
};

struct answer {
    enum answer_end end;
    long status;
    bool is_json;     /* by its content type */
    bool is_cut;      /* there was more body */
    const char *body; /* these live as long as the exchange */
    size_t body_size;
    const char *retry_after; /* the header's value, NULL: none */
    const char *problem;     /* ANSWER_NONE, ANSWER_TIMED_OUT: what went wrong */
};

/* NULL: out of memory, and what was to be the exchange's is not. */
struct exchange *exchange_create(const struct request *request);
void exchange_destroy(struct exchange *exchange);
/* Any one thread, in this order: what is asked of a handle that was reset, and what came once it is over. */
void exchange_prepare(struct exchange *exchange, CURL *curl);
void exchange_finish(struct exchange *exchange, CURL *curl, CURLcode code);
/* Once it has finished. */
const struct answer *exchange_answer(const struct exchange *exchange);

#endif
