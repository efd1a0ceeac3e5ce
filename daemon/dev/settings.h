/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DIR/stepd.yaml: the config that `stepd dev` writes for its daemon and for stepctl. It is the
 * user's own file, if one was given, with those keys replaced that `stepd dev` decides: where Kafka,
 * Redis and HTTP are, history, the log's format, and what the command line says.
 */
#ifndef STEPD_DEV_SETTINGS_H
#define STEPD_DEV_SETTINGS_H

#include "base/error.h"
#include "dev/options.h"

struct dev_settings {
    const struct dev_options *options;
    const char *kafka; /* bootstrap.servers */
    const char *redis; /* a URL */
    const char *http;  /* HOST:PORT */
};

/* `-EINVAL`: the user's file is no config; ret_error says what is wrong with it. */
MUST_CHECK int dev_settings_write(const struct dev_settings *settings, const char *path, struct error *ret_error);

/* The topics to consume: of the command line, else of the user's file, else `events`. NULL-ended;
   the list and each of its strings are the caller's. */
MUST_CHECK int dev_settings_topics(const struct dev_options *options, char ***ret_topics, struct error *ret_error);
/* The modules to load, absolute paths: of the user's file, then of the command line. Likewise. */
MUST_CHECK int dev_settings_modules(const struct dev_options *options, char ***ret_modules, struct error *ret_error);
/* The files that commands of programs name, whose change replaces them. Likewise. */
MUST_CHECK int dev_settings_program_files(const struct dev_options *options, char ***ret_files, struct error *ret_error);
void dev_settings_free(char **texts); /* NULL: nothing */

#endif
