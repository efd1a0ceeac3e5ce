/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/report.h"

#include <errno.h>
#include <stdlib.h>

#include "codec/json.h"
#include "codec/packed.h"
#include "sdk/object.h"

#define ZONE_SIZE 4096

/* 0, or negative errno with the reason. */
static int read_body(struct report *report, size_t size, struct error *ret_error)
{
    msgpack_object body;

    if (json_decode((struct bytes){ report->text, size }, &report->zone, &body, ret_error) != 0)
        return -EINVAL;
    report->steps = packed_find(&body, "steps");
    report->token = object_find_text(&body, "qi_id");
    if (report->steps == NULL || report->steps->type != MSGPACK_OBJECT_ARRAY)
        return error_set(ret_error, EINVAL, "there is no list of steps");
    return report->token != NULL ? 0 : error_set(ret_error, EINVAL, "there is no qi_id to tell whose steps these are");
}

int report_create(struct bytes body, struct report **ret_report, struct error *ret_error)
{
    struct report *report = xcalloc(1, sizeof(*report));

    report->text = xmemdup(body.data, body.size + 1);
    if (!msgpack_zone_init(&report->zone, ZONE_SIZE))
        abort();
    (void)sem_init(&report->is_answered, 0, 0);
    atomic_init(&report->end, REPORT_OPEN);
    atomic_init(&report->holders, 1);
    int status = read_body(report, body.size, ret_error);
    if (status != 0) {
        report_release(report);
        return status;
    }
    *ret_report = report;
    return 0;
}

void report_hold(struct report *report)
{
    atomic_fetch_add(&report->holders, 1);
}

void report_release(struct report *report)
{
    if (atomic_fetch_sub(&report->holders, 1) != 1)
        return;
    (void)sem_destroy(&report->is_answered);
    msgpack_zone_destroy(&report->zone);
    free(report->token);
    free(report->text);
    free(report);
}

void report_answer(struct report *report, enum report_end end)
{
    int before = REPORT_OPEN;

    if (atomic_compare_exchange_strong(&report->end, &before, (int)end))
        (void)sem_post(&report->is_answered);
}

enum report_end report_wait(struct report *report)
{
    while (sem_wait(&report->is_answered) != 0 && errno == EINTR)
        continue;
    return (enum report_end)atomic_load(&report->end);
}
