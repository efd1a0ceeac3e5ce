/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STEPD_SERVICE_PROXY_H
#define STEPD_SERVICE_PROXY_H

/* Where the environment names a proxy, adds loopback to its `no_proxy`, for all of the process that calls by HTTP
 * and for programs that it starts: what listens on this machine no proxy can reach. Before the first thread. */
void proxy_spare_loopback(void);

#endif
