/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/footprint.h"
#include "daemon.h"
#include "dev/dev.h"
#include "service/first_process.h"
#include "service/proxy.h"
#include "service/signals.h"

#define EXIT_USAGE 64
#define DEFAULT_CONFIG "/etc/stepd/stepd.yaml"

static const char usage[] = "Usage: stepd [--check] [--config FILE]   the service\n"
                            "       stepd dev [OPTION]...             all of stepd on one machine; stepd dev --help\n"
                            "\n"
                            "Runs the functions of modules for the events of Kafka's topics.\n"
                            "\n"
                            "  --config FILE  the config (" DEFAULT_CONFIG ")\n"
                            "  --check        say all that is wrong in config and modules, run nothing\n"
                            "  --version      say the version, and the ABI of modules\n"
                            "  --help         show this\n"
                            "\n"
                            "Example: stepd --check --config ./stepd.yaml\n"
                            "\n"
                            "Exit status: 0 stopped as told, 1 could not start or go on, 64 wrong usage, 78 config or a module is wrong.\n";

struct arguments {
    const char *config_path;
    bool is_check;
};

/* -1: go on, else the exit status. */
static int parse_arguments(int argc, char **argv, struct arguments *arguments)
{
    *arguments = (struct arguments){ .config_path = DEFAULT_CONFIG };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
            arguments->config_path = argv[++i];
        } else if (strncmp(argv[i], "--config=", 9) == 0) {
            arguments->config_path = argv[i] + 9;
        } else if (strcmp(argv[i], "--check") == 0) {
            arguments->is_check = true;
        } else if (strcmp(argv[i], "--help") == 0) {
            (void)fputs(usage, stdout);
            return EXIT_SUCCESS;
        } else if (strcmp(argv[i], "--version") == 0) {
            (void)printf("stepd %s, ABI %d.%d\n", STEPD_VERSION, STEPD_ABI_MAJOR, STEPD_ABI_MINOR);
            return EXIT_SUCCESS;
        } else {
            (void)fprintf(stderr, "stepd: '%s' is no option, or lacks its value; see stepd --help\n", argv[i]);
            return EXIT_USAGE;
        }
    }
    return -1;
}

int main(int argc, char **argv)
{
    struct daemon daemon = { 0 };
    struct arguments arguments;

    footprint_keep_small();
    if (argc > 1 && strcmp(argv[1], "dev") == 0)
        return dev_main(argc, argv);
    int status = parse_arguments(argc, argv, &arguments);
    if (status >= 0 || (!arguments.is_check && first_process_serve(&status)))
        return status;
    signals_block();
    proxy_spare_loopback();
    status = daemon_load(&daemon, arguments.config_path);
    if (arguments.is_check) {
        daemon_warn(&daemon);
    } else if (status == 0) {
        status = daemon_start(&daemon);
        if (status == 0)
            daemon_serve(&daemon);
    }
    daemon_stop(&daemon);
    return status;
}
