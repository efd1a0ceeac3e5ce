/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters, gauges and histograms, and their page in Prometheus's text format. Registered at start by
 * one thread; counted by any, each in a cache line of its own, so that counting costs an uncontended
 * add; read by whoever prints.
 */
#ifndef STEPD_BASE_METRICS_H
#define STEPD_BASE_METRICS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct metrics;
struct counter;
struct histogram;

/* Any thread: the value now. */
typedef double (*metrics_read_fn)(void *context);

struct metrics *metrics_create(void);
void metrics_destroy(struct metrics *metrics);

/* `name` without the prefix "stepd_"; `labels` as it stands between the braces (`outcome="failed"`),
 * or NULL. Metrics of one name differ in labels only and are registered one after another. Copies. */
struct counter *metrics_counter(struct metrics *metrics, const char *name, const char *labels, const char *help);
/* Read when the page is printed. */
void metrics_counter_of(struct metrics *metrics, const char *name, const char *labels, const char *help,
                        metrics_read_fn read, void *context);
void metrics_gauge_of(struct metrics *metrics, const char *name, const char *labels, const char *help,
                      metrics_read_fn read, void *context);
/* Durations, in buckets from 100 µs to 10 min; printed in seconds. */
struct histogram *metrics_histogram(struct metrics *metrics, const char *name, const char *labels, const char *help);

void counter_add(struct counter *counter, uint64_t amount);
uint64_t counter_value(const struct counter *counter);
void histogram_add_ns(struct histogram *histogram, int64_t duration_ns);

void metrics_print(const struct metrics *metrics, FILE *page);

#endif
