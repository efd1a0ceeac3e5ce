/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay PORT DELAY_US: stands before a server on this machine as if it were away: what comes from either side is passed on DELAY_US
 * later, so a round trip takes twice that. Prints the port it listens at; goes on until it is killed.
 *
 * The delay is the same for all, so what came first is due first: one list, and one timer for its head.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (64 * 1024)
#define LOT 64

struct chunk {
    struct chunk *next;
    struct side *to;
    int64_t due_ns;
    size_t size, sent; /* size 0: the other side has ended */
    char data[];
};

struct list {
    struct chunk *first, *last;
};

/* One end of a connection, and what could not be written to it yet. Ends are few, and never freed. */
struct side {
    int socket;
    int has_ended;
    struct side *other;
    struct list late;
};

static struct list under_way;

static void die(const char *why)
{
    perror(why);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void append(struct list *list, struct chunk *chunk)
{
    chunk->next = NULL;
    if (list->first == NULL)
        list->first = chunk;
    else
        list->last->next = chunk;
    list->last = chunk;
}

static struct chunk *take_first(struct list *list)
{
    struct chunk *chunk = list->first;

    list->first = chunk->next;
    return chunk;
}

static void watch(int epoll, int operation, struct side *side)
{
    struct epoll_event event = { .events = (side->has_ended ? 0 : EPOLLIN) | (side->late.first != NULL ? EPOLLOUT : 0), .data.ptr = side };

    if (epoll_ctl(epoll, operation, side->socket, &event) != 0)
        die("epoll_ctl");
}

static struct side *side_of(int socket)
{
    const int on = 1;
    struct side *side = calloc(1, sizeof(*side));

    (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    side->socket = socket;
    return side;
}

static void take_client(int epoll, int listener, int port)
{
    const struct sockaddr_in server = { .sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int to_client = accept(listener, NULL, NULL);
    int to_server = socket(AF_INET, SOCK_STREAM, 0);

    if (to_client < 0 || to_server < 0 || connect(to_server, (const struct sockaddr *)&server, sizeof(server)) != 0)
        die("connect");
    struct side *client = side_of(to_client);
    client->other = side_of(to_server);
    client->other->other = client;
    watch(epoll, EPOLL_CTL_ADD, client);
    watch(epoll, EPOLL_CTL_ADD, client->other);
}

/* Returns whether all of it is written. */
static int pass_on(struct chunk *chunk)
{
    if (chunk->size == 0) {
        (void)shutdown(chunk->to->socket, SHUT_WR);
        return 1;
    }
    while (chunk->sent < chunk->size) {
        ssize_t written = send(chunk->to->socket, chunk->data + chunk->sent, chunk->size - chunk->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (written < 0 && errno == EAGAIN)
            return 0;
        if (written < 0) /* nobody is there any more */
            return 1;
        chunk->sent += (size_t)written;
    }
    return 1;
}

static void pass_on_due(int epoll)
{
    int64_t now = now_ns();

    while (under_way.first != NULL && under_way.first->due_ns <= now) {
        struct chunk *chunk = take_first(&under_way);
        struct side *to = chunk->to;
        if (to->late.first != NULL) {
            append(&to->late, chunk);
        } else if (pass_on(chunk)) {
            free(chunk);
        } else {
            append(&to->late, chunk);
            watch(epoll, EPOLL_CTL_MOD, to);
        }
    }
}

static void pass_on_late(int epoll, struct side *to)
{
    while (to->late.first != NULL && pass_on(to->late.first))
        free(take_first(&to->late));
    watch(epoll, EPOLL_CTL_MOD, to);
}

static void read_from(int epoll, struct side *from, int64_t delay_ns)
{
    static char data[CHUNK];
    ssize_t size = recv(from->socket, data, sizeof(data), MSG_DONTWAIT);

    if (size < 0 && errno == EAGAIN)
        return;
    if (size <= 0) {
        size = 0;
        from->has_ended = 1;
        watch(epoll, EPOLL_CTL_MOD, from);
    }
    struct chunk *chunk = malloc(sizeof(*chunk) + (size_t)size);
    *chunk = (struct chunk){ .to = from->other, .due_ns = now_ns() + delay_ns, .size = (size_t)size };
    memcpy(chunk->data, data, (size_t)size);
    append(&under_way, chunk);
}

static int wait_for(int epoll, struct epoll_event *events)
{
    struct timespec left = { 0 };

    if (under_way.first == NULL)
        return epoll_pwait2(epoll, events, LOT, NULL, NULL);
    int64_t left_ns = under_way.first->due_ns - now_ns();
    if (left_ns > 0)
        left = (struct timespec){ .tv_sec = left_ns / 1000000000, .tv_nsec = left_ns % 1000000000 };
    return epoll_pwait2(epoll, events, LOT, &left, NULL);
}

static int listen_anywhere(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 512) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        die("listen");
    (void)printf("%d\n", ntohs(address.sin_port));
    (void)fflush(stdout);
    return listener;
}

int main(int argc, char **argv)
{
    struct epoll_event events[LOT];

    if (argc != 3)
        return 2;
    int port = atoi(argv[1]);
    int64_t delay_ns = strtoll(argv[2], NULL, 10) * 1000;
    struct side listener = { .socket = listen_anywhere() };
    int epoll = epoll_create1(0);
    (void)prctl(PR_SET_TIMERSLACK, 1);
    watch(epoll, EPOLL_CTL_ADD, &listener);
    for (;;) {
        int count = wait_for(epoll, events);
        for (int i = 0; i < count; i++) {
            struct side *side = events[i].data.ptr;
            if (side == &listener) {
                take_client(epoll, listener.socket, port);
                continue;
            }
            if ((events[i].events & EPOLLOUT) != 0)
                pass_on_late(epoll, side);
            if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !side->has_ended)
                read_from(epoll, side, delay_ns);
        }
        pass_on_due(epoll);
    }
}
