/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `stepd dev`. Strings are the command line's own. */
#ifndef STEPD_DEV_OPTIONS_H
#define STEPD_DEV_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dev_options {
    const char **modules; /* room for all of argv */
    size_t module_count;
    const char **programs; /* commands */
    size_t program_count;
    const char **topics;
    size_t topic_count;
    const char **apps;
    size_t app_count;
    uint16_t kafka_port, redis_port, http_port; /* 0: any free one */
    const char *retry_interval;                 /* NULL: the usual schedule */
    const char *config_file;                    /* NULL: none */
    const char *data_dir;                       /* NULL: the default one */
    const char *kafka, *redis;                  /* NULL: the embedded broker, the private server */
    bool watches;                               /* modules that change start the daemon anew, programs themselves */
};

enum dev_options_answer { DEV_OPTIONS_RUN, DEV_OPTIONS_HELPED, DEV_OPTIONS_WRONG };

/* Prints help, or what is wrong. `argv[1]` may be "dev". */
enum dev_options_answer dev_options_parse(struct dev_options *options, int argc, char **argv);
void dev_options_done(struct dev_options *options);

#endif
