/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/folder.h"
#include "base/memory.h"
#include "dev/broker.h"
#include "dev/child.h"
#include "dev/options.h"
#include "dev/ports.h"
#include "dev/redis_server.h"
#include "dev/settings.h"
#include "dev/watch.h"

enum {
    READY_POLL_MS = 50,
    WATCH_POLL_MS = 300,
    SLOW_START_MS = 15 * 1000, /* then say once what it waits for */
    BACKOFF_LEAST_MS = 200,
    BACKOFF_MOST_MS = 5000,
    STEADY_MS = 10 * 1000, /* a child that lived so long starts again with the least backoff */
    DAEMON_STOP_MS = 20 * 1000,
    REDIS_STOP_MS = 5 * 1000
};

/* A child that is started again when it ends. */
struct watched {
    const char *name;
    pid_t pid; /* 0: it does not run */
    int64_t started_ms;
    int64_t restart_ms; /* when to start it again; 0: not waiting for that */
    int backoff_ms;
};

/* The supervisor. The main thread's: the only other thread is the forwarder's, which knows none of it. */
struct dev {
    struct dev_options options;
    char *folder; /* absolute */
    char *config_path;
    char **topics, **modules, **program_files;
    struct watch *watch;         /* of modules; NULL without --watch */
    struct watch *program_watch; /* of programs; likewise */
    bool is_renewing;            /* the daemon was told to end, since a module changed */
    int lock_fd, signal_fd;
    struct broker *broker; /* NULL with --kafka */
    struct watched daemon, redis;
    uint16_t redis_port, http_port;
    char *kafka, *redis_url, *redis_shown, *http;
    bool is_ready; /* as last said */
    bool is_slow;  /* said that it takes long */
    bool is_new;   /* never was ready */
    int exit_status;
    bool is_ending;
};

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    AUTO_FREE char *text = xvasprintf(format, arguments);
    va_end(arguments);
    (void)printf("stepd dev: %s\n", text);
    (void)fflush(stdout);
}

static void complain(const char *text)
{
    (void)fprintf(stderr, "stepd dev: %s\n", text);
}

/* ---- folder and lock ---- */

static char *default_folder(void)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");

    if (state != NULL && state[0] == '/')
        return xasprintf("%s/stepd/dev", state);
    return xasprintf("%s/.local/state/stepd/dev", home != NULL ? home : "");
}

static int open_folder(struct dev *dev, struct error *ret_error)
{
    AUTO_FREE char *wanted = dev->options.data_dir != NULL ? xstrdup(dev->options.data_dir) : default_folder();
    int status = wanted[0] != '\0' ? folder_make(wanted) : -EINVAL;

    if (status == 0)
        dev->folder = realpath(wanted, NULL);
    if (dev->folder == NULL)
        return error_set(ret_error, status != 0 ? -status : errno, "cannot make the folder '%s' (%s): choose another with --data DIR",
                         wanted, strerror(status != 0 ? -status : errno));
    dev->config_path = xasprintf("%s/stepd.yaml", dev->folder);
    return 0;
}

