/* SPDX-License-Identifier: Apache-2.0 */
#include "manager_fixture.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int sock;

void manager_start(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char name[64];

    /* An abstract address, named after us. */
    int length = snprintf(name, sizeof(name), "@stepd-notify-%d", (int)getpid());
    (void)snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "%s", name + 1);
    sock = socket(AF_UNIX, SOCK_DGRAM, 0);
    cr_assert_eq(bind(sock, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length)), 0);
    (void)setenv("NOTIFY_SOCKET", name, 1);
}

void manager_stop(void)
{
    (void)unsetenv("NOTIFY_SOCKET");
    (void)close(sock);
}

const char *manager_told(char *text, size_t size, int timeout_ms)
{
    struct pollfd watched = { .fd = sock, .events = POLLIN };

    text[0] = '\0';
    if (poll(&watched, 1, timeout_ms) != 1)
        return text;
    ssize_t got = read(sock, text, size - 1);
    text[got > 0 ? got : 0] = '\0';
    return text;
}
