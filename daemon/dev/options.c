/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/memory.h"

static const char HELP[] = "Usage: stepd dev [options]\n"
                           "Runs all of stepd on this machine, with nothing to set up: a Kafka broker, a Redis server,\n"
                           "the daemon, and a live log of its runs. Ctrl-C ends all of it.\n"
                           "\n"
                           "  --module FILE.so      load this module; may be repeated\n"
                           "  --program COMMAND     start this program, which declares functions and stays, as in\n"
                           "                        'python3 media.py'; a shell reads the command; may be repeated\n"
                           "  --watch               start the daemon anew when a module's file has changed, and a\n"
                           "                        program when its own has\n"
                           "  --app URL             serve this program of an Inngest SDK, as in\n"
                           "                        http://127.0.0.1:3000/api/inngest; may be repeated\n"
                           "  --topic NAME          consume this topic; may be repeated (events)\n"
                           "  --config FILE         take functions, modules, options and the like from this config\n"
                           "  --retry-interval DUR  wait this long before each retry, as in 200ms or 1s, without jitter\n"
                           "  --data DIR            where to keep things (${XDG_STATE_HOME:-~/.local/state}/stepd/dev)\n"
                           "  --kafka-port N        the broker's port (9092); 0 takes any free one, here and below\n"
                           "  --redis-port N        the Redis server's port (6390)\n"
                           "  --http-port N         the port of the page, /metrics, /healthz and /readyz (8288)\n"
                           "  --kafka HOST:PORT     use this broker; the embedded one forgets its events when it stops,\n"
                           "                        and keeps about 5 MB or 100,000 messages a partition\n"
                           "  --redis URL           use this Redis, as in redis://localhost:6379/0\n"
                           "  --help                show this\n";

enum {
    OPTION_MODULE = 256,
    OPTION_PROGRAM,
    OPTION_WATCH,
    OPTION_APP,
    OPTION_TOPIC,
    OPTION_CONFIG,
    OPTION_RETRY_INTERVAL,
    OPTION_DATA,
    OPTION_KAFKA_PORT,
    OPTION_REDIS_PORT,
    OPTION_HTTP_PORT,
    OPTION_KAFKA,
    OPTION_REDIS,
    OPTION_HELP
};

static const struct option OPTIONS[] = {
    { "module", required_argument, NULL, OPTION_MODULE },
    { "program", required_argument, NULL, OPTION_PROGRAM },
    { "watch", no_argument, NULL, OPTION_WATCH },
    { "app", required_argument, NULL, OPTION_APP },
    { "topic", required_argument, NULL, OPTION_TOPIC },
    { "config", required_argument, NULL, OPTION_CONFIG },
    { "retry-interval", required_argument, NULL, OPTION_RETRY_INTERVAL },
    { "data", required_argument, NULL, OPTION_DATA },
    { "kafka-port", required_argument, NULL, OPTION_KAFKA_PORT },
    { "redis-port", required_argument, NULL, OPTION_REDIS_PORT },
    { "http-port", required_argument, NULL, OPTION_HTTP_PORT },
    { "kafka", required_argument, NULL, OPTION_KAFKA },
    { "redis", required_argument, NULL, OPTION_REDIS },
    { "help", no_argument, NULL, OPTION_HELP },
    { NULL, 0, NULL, 0 },
};

static bool read_port(const char *name, const char *text, uint16_t *ret_port)
{
    char *end = NULL;
    errno = 0;
    const unsigned long port = strtoul(text, &end, 10);

    if (end == text || *end != '\0' || errno != 0 || port > UINT16_MAX || text[0] == '-') {
        (void)fprintf(stderr, "stepd dev: --%s wants a port from 0 to 65535, not '%s'\n", name, text);
        return false;
    }
    *ret_port = (uint16_t)port;
    return true;
}

/* A number and a unit, as the config's durations; the daemon reads it again. */
static bool check_duration(const char *text)
{
    static const char *const units[] = { "ms", "s", "m", "h", "d" };
    const size_t digits = strspn(text, "0123456789.");

    for (size_t i = 0; digits > 0 && i < COUNT_OF(units); i++)
        if (strcmp(text + digits, units[i]) == 0)
            return true;
    (void)fprintf(stderr, "stepd dev: --retry-interval wants a duration like 200ms or 1s, not '%s'\n", text);
    return false;
}

static bool take(struct dev_options *options, int option, const char *value)
{
    switch (option) {
    case OPTION_MODULE:
        options->modules[options->module_count++] = value;
        return true;
    case OPTION_PROGRAM:
        options->programs[options->program_count++] = value;
        return true;
    case OPTION_WATCH:
        options->watches = true;
        return true;
    case OPTION_APP:
        options->apps[options->app_count++] = value;
        return true;
    case OPTION_TOPIC:
        options->topics[options->topic_count++] = value;
        return true;
    case OPTION_CONFIG:
        options->config_file = value;
        return true;
    case OPTION_RETRY_INTERVAL:
        options->retry_interval = value;
        return check_duration(value);
    case OPTION_DATA:
        options->data_dir = value;
        return true;
    case OPTION_KAFKA_PORT:
        return read_port("kafka-port", value, &options->kafka_port);
    case OPTION_REDIS_PORT:
        return read_port("redis-port", value, &options->redis_port);
    case OPTION_HTTP_PORT:
        return read_port("http-port", value, &options->http_port);
    case OPTION_KAFKA:
        options->kafka = value;
        return true;
    case OPTION_REDIS:
        options->redis = value;
        return true;
    default:
        (void)fputs("Try 'stepd dev --help'.\n", stderr);
        return false;
    }
}

enum dev_options_answer dev_options_parse(struct dev_options *options, int argc, char **argv)
{
    char name[] = "stepd dev";
    int option;

    *options = (struct dev_options){ .kafka_port = 9092, .redis_port = 6390, .http_port = 8288 };
    options->modules = xcalloc((size_t)argc + 1, sizeof(*options->modules));
    options->programs = xcalloc((size_t)argc + 1, sizeof(*options->programs));
    options->topics = xcalloc((size_t)argc + 1, sizeof(*options->topics));
    options->apps = xcalloc((size_t)argc + 1, sizeof(*options->apps));
    if (argc > 1 && strcmp(argv[1], "dev") == 0) {
        argc--;
        argv++;
    }
    argv[0] = name;
    optind = 0;
    while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        if (option == OPTION_HELP) {
            (void)fputs(HELP, stdout);
            return DEV_OPTIONS_HELPED;
        }
        if (!take(options, option, optarg))
            return DEV_OPTIONS_WRONG;
    }
    argv[0] = NULL;
    if (optind < argc) {
        (void)fprintf(stderr, "stepd dev: what is '%s'? A module is given with --module FILE.so\n", argv[optind]);
        return DEV_OPTIONS_WRONG;
    }
    return DEV_OPTIONS_RUN;
}

void dev_options_done(struct dev_options *options)
{
    free(options->modules);
    free(options->programs);
    free(options->topics);
    free(options->apps);
    *options = (struct dev_options){ 0 };
}
