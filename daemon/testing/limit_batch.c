/* SPDX-License-Identifier: Apache-2.0 */
/* Batches over the virtual clock: the first event's run has all of them, those of the others are skipped. */
#include <stdlib.h>

#include "run/flow_ask.h"
#include "testing/test_internal.h"

static void add_event(struct stepd_test_run *batch, struct stepd_test_run *of)
{
    struct bundle *bundle = &batch->bundle;

    bundle->events = xrealloc(bundle->events, (bundle->count + 1) * sizeof(*bundle->events));
    bundle->events[bundle->count++] = &of->event; /* lives as long as the test */
}

static bool takes_more(const struct stepd_test_run *batch)
{
    return batch != NULL && batch->is_gathering && batch->not_before_ms > batch->test->store.now_ms &&
           !status_is_end(stepd_test_status(batch));
}

void limits_gather(struct stepd_test_run *run)
{
    const struct stepd_batch *settings = &run->observed->function.flow->given.batch;
    struct flow_troubles troubles = { 0 };
    msgpack_sbuffer key;

    msgpack_sbuffer_init(&key);
    bool is_alone = !flow_batch_key(&run->observed->function, &run->event, run->test->store.now_ms, &key, &troubles);
    struct limit_mark *mark = limits_mark(run, "batch", (struct bytes){ key.data, key.size });
    msgpack_sbuffer_destroy(&key);
    struct stepd_test_run *batch = !is_alone && takes_more(mark->run) ? mark->run : run;
    add_event(batch, run);
    if (batch != run) {
        run->is_skipped = true;
    } else {
        run->is_gathering = true;
        run->not_before_ms = run->test->store.now_ms + settings->timeout_ms;
        if (!is_alone)
            mark->run = run;
    }
    if (is_alone || batch->bundle.count >= (size_t)settings->size)
        limits_let_in(batch);
}
