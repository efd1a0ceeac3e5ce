/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `stepd dev`: all of stepd on one machine. This process holds the embedded broker and watches over
 * two children: a private redis-server, and the daemon itself, `stepd --config DIR/stepd.yaml`, which
 * it starts again when it crashes. The daemon has no code of its own for this.
 */
#ifndef STEPD_DEV_DEV_H
#define STEPD_DEV_DEV_H

/* The whole program when the first argument is `dev`. Returns the exit status: 0 after a stop by
   signal, 78 when the daemon refuses its config or a module, 64 for a wrong command line. */
int dev_main(int argc, char **argv);

#endif
