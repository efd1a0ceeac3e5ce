/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/ports.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

int port_choose(uint16_t wanted, uint16_t *ret_port)
{
    const int on = 1;
    struct sockaddr_in address = loopback(wanted);
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int status = 0;

    if (fd < 0)
        return -errno;
    /* A free port is not asked for with SO_REUSEADDR, which would give out one in use. */
    if (wanted != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 1) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        status = -errno;
    (void)close(fd);
    if (status == 0)
        *ret_port = ntohs(address.sin_port);
    return status;
}

int port_connect(uint16_t port, int timeout_ms, int *ret_fd)
{
    const struct sockaddr_in address = loopback(port);
    const struct timeval timeout = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        const int code = errno;
        (void)close(fd);
        return -code;
    }
    *ret_fd = fd;
    return 0;
}

int port_ask(uint16_t port, int timeout_ms, const char *request, const char *until, char *answer, size_t size)
{
    size_t length = 0;
    ssize_t got = 1;
    int fd = -1;
    int status = port_connect(port, timeout_ms, &fd);

    if (status != 0)
        return status;
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
        status = -errno;
    answer[0] = '\0';
    while (status == 0 && got > 0 && length + 1 < size) {
        got = recv(fd, answer + length, size - 1 - length, 0);
        length += got > 0 ? (size_t)got : 0;
        answer[length] = '\0';
        if (until != NULL && strstr(answer, until) != NULL)
            break;
    }
    (void)close(fd);
    return status == 0 && length == 0 ? -ECONNRESET : status;
}
