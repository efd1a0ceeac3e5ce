/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker thread's HTTP client. Its connections stay open between requests. One thread only.
 */
#ifndef HANDLERS_HTTP_CLIENT_H
#define HANDLERS_HTTP_CLIENT_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;

struct request {
    const char *method, *url;
    const struct curl_slist *headers;
    const void *body;
    size_t body_size;
    int64_t timeout_ms; /* of all of it; 0: none */
    int64_t connect_timeout_ms;
    size_t response_most;                            /* bytes of the answer's body that are kept */
    const char *ca_file, *certificate, *private_key; /* PEM files; "": none */
    bool skips_verification;
    bool (*is_cancelled)(void *context); /* asked at least once a second */
    void *context;
};

enum answer_end {
    ANSWER_WHOLE, /* there is a status */
    ANSWER_NONE,  /* no server, no TLS, broken off */
    ANSWER_TIMED_OUT,
    ANSWER_CANCELLED,
};

struct answer {
    enum answer_end end;
    long status;
    bool is_json;     /* by its content type */
    bool is_cut;      /* there was more body */
    const char *body; /* these live until the client's next request */
    size_t body_size;
    const char *retry_after; /* the header's value, NULL: none */
    const char *problem;     /* ANSWER_NONE, ANSWER_TIMED_OUT: what went wrong */
};

struct client *client_create(void); /* NULL: out of memory */
void client_destroy(struct client *client);
struct answer client_ask(struct client *client, const struct request *request);

#endif
