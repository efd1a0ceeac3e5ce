/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/sender.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

#define PATH "/v1/traces"
#define MANY 512         /* spans for which no more are waited for */
#define WAIT_MS 1000     /* else they go out that often */
#define TIMEOUT_MS 10000 /* of one request */
#define LAST_MS 2000     /* for what is left at the end */
#define TRIES 5
#define PAUSE_MS 500 /* before the second try; doubled before each that follows */
#define SLICE_US 50000
#define KEPT_MOST ((size_t)1 << 20) /* bytes of a buffer that the next request may have */

struct sender {
    char *url;
    char *version, *instance, *host;
    struct outbox *outbox;
    struct thread thread;
    CURL *curl; /* the thread's, as all below */
    struct curl_slist *headers;
    char why[CURL_ERROR_SIZE];
    msgpack_sbuffer spans, body;
    bool has_trouble; /* it was said */
    int64_t last_ms;  /* monotonic, of the end; 0: not yet */
    _Atomic(uint64_t) sent;
};

/* ---- one request ----------------------------------------------------------------------------------- */

enum answer { ANSWER_TAKEN, ANSWER_LATER, ANSWER_REFUSED };

/* Those that the protocol names are worth another try. */
static enum answer answer_of(long status)
{
    if (status >= 200 && status < 300)
        return ANSWER_TAKEN;
    return status == 429 || status == 502 || status == 503 || status == 504 ? ANSWER_LATER : ANSWER_REFUSED;
}

static enum answer post(struct sender *sender)
{
    int64_t left_ms = sender->last_ms != 0 ? sender->last_ms - clock_monotonic_ms() : TIMEOUT_MS;
    long status = 0;

    assert_thread(&sender->thread);
    sender->why[0] = '\0';
    (void)curl_easy_setopt(sender->curl, CURLOPT_TIMEOUT_MS, left_ms > 1 ? (long)left_ms : 1L);
    (void)curl_easy_setopt(sender->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)sender->body.size);
    (void)curl_easy_setopt(sender->curl, CURLOPT_POSTFIELDS, sender->body.data);
    CURLcode code = curl_easy_perform(sender->curl);
    if (code != CURLE_OK) {
        if (sender->why[0] == '\0')
            (void)snprintf(sender->why, sizeof(sender->why), "%s", curl_easy_strerror(code));
        return ANSWER_LATER;
    }
    (void)curl_easy_getinfo(sender->curl, CURLINFO_RESPONSE_CODE, &status);
    (void)snprintf(sender->why, sizeof(sender->why), "it answers %ld", status);
    return answer_of(status);
}

/* Once at the beginning, once at the end. */
static void say(struct sender *sender, bool has_trouble)
{
    if (has_trouble == sender->has_trouble)
        return;
    sender->has_trouble = has_trouble;
    if (has_trouble)
        log_warn("traces do not reach %s: %s; stepd drops those that it can't send in time", sender->url, sender->why);
    else
        log_info("traces get to %s again", sender->url);
}

/* At the end of the daemon there is one more try, and no pause. */
static void pause_for(struct sender *sender, int64_t ms)
{
    int64_t until_ms = clock_monotonic_ms() + ms;

    while (clock_monotonic_ms() < until_ms && !outbox_is_closed(sender->outbox))
        (void)usleep(SLICE_US);
}

static void note_end(struct sender *sender)
{
    if (sender->last_ms == 0 && outbox_is_closed(sender->outbox))
        sender->last_ms = clock_monotonic_ms() + LAST_MS;
}

/* Whether the collector has taken what is in sender->body. */
static bool deliver(struct sender *sender)
{
    enum answer answer = ANSWER_LATER;
    int64_t pause_ms = PAUSE_MS;

    for (int i = 0; i < TRIES && answer == ANSWER_LATER; i++, pause_ms *= 2) {
        if (i > 0)
            pause_for(sender, pause_ms);
        note_end(sender);
        if (sender->last_ms != 0 && clock_monotonic_ms() >= sender->last_ms)
            return false;
        answer = post(sender);
        say(sender, answer != ANSWER_TAKEN);
    }
    return answer == ANSWER_TAKEN;
}