static int lock_folder(struct dev *dev, struct error *ret_error)
{
    AUTO_FREE char *path = xasprintf("%s/lock", dev->folder);
    char owner[16] = "?";

    dev->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (dev->lock_fd < 0)
        return error_set(ret_error, errno, "cannot write %s: %s", path, strerror(errno));
    if (flock(dev->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t got = read(dev->lock_fd, owner, sizeof(owner) - 1);
        owner[got > 0 ? got : 1] = '\0';
        owner[strcspn(owner, "\n")] = '\0';
        return error_set(ret_error, EBUSY,
                         "another `stepd dev` (process %s) uses %.80s: stop it, or "
                         "give this one a folder of its own with --data DIR",
                         owner, dev->folder);
    }
    if (ftruncate(dev->lock_fd, 0) == 0)
        (void)dprintf(dev->lock_fd, "%d\n", (int)getpid());
    return 0;
}

/* ---- start ---- */

static int port_refused(int status, const char *what, uint16_t port, const char *option, struct error *ret_error)
{
    if (status == -EADDRINUSE)
        return error_set(ret_error, EADDRINUSE,
                         "port %u (%s) is in use: stop what uses it, or choose another with --%s N "
                         "(0: any free one)",
                         port, what, option);
    return error_set(ret_error, -status, "cannot listen on port %u (%s): %s", port, what, strerror(-status));
}

static int start_broker(struct dev *dev, struct error *ret_error)
{
    if (dev->options.kafka != NULL) {
        dev->kafka = xstrdup(dev->options.kafka);
        return 0;
    }
    int status = broker_start(dev->options.kafka_port, &dev->broker, ret_error);
    if (status == -EADDRINUSE)
        return port_refused(status, "Kafka", dev->options.kafka_port, "kafka-port", ret_error);
    for (char **topic = dev->topics; status == 0 && *topic != NULL; topic++) {
        AUTO_FREE char *dead = xasprintf("%s.dead", *topic);
        status = broker_create_topic(dev->broker, *topic, 1, ret_error);
        if (status == 0)
            status = broker_create_topic(dev->broker, dead, 1, ret_error);
    }
    if (status == 0)
        dev->kafka = xasprintf("127.0.0.1:%u", broker_port(dev->broker));
    return status;
}

/* HOST:PORT of a URL, without its password. Caller frees. */
static char *url_place(const char *url)
{
    const char *from = strstr(url, "://");

    from = from != NULL ? from + 3 : url;
    const char *sign = strchr(from, '@');
    from = sign != NULL ? sign + 1 : from;
    return from[0] == '/' ? xstrdup(from) : xstrndup(from, strcspn(from, "/?"));
}

static int launch_redis(struct dev *dev, struct error *ret_error)
{
    AUTO_FREE char *folder = xasprintf("%s/redis", dev->folder);

    dev->redis.started_ms = clock_monotonic_ms();
    return redis_server_start(folder, dev->redis_port, &dev->redis.pid, ret_error);
}

/* The server of a `stepd dev` that was killed may need a moment to let go of its port. */
static int choose_redis_port(struct dev *dev)
{
    const struct timespec nap = { .tv_nsec = 100 * 1000 * 1000 };
    int status = port_choose(dev->options.redis_port, &dev->redis_port);

    for (int tries = 0; status == -EADDRINUSE && tries < 10; tries++) {
        (void)nanosleep(&nap, NULL);
        status = port_choose(dev->options.redis_port, &dev->redis_port);
    }
    return status;
}

static int start_redis(struct dev *dev, struct error *ret_error)
{
    if (dev->options.redis != NULL) {
        dev->redis_url = xstrdup(dev->options.redis);
        dev->redis_shown = url_place(dev->options.redis);
        return 0;
    }
    int status = choose_redis_port(dev);
    if (status != 0)
        return port_refused(status, "Redis", dev->options.redis_port, "redis-port", ret_error);
    dev->redis_url = xasprintf("redis://127.0.0.1:%u/0", dev->redis_port);
    dev->redis_shown = xasprintf("127.0.0.1:%u", dev->redis_port);
    return launch_redis(dev, ret_error);
}

static int write_config(struct dev *dev, struct error *ret_error)
{
    int status = port_choose(dev->options.http_port, &dev->http_port);

    if (status != 0)
        return port_refused(status, "HTTP", dev->options.http_port, "http-port", ret_error);
    dev->http = xasprintf("127.0.0.1:%u", dev->http_port);
    const struct dev_settings settings = { &dev->options, dev->kafka, dev->redis_url, dev->http };
    return dev_settings_write(&settings, dev->config_path, ret_error);
}

static int launch_daemon(struct dev *dev, struct error *ret_error)
{
    char program[PATH_MAX];
    char *argv[] = { program, "--config", dev->config_path, NULL };
    const ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - 1);

    program[size > 0 ? size : 0] = '\0';
    if (access(program, X_OK) != 0) /* replaced while we run */
        (void)snprintf(program, sizeof(program), "/proc/self/exe");
    dev->daemon.started_ms = clock_monotonic_ms();
    /* SIGKILL: without us its broker is gone, and a kill loses nothing. */
    int status = child_start(program, argv, NULL, SIGKILL, &dev->daemon.pid);
    if (status != 0)
        return error_set(ret_error, -status, "cannot run %.100s: %s", program, strerror(-status));
    return 0;
}

static void print_banner(const struct dev *dev)
{
    AUTO_FREE char *where = dev->options.data_dir == NULL ? xstrdup("--dev") : xasprintf("--config '%s'", dev->config_path);

    (void)printf("stepd dev: all of stepd on this machine, with its data in %s; Ctrl-C ends it\n", dev->folder);
    if (dev->broker != NULL)
        (void)printf("  Kafka  %s  embedded, for any Kafka client. It forgets its events when it "
                     "stops and keeps about 5 MB\n"
                     "         or 100,000 messages a partition; --kafka HOST:PORT uses a real broker "
                     "instead\n",
                     dev->kafka);
    else
        (void)printf("  Kafka  %s\n", dev->kafka);
    (void)printf("  Redis  %s  %s\n", dev->redis_shown,
                 dev->options.redis == NULL ? "private, its data is kept; --redis URL uses another instead" : "yours");
    (void)printf("  Page   http://%s\n", dev->http);
    (void)printf("  Try    stepctl %s functions, then stepctl %s send EVENT '{\"name\": \"Ada\"}'\n", where, where);
    (void)fflush(stdout);
}

