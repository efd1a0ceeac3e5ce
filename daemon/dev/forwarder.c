/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/forwarder.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/thread.h"
#include "dev/apis.h"
#include "dev/groups.h"
#include "dev/metadata.h"
#include "dev/offset_times.h"
#include "dev/wire.h"

enum {
    READ_SIZE = 256 * 1024,
    FRAME_LIMIT = 128 * 1024 * 1024, /* a longer request or response is no Kafka */
    BUFFER_LIMIT = 16 * 1024 * 1024, /* unsent bytes at which reading the other side pauses */
    TICK_MS = 100
};

/* One request of a client and the place of its answer in the client's order. */
struct exchange {
    struct exchange *next;
    struct client *client;
    int16_t api_key, version;
    int32_t correlation;
    bool is_local;  /* answered here, not by the broker */
    bool is_silent; /* the client expects no answer; the mock broker gives one all the same */
    bool is_ready;
    struct wire_buffer reply; /* a whole frame, once ready; empty if silent */
};

struct endpoint {
    struct client *client; /* NULL: the listening socket, or a wake-up */
    int fd;
    uint32_t events; /* what epoll watches */
    struct wire_buffer in, out;
};

struct client {
    struct client *next;
    struct forwarder *forwarder;
    struct endpoint user, broker;
    struct exchange *first, **last;
    int times_asked; /* exchanges that the thread of dev/offset_times.h has as tickets */
    bool is_closed;  /* freed at the end of a round, once no ticket is out */
};

/* Written by forwarder_start before the thread runs; then by the thread alone. */
struct forwarder {
    struct thread thread;
    bool is_running;
    int poll_fd;
    struct endpoint listener, stop, times_answered;
    uint16_t port, broker_port;
    struct groups *groups;
    struct offset_times *times;
    struct admin admin;
    struct client *clients;
};

static void watch(const struct forwarder *forwarder, struct endpoint *endpoint, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = endpoint };

    if (endpoint->events == events)
        return;
    (void)epoll_ctl(forwarder->poll_fd, endpoint->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, endpoint->fd, &event);
    endpoint->events = events;
}

static void watch_client(struct client *client)
{
    struct endpoint *user = &client->user, *broker = &client->broker;

    if (client->is_closed)
        return;
    watch(client->forwarder, user,
          (wire_buffer_size(&broker->out) < BUFFER_LIMIT ? EPOLLIN : 0u) | (wire_buffer_size(&user->out) > 0 ? EPOLLOUT : 0u) | EPOLLRDHUP);
    watch(client->forwarder, broker,
          (wire_buffer_size(&user->out) < BUFFER_LIMIT ? EPOLLIN : 0u) | (wire_buffer_size(&broker->out) > 0 ? EPOLLOUT : 0u) | EPOLLRDHUP);
}

/* Sends what is ready, as far as everything asked before it was answered too. */
static void send_ready(struct client *client)
{
    while (!client->is_closed && client->first != NULL && client->first->is_ready) {
        struct exchange *exchange = client->first;
        wire_buffer_add(&client->user.out, wire_buffer_data(&exchange->reply), wire_buffer_size(&exchange->reply));
        client->first = exchange->next;
        if (client->first == NULL)
            client->last = &client->first;
        wire_buffer_done(&exchange->reply);
        free(exchange);
    }
    watch_client(client);
}

static void reply_here(void *ticket, struct wire_buffer *body)
{
    struct exchange *exchange = ticket;

    assert(!exchange->is_ready && wire_buffer_size(&exchange->reply) == 0);
    wire_put_i32(&exchange->reply, (int32_t)wire_buffer_size(body) + 4);
    wire_put_i32(&exchange->reply, exchange->correlation);
    wire_buffer_add(&exchange->reply, wire_buffer_data(body), wire_buffer_size(body));
    wire_buffer_done(body);
    exchange->is_ready = true;
    send_ready(exchange->client);
}

static void client_close(struct client *client)
{
    if (client->is_closed)
        return;
    client->is_closed = true;
    (void)close(client->user.fd);
    (void)close(client->broker.fd);
    groups_client_closed(client->forwarder->groups, client, clock_monotonic_ms());
}

