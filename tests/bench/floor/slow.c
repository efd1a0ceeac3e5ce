/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slow DELAY_MS: an HTTP server that answers each POST 200 so much later, however many there are, and a GET at once with how many POSTs wait
 * for their answers. Prints the port it listens at; goes on until it is killed. The delay is the same for all: one list, in order.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LOT 256
#define REQUEST_SIZE 4096

struct connection {
    struct connection *next; /* in the list of those that wait */
    int socket;
    int is_waiting, has_ended;
    int64_t due_ms;
    size_t size;
    char request[REQUEST_SIZE];
};

static struct connection *first, *last;
static int waiting;

static void die(const char *why)
{
    perror(why);
    exit(1);
}

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void end(struct connection *connection)
{
    (void)close(connection->socket);
    free(connection);
}

static void answer(struct connection *connection, const char *body)
{
    char text[200];
    int size = snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\ncontent-length: %zu\r\n\r\n%s", strlen(body), body);

    (void)send(connection->socket, text, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int is_whole(struct connection *connection)
{
    connection->request[connection->size] = '\0';
    const char *body = strstr(connection->request, "\r\n\r\n");
    const char *size = strcasestr(connection->request, "\r\ncontent-length:");

    if (body == NULL)
        return 0;
    return connection->size >= (size_t)(body + 4 - connection->request) + (size == NULL ? 0 : strtoul(size + 17, NULL, 10));
}

static void take_request(struct connection *connection, int64_t delay_ms)
{
    char text[20];

    connection->size = 0;
    if (connection->request[0] == 'G') {
        (void)snprintf(text, sizeof(text), "%d", waiting);
        answer(connection, text);
        return;
    }
    connection->due_ms = now_ms() + delay_ms;
    connection->is_waiting = 1;
    connection->next = NULL;
    if (first == NULL)
        first = connection;
    else
        last->next = connection;
    last = connection;
    waiting++;
}

static void answer_due(void)
{
    int64_t now = now_ms();

    while (first != NULL && first->due_ms <= now) {
        struct connection *connection = first;
        first = connection->next;
        connection->is_waiting = 0;
        waiting--;
        if (connection->has_ended)
            end(connection);
        else
            answer(connection, "ok");
    }
}

static void read_from(int epoll, struct connection *connection, int64_t delay_ms)
{
    ssize_t size = recv(connection->socket, connection->request + connection->size, REQUEST_SIZE - 1 - connection->size, MSG_DONTWAIT);

    if (size < 0 && errno == EAGAIN)
        return;
    if (size <= 0) {
        (void)epoll_ctl(epoll, EPOLL_CTL_DEL, connection->socket, NULL);
        connection->has_ended = 1;
        if (!connection->is_waiting)
            end(connection);
        return;
    }
    connection->size += (size_t)size;
    if (is_whole(connection))
        take_request(connection, delay_ms);
}

static void watch(int epoll, struct connection *connection)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection->socket, &event) != 0)
        die("epoll_ctl");
}

static void take_client(int epoll, int listener)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    connection->socket = accept(listener, NULL, NULL);
    if (connection->socket < 0)
        die("accept");
    watch(epoll, connection);
}

static int listen_anywhere(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        die("listen");
    (void)printf("%d\n", ntohs(address.sin_port));
    (void)fflush(stdout);
    return listener;
}

int main(int argc, char **argv)
{
    struct epoll_event events[LOT];

    if (argc != 2)
        return 2;
    int64_t delay_ms = strtoll(argv[1], NULL, 10);
    struct connection listener = { .socket = listen_anywhere() };
    int epoll = epoll_create1(0);
    watch(epoll, &listener);
    for (;;) {
        int64_t left_ms = first == NULL ? -1 : first->due_ms - now_ms();
        int count = epoll_wait(epoll, events, LOT, first != NULL && left_ms < 0 ? 0 : (int)left_ms);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &listener)
                take_client(epoll, listener.socket);
            else
                read_from(epoll, events[i].data.ptr, delay_ms);
        }
        answer_due();
    }
}