/* From here on signals are read, not delivered; children get the default mask back. */
static int take_signals(struct dev *dev, struct error *ret_error)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    dev->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return dev->signal_fd >= 0 ? 0 : error_set(ret_error, errno, "signalfd: %s", strerror(errno));
}

static int dev_start(struct dev *dev, struct error *ret_error)
{
    int status = take_signals(dev, ret_error);

    if (status == 0)
        status = open_folder(dev, ret_error);
    if (status == 0)
        status = lock_folder(dev, ret_error);
    if (status == 0)
        status = dev_settings_topics(&dev->options, &dev->topics, ret_error);
    if (status == 0)
        status = dev_settings_modules(&dev->options, &dev->modules, ret_error);
    if (status == 0)
        status = dev_settings_program_files(&dev->options, &dev->program_files, ret_error);
    if (status == 0)
        status = start_broker(dev, ret_error);
    if (status == 0)
        status = start_redis(dev, ret_error);
    if (status == 0)
        status = write_config(dev, ret_error);
    if (status == 0)
        print_banner(dev);
    if (status == 0 && dev->options.watches) {
        dev->watch = watch_create(dev->modules);
        dev->program_watch = watch_create(dev->program_files);
    }
    if (status == 0)
        status = launch_daemon(dev, ret_error);
    return status;
}

/* ---- watching ---- */

/* Sets when to start it again: soon at first, later when it keeps ending. */
static void plan_restart(struct watched *child, const char *how)
{
    const int64_t now_ms = clock_monotonic_ms();

    if (child->backoff_ms == 0 || now_ms - child->started_ms > STEADY_MS)
        child->backoff_ms = BACKOFF_LEAST_MS;
    else
        child->backoff_ms = child->backoff_ms * 2 < BACKOFF_MOST_MS ? child->backoff_ms * 2 : BACKOFF_MOST_MS;
    child->pid = 0;
    child->restart_ms = now_ms + child->backoff_ms;
    say("the %s %s; it is started again in %.1f s", child->name, how, child->backoff_ms / 1000.0);
}

/* As it is, the daemon won't start: with --watch it may be mended. */
static void refused(struct dev *dev)
{
    const char *own = dev->options.config_file;
    AUTO_FREE char *text =
        xasprintf("the daemon refuses its config or a module, as it says above%s%s%s%s", own != NULL ? " (its config is made of " : "",
                  own != NULL ? own : "", own != NULL ? ")" : "", dev->watch != NULL ? ": it is started again when a module changes" : "");

    complain(text);
    dev->daemon.pid = 0;
    dev->daemon.restart_ms = 0;
    if (dev->watch != NULL)
        return;
    dev->exit_status = EX_CONFIG;
    dev->is_ending = true;
}

/* The old one is gone: starts the new one now, whatever it waited for. */
static void renew(struct dev *dev)
{
    dev->is_renewing = false;
    dev->daemon.pid = 0;
    dev->daemon.backoff_ms = 0;
    dev->daemon.restart_ms = clock_monotonic_ms();
}

static void look_at_modules(struct dev *dev)
{
    if (dev->watch == NULL || !watch_look(dev->watch))
        return;
    say("a module changed: the daemon is started anew");
    if (dev->daemon.pid == 0) {
        renew(dev);
        return;
    }
    dev->is_renewing = true;
    (void)kill(dev->daemon.pid, SIGTERM);
}

/* The daemon sees by itself which of its programs it is. */
static void look_at_programs(struct dev *dev)
{
    if (dev->program_watch == NULL || !watch_look(dev->program_watch) || dev->daemon.pid == 0)
        return;
    say("a program changed: the daemon replaces it");
    (void)kill(dev->daemon.pid, SIGHUP);
}

static void daemon_ended(struct dev *dev, int wait_status)
{
    AUTO_FREE char *how = child_end_text(wait_status);
    bool is_refusal = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == EX_CONFIG;

    dev->is_ready = dev->is_slow = false;
    if (dev->is_renewing)
        renew(dev);
    else if (is_refusal)
        refused(dev);
    else
        plan_restart(&dev->daemon, how);
}

static void reap(struct dev *dev)
{
    int wait_status = 0;
    pid_t pid;

    while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0) {
        if (pid == dev->daemon.pid)
            daemon_ended(dev, wait_status);
        else if (pid == dev->redis.pid) {
            AUTO_FREE char *how = child_end_text(wait_status);
            plan_restart(&dev->redis, how);
        }
    }
}

