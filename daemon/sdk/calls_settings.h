/* SPDX-License-Identifier: Apache-2.0 */
/* What all calls of a daemon to its apps share. */
#ifndef STEPD_SDK_CALLS_SETTINGS_H
#define STEPD_SDK_CALLS_SETTINGS_H

struct http_pool;
struct open_calls;
struct signals_port;

struct calls_settings {
    struct http_pool *http_pool;
    struct open_calls *open_calls; /* those that steps may be reported to */
    const char *signing_key;       /* NULL: none, nothing is signed */
    const struct signals_port *signals;
};

#endif
