/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `stepd dev` around a daemon that only answers /readyz: the supervisor runs itself with --config.
 * FAKE_DAEMON: "crash" dies of SIGSEGV a moment after its first start, "refuse" exits 78,
 * "refuse-once" the first time only, "stuck" ignores SIGTERM.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dev/dev.h"

static unsigned configured_port(const char *path)
{
    char line[512];
    unsigned port = 0;
    FILE *file = fopen(path, "re");

    while (file != NULL && port == 0 && fgets(line, sizeof(line), file) != NULL) {
        const char *at = strstr(line, "listen:");
        const char *colon = at != NULL ? strrchr(at, ':') : NULL;
        if (colon != NULL)
            port = (unsigned)strtoul(colon + 1, NULL, 10);
    }
    if (file != NULL)
        (void)fclose(file);
    return port;
}

static int serve(unsigned port)
{
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const int on = 1;
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons((uint16_t)port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 8) != 0)
        return 1;
    for (;;) {
        char request[512];
        int client = accept(fd, NULL, NULL);
        ssize_t got = read(client, request, sizeof(request));
        if (got > 0)
            (void)!write(client, reply, sizeof(reply) - 1);
        (void)close(client);
    }
}

static void crash(int signal_number)
{
    (void)signal_number;
    (void)signal(SIGSEGV, SIG_DFL);
    (void)raise(SIGSEGV);
}

static int is_first_start(const char *config)
{
    char mark[4096];

    (void)snprintf(mark, sizeof(mark), "%s.started", config);
    return mkdir(mark, 0700) == 0;
}

int main(int argc, char **argv)
{
    const char *what = getenv("FAKE_DAEMON");

    if (argc < 3 || strcmp(argv[1], "--config") != 0)
        return dev_main(argc, argv);
    if (what != NULL && strcmp(what, "refuse") == 0)
        return 78;
    if (what != NULL && strcmp(what, "refuse-once") == 0 && is_first_start(argv[2]))
        return 78;
    if (what != NULL && strcmp(what, "stuck") == 0)
        (void)signal(SIGTERM, SIG_IGN);
    if (what != NULL && strcmp(what, "crash") == 0 && is_first_start(argv[2])) {
        (void)signal(SIGALRM, crash);
        (void)alarm(1);
    }
    return serve(configured_port(argv[2]));
}