static void client_free(struct client *client)
{
    while (client->first != NULL) {
        struct exchange *exchange = client->first;
        client->first = exchange->next;
        wire_buffer_done(&exchange->reply);
        free(exchange);
    }
    wire_buffer_done(&client->user.in);
    wire_buffer_done(&client->user.out);
    wire_buffer_done(&client->broker.in);
    wire_buffer_done(&client->broker.out);
    free(client);
}

static void free_closed(struct forwarder *forwarder)
{
    struct client **at = &forwarder->clients;

    assert_thread(&forwarder->thread);
    while (*at != NULL) {
        struct client *client = *at;
        if (!client->is_closed || client->times_asked > 0) {
            at = &client->next;
            continue;
        }
        *at = client->next;
        client_free(client);
    }
}

/* Whoever produces with acks=0 expects no answer. */
static bool is_answered(int16_t api_key, int16_t version, struct wire_reader body)
{
    if (api_key != API_PRODUCE)
        return true;
    if (version >= 3)
        (void)wire_read_string(&body); /* transactional id */
    return wire_read_i16(&body) != 0;
}

static struct exchange *exchange_add(struct client *client)
{
    struct exchange *exchange = xcalloc(1, sizeof(*exchange));
    exchange->client = client;
    *client->last = exchange;
    client->last = &exchange->next;
    return exchange;
}

/* To the broker, in a version that it knows. */
static void pass_on(struct client *client, const struct exchange *exchange, const uint8_t *frame, size_t size)
{
    if (exchange->api_key == API_METADATA)
        metadata_ask(&client->broker.out, frame, size, exchange->version);
    else
        wire_buffer_add(&client->broker.out, frame, size);
}

static bool answer_admin(struct exchange *exchange, struct wire_reader body)
{
    struct wire_buffer reply = { 0 };

    if (!admin_answer(&exchange->client->forwarder->admin, exchange->api_key, exchange->version, body, &reply))
        return false;
    reply_here(exchange, &reply);
    return true;
}

static bool ask_for_times(struct exchange *exchange, struct wire_reader body)
{
    if (exchange->api_key != API_LIST_OFFSETS || !offset_times_are_asked(exchange->version, body))
        return false;
    exchange->is_local = true;
    exchange->client->times_asked++;
    offset_times_ask(exchange->client->forwarder->times, exchange, exchange->version, body);
    return true;
}

static void answer_times(struct forwarder *forwarder)
{
    struct wire_buffer answer = { 0 };
    struct exchange *exchange;

    while ((exchange = offset_times_take(forwarder->times, &answer)) != NULL) {
        exchange->client->times_asked--;
        reply_here(exchange, &answer);
    }
}

/* The answer's place is taken before the groups are asked, as they may answer at once; a request
   that they leave to the broker keeps that place. What is not offered closes the connection, as Kafka's brokers do. */
static int handle_request(struct client *client, const uint8_t *frame, size_t size)
{
    assert_thread(&client->forwarder->thread);
    struct wire_reader body = wire_reader(frame, size);
    (void)wire_read_i32(&body); /* length */
    const int16_t api_key = wire_read_i16(&body);
    const int16_t version = wire_read_i16(&body);
    const int32_t correlation = wire_read_i32(&body);
    const struct wire_span client_id = wire_read_string(&body);

    if (body.is_short || (api_key != API_VERSIONS && !api_is_offered(api_key, version)))
        return -EPROTO;
    struct exchange *exchange = exchange_add(client);
    const struct group_request request = { client, exchange, api_key, version, client_id, clock_monotonic_ms() };
    exchange->api_key = api_key;
    exchange->version = version;
    exchange->correlation = correlation;
    exchange->is_silent = !is_answered(api_key, version, body);
    exchange->is_local = api_key == API_JOIN_GROUP || api_key == API_SYNC_GROUP || api_key == API_HEARTBEAT || api_key == API_LEAVE_GROUP;
    if (!answer_admin(exchange, body) && !ask_for_times(exchange, body) && !groups_handle(client->forwarder->groups, &request, body))
        pass_on(client, exchange, frame, size);
    return 0;
}