/* ---- the thread ------------------------------------------------------------------------------------ */

static void write_request(struct sender *sender)
{
    const struct span_sender who = { .version = sender->version, .instance = sender->instance, .host = sender->host };

    msgpack_sbuffer_clear(&sender->body);
    const struct span_request request = span_request_begin(&sender->body, &who);
    span_request_add(&request, (struct bytes){ sender->spans.data, sender->spans.size });
    span_request_end(&request);
}

/* What a burst needed is given back. */
static void empty(msgpack_sbuffer *buffer)
{
    msgpack_sbuffer_clear(buffer);
    if (buffer->alloc <= KEPT_MOST)
        return;
    msgpack_sbuffer_destroy(buffer);
    msgpack_sbuffer_init(buffer);
}

static void *work(void *context)
{
    struct sender *sender = context;
    bool is_last = false;

    while (!is_last) {
        is_last = outbox_is_closed(sender->outbox);
        uint64_t count = outbox_fetch(sender->outbox, MANY, WAIT_MS, &sender->spans);
        if (count == 0)
            continue;
        write_request(sender);
        bool is_sent = deliver(sender);
        if (is_sent)
            atomic_fetch_add(&sender->sent, count);
        empty(&sender->spans);
        empty(&sender->body);
        outbox_settle(sender->outbox, is_sent);
    }
    return NULL;
}

/* ---- its life -------------------------------------------------------------------------------------- */

static size_t ignore_body(char *data, size_t size, size_t count, void *context)
{
    (void)data;
    (void)context;
    return size * count;
}

static bool has_path(const char *url)
{
    const char *host = strstr(url, "://");
    const char *path = host != NULL ? strchr(host + 3, '/') : NULL;

    return path != NULL && path[1] != '\0';
}

static char *url_of(const char *url)
{
    size_t length = strlen(url);

    return has_path(url) ? xstrdup(url) : xasprintf("%.*s" PATH, (int)(length - (length > 0 && url[length - 1] == '/')), url);
}

/* A collector that takes a request and never answers holds up no daemon that stops. */
static int ask_whether_over(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    struct sender *sender = context;

    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    note_end(sender);
    return sender->last_ms != 0 && clock_monotonic_ms() >= sender->last_ms;
}

static void set_up(struct sender *sender)
{
    CURL *curl = sender->curl;

    (void)curl_easy_setopt(curl, CURLOPT_URL, sender->url);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, sender->headers);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore_body);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, sender->why);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, ask_whether_over);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, sender);
}

struct sender *sender_create(const char *url, const struct span_sender *who, struct outbox *outbox)
{
    struct sender *sender = xcalloc(1, sizeof(*sender));

    sender->url = url_of(url);
    sender->version = xstrdup(who->version);
    sender->instance = xstrdup(who->instance);
    sender->host = xstrdup(who->host);
    sender->outbox = outbox;
    msgpack_sbuffer_init(&sender->spans);
    msgpack_sbuffer_init(&sender->body);
    sender->curl = curl_easy_init();
    sender->headers = curl_slist_append(NULL, "Content-Type: application/x-protobuf");
    sender->headers = curl_slist_append(sender->headers, "User-Agent: stepd");
    sender->headers = curl_slist_append(sender->headers, "Expect:"); /* no waiting for a go-ahead */
    if (sender->curl == NULL || sender->headers == NULL)
        abort();
    set_up(sender);
    return sender;
}

int sender_start(struct sender *sender, struct error *ret_error)
{
    return thread_start(&sender->thread, "traces", 0, work, sender, ret_error);
}

void sender_destroy(struct sender *sender)
{
    if (sender == NULL)
        return;
    thread_join(&sender->thread);
    curl_easy_cleanup(sender->curl);
    curl_slist_free_all(sender->headers);
    msgpack_sbuffer_destroy(&sender->spans);
    msgpack_sbuffer_destroy(&sender->body);
    free(sender->url);
    free(sender->version);
    free(sender->instance);
    free(sender->host);
    free(sender);
}

uint64_t sender_sent(const struct sender *sender)
{
    return atomic_load(&sender->sent);
}