static void read_signals(struct dev *dev)
{
    struct signalfd_siginfo info;

    while (read(dev->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            reap(dev);
        else
            dev->is_ending = true;
    }
}

static void restart_due(struct dev *dev, struct watched *child, int (*launch)(struct dev *, struct error *))
{
    struct error error = { 0 };

    if (child->restart_ms == 0 || clock_monotonic_ms() < child->restart_ms)
        return;
    child->restart_ms = 0;
    if (launch(dev, &error) != 0)
        plan_restart(child, error.text);
}

static void say_ready(struct dev *dev)
{
    dev->is_ready = true;
    if (!dev->is_new) {
        say("the daemon is ready again");
        return;
    }
    dev->is_new = false;
    (void)printf("stepd dev ready kafka=%s redis=%s http=%s config=%s\n", dev->kafka, dev->redis_shown, dev->http, dev->config_path);
    (void)fflush(stdout);
}

static void check_ready(struct dev *dev)
{
    char answer[1024];

    if (dev->is_ready || dev->daemon.pid == 0)
        return;
    int status = port_ask(dev->http_port, 1000, "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", NULL, answer,
                          sizeof(answer));
    if (status == 0 && strncmp(answer, "HTTP/1.", 7) == 0 && strncmp(answer + 8, " 200", 4) == 0) {
        say_ready(dev);
        return;
    }
    if (dev->is_slow || clock_monotonic_ms() - dev->daemon.started_ms < SLOW_START_MS)
        return;
    dev->is_slow = true;
    const char *body = status == 0 ? strstr(answer, "\r\n\r\n") : NULL;
    say("the daemon is not ready yet: %s", body != NULL ? body + 4 : "it does not answer on its HTTP port");
}

static int until_next(const struct dev *dev)
{
    const int64_t now_ms = clock_monotonic_ms();
    int64_t wait_ms = 60 * 1000;

    if (dev->watch != NULL)
        wait_ms = WATCH_POLL_MS;
    if (!dev->is_ready && dev->daemon.pid != 0)
        wait_ms = READY_POLL_MS;
    const int64_t restarts_ms[] = { dev->daemon.restart_ms, dev->redis.restart_ms };
    for (size_t i = 0; i < 2; i++)
        if (restarts_ms[i] != 0 && restarts_ms[i] - now_ms < wait_ms)
            wait_ms = restarts_ms[i] > now_ms ? restarts_ms[i] - now_ms : 0;
    return (int)wait_ms;
}

static void dev_serve(struct dev *dev)
{
    struct pollfd signals = { .fd = dev->signal_fd, .events = POLLIN };

    while (!dev->is_ending) {
        (void)poll(&signals, 1, until_next(dev));
        read_signals(dev);
        if (dev->is_ending)
            return;
        look_at_modules(dev);
        look_at_programs(dev);
        restart_due(dev, &dev->redis, launch_redis);
        restart_due(dev, &dev->daemon, launch_daemon);
        check_ready(dev);
    }
}

/* ---- stop ---- */

/* Safe after a start that failed half-way. */
static void dev_stop(struct dev *dev)
{
    if (!child_stop(dev->daemon.pid, DAEMON_STOP_MS))
        complain("the daemon did not stop in 20 s and was killed; its runs go on at the next start");
    if (!child_stop(dev->redis.pid, REDIS_STOP_MS))
        complain("redis-server did not stop in 5 s and was killed");
    broker_stop(dev->broker);
    if (dev->signal_fd >= 0)
        (void)close(dev->signal_fd);
    if (dev->lock_fd >= 0)
        (void)close(dev->lock_fd);
    watch_destroy(dev->watch);
    watch_destroy(dev->program_watch);
    dev_settings_free(dev->topics);
    dev_settings_free(dev->modules);
    dev_settings_free(dev->program_files);
    dev_options_done(&dev->options);
    free(dev->kafka);
    free(dev->redis_url);
    free(dev->redis_shown);
    free(dev->http);
    free(dev->config_path);
    free(dev->folder);
}

int dev_main(int argc, char **argv)
{
    struct dev dev = { .lock_fd = -1, .signal_fd = -1, .is_new = true, .daemon.name = "daemon", .redis.name = "redis-server" };
    struct error error = { 0 };
    const enum dev_options_answer answer = dev_options_parse(&dev.options, argc, argv);

    if (answer != DEV_OPTIONS_RUN) {
        dev_options_done(&dev.options);
        return answer == DEV_OPTIONS_HELPED ? EXIT_SUCCESS : EX_USAGE;
    }
    const int status = dev_start(&dev, &error);
    if (status == 0) {
        dev_serve(&dev);
    } else if (status != -EINTR) {
        complain(error.text);
        dev.exit_status = status == -EINVAL ? EX_CONFIG : EXIT_FAILURE;
    }
    dev_stop(&dev);
    return dev.exit_status;
}