static void patch_coordinator(uint8_t *body, size_t size, int16_t version, uint16_t port)
{
    struct wire_reader reader = wire_reader(body, size);

    if (version >= 1)
        (void)wire_read_i32(&reader); /* throttle */
    const int16_t code = wire_read_i16(&reader);
    if (version >= 1)
        (void)wire_read_string(&reader); /* error message */
    (void)wire_read_i32(&reader);        /* node id */
    (void)wire_read_string(&reader);     /* host */
    if (code == 0 && !reader.is_short && reader.end - reader.at >= 4)
        wire_patch_i32(body + (reader.at - body), port);
}

static int handle_response(struct client *client, uint8_t *frame, size_t size)
{
    struct wire_reader header = wire_reader(frame, size);
    struct exchange *exchange = client->first;

    (void)wire_read_i32(&header); /* length */
    const int32_t correlation = wire_read_i32(&header);
    while (exchange != NULL && exchange->correlation != correlation) {
        if (exchange->is_silent)
            exchange->is_ready = true;
        else if (!exchange->is_local && !exchange->is_ready)
            return -EPROTO; /* the broker answers in order */
        exchange = exchange->next;
    }
    if (exchange == NULL || exchange->is_local || exchange->is_ready)
        return -EPROTO;
    exchange->is_ready = true;
    if (exchange->is_silent)
        return 0;
    if (exchange->api_key == API_METADATA) {
        metadata_answer(&exchange->reply, frame, size, exchange->version, client->forwarder->port);
        return 0;
    }
    if (exchange->api_key == API_FIND_COORDINATOR)
        patch_coordinator(frame + 8, size - 8, exchange->version, client->forwarder->port);
    wire_buffer_add(&exchange->reply, frame, size);
    return 0;
}

/* Hands on each whole frame that has come in. */
static int take_frames(struct client *client, struct endpoint *from)
{
    while (wire_buffer_size(&from->in) >= 4) {
        uint8_t *frame = wire_buffer_data(&from->in);
        struct wire_reader reader = wire_reader(frame, 4);
        const int32_t length = wire_read_i32(&reader);
        const size_t size = (size_t)length + 4;

        if (length < 4 || length > FRAME_LIMIT)
            return -EPROTO;
        if (wire_buffer_size(&from->in) < size)
            return 0;
        int status = from == &client->user ? handle_request(client, frame, size) : handle_response(client, frame, size);
        if (status != 0)
            return status;
        wire_buffer_take(&from->in, size);
    }
    return 0;
}

static int receive(struct client *client, struct endpoint *from)
{
    uint8_t *space = wire_buffer_reserve(&from->in, READ_SIZE);
    ssize_t got = recv(from->fd, space, READ_SIZE, MSG_DONTWAIT);

    if (got == 0)
        return -ECONNRESET;
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    from->in.to += (size_t)got;
    return take_frames(client, from);
}

static int transmit(struct endpoint *to)
{
    if (wire_buffer_size(&to->out) == 0)
        return 0;
    ssize_t sent = send(to->fd, wire_buffer_data(&to->out), wire_buffer_size(&to->out), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    wire_buffer_take(&to->out, (size_t)sent);
    return 0;
}

static void client_ready(struct endpoint *endpoint, uint32_t events)
{
    struct client *client = endpoint->client;
    int status = 0;

    if (client->is_closed)
        return;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        status = receive(client, endpoint);
    if (status == 0 && !client->is_closed) {
        send_ready(client);
        status = transmit(&client->user);
    }
    if (status == 0)
        status = transmit(&client->broker);
    if (status != 0)
        client_close(client);
    else
        watch_client(client);
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* A blocking connect: the broker is in this process and listens. */
static int connect_broker(uint16_t port)
{
    const struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void accept_client(struct forwarder *forwarder)
{
    const int on = 1;
    int user = accept4(forwarder->listener.fd, NULL, NULL, SOCK_CLOEXEC);

    assert_thread(&forwarder->thread);
    if (user < 0)
        return;
    int broker = connect_broker(forwarder->broker_port);
    if (broker < 0) {
        (void)close(user);
        return;
    }
    (void)setsockopt(user, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(broker, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct client *client = xcalloc(1, sizeof(*client));
    client->forwarder = forwarder;
    client->user = (struct endpoint){ .client = client, .fd = user };
    client->broker = (struct endpoint){ .client = client, .fd = broker };
    client->last = &client->first;
    client->next = forwarder->clients;
    forwarder->clients = client;
    watch_client(client);
}

static void *forward(void *opaque)
{
    struct forwarder *forwarder = opaque;
    struct epoll_event events[32];
    int64_t ticked_ms = 0;

    for (;;) {
        int count = epoll_wait(forwarder->poll_fd, events, 32, TICK_MS);
        for (int i = 0; i < count; i++) {
            struct endpoint *endpoint = events[i].data.ptr;
            if (endpoint == &forwarder->stop)
                return NULL;
            if (endpoint == &forwarder->listener)
                accept_client(forwarder);
            else if (endpoint == &forwarder->times_answered)
                answer_times(forwarder);
            else
                client_ready(endpoint, events[i].events);
        }
        free_closed(forwarder);
        const int64_t now_ms = clock_monotonic_ms();
        if (now_ms - ticked_ms >= TICK_MS) {
            groups_tick(forwarder->groups, now_ms);
            ticked_ms = now_ms;
        }
    }
}

static int listen_on(struct forwarder *forwarder, uint16_t port)
{
    const int on = 1;
    struct sockaddr_in address = loopback(port);
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    forwarder->listener.fd = fd;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 128) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return -errno;
    forwarder->port = ntohs(address.sin_port);
    return 0;
}

static int start_threads(struct forwarder *forwarder, struct error *ret_error)
{
    int status = offset_times_start(forwarder->broker_port, &forwarder->times, ret_error);

    if (status != 0)
        return status;
    forwarder->times_answered.fd = offset_times_fd(forwarder->times);
    watch(forwarder, &forwarder->listener, EPOLLIN);
    watch(forwarder, &forwarder->stop, EPOLLIN);
    watch(forwarder, &forwarder->times_answered, EPOLLIN);
    return thread_start(&forwarder->thread, "forwarder", 0, forward, forwarder, ret_error);
}

int forwarder_start(uint16_t port, uint16_t broker_port, const struct admin *admin, struct forwarder **ret_forwarder,
                    struct error *ret_error)
{
    struct forwarder *forwarder = xcalloc(1, sizeof(*forwarder));

    forwarder->broker_port = broker_port;
    forwarder->admin = *admin;
    forwarder->groups = groups_create(reply_here);
    forwarder->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    forwarder->stop.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int status = listen_on(forwarder, port);
    if (status == 0 && (forwarder->poll_fd < 0 || forwarder->stop.fd < 0))
        status = -EMFILE;
    if (status == 0)
        status = start_threads(forwarder, ret_error);
    else
        status = error_set(ret_error, -status, "cannot listen on 127.0.0.1:%u: %s", port, strerror(-status));
    if (status != 0) {
        forwarder_stop(forwarder);
        return status;
    }
    forwarder->is_running = true;
    *ret_forwarder = forwarder;
    return 0;
}

uint16_t forwarder_port(const struct forwarder *forwarder)
{
    return forwarder->port;
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

void forwarder_stop(struct forwarder *forwarder)
{
    if (forwarder == NULL)
        return;
    if (forwarder->is_running) {
        const uint64_t one = 1;
        ssize_t written = write(forwarder->stop.fd, &one, sizeof(one));
        assert(written == sizeof(one));
        thread_join(&forwarder->thread);
        groups_hand_over(forwarder->groups);
    }
    offset_times_stop(forwarder->times);
    for (struct client *client = forwarder->clients; client != NULL; client = client->next) {
        client_close(client);
        client->times_asked = 0;
    }
    free_closed(forwarder);
    groups_destroy(forwarder->groups);
    close_if_open(forwarder->listener.fd);
    close_if_open(forwarder->stop.fd);
    close_if_open(forwarder->poll_fd);
    free(forwarder);
}
