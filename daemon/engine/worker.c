/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/worker.h"

#include <assert.h>
#include <stdlib.h>

#include "run/journal.h"

struct pool_thread *worker_create(void *context)
{
    struct dispatch *dispatch = context;
    const struct dispatch_settings *settings = &dispatch->settings;
    struct worker *worker = xcalloc(1, sizeof(*worker));

    worker->dispatch = dispatch;
    worker->matches = xcalloc(settings->function_count + 1, sizeof(*worker->matches));
    worker->locals = xcalloc(settings->module_count + 1, sizeof(*worker->locals));
    worker->functions = xcalloc(settings->function_count + 1, sizeof(*worker->functions));
    slot_init(&worker->thread.slot);
    context_init(&worker->ctx);
    worker->ctx.slot = &worker->thread.slot;
    worker->ctx.store = settings->store;
    worker->ctx.publisher = settings->publisher;
    worker->ctx.settings = &dispatch->attempts;
    worker->ctx.locals = worker->locals;
    return &worker->thread;
}

void worker_destroy(struct pool_thread *thread)
{
    struct worker *worker = worker_of(thread);

    context_done(&worker->ctx);
    for (size_t i = 0; i < worker->dispatch->settings.function_count; i++)
        free(worker->functions[i]);
    free(worker->functions);
    free(worker->locals);
    free(worker->matches);
    free(worker);
}

static void init_modules(struct worker *worker)
{
    const struct dispatch_settings *settings = &worker->dispatch->settings;

    for (size_t i = 0; i < settings->module_count; i++) {
        const struct module *module = settings->modules[i];
        if (module->declared->thread_init == NULL || module->declared->thread_init(module->shared, &worker->locals[module->index]) == 0)
            continue;
        AUTO_FREE char *why = xasprintf("module %s refuses to start on a worker thread (its thread_init failed)", module->declared->name);
        settings->fatal(why);
    }
}

static void exit_modules(struct worker *worker)
{
    const struct dispatch_settings *settings = &worker->dispatch->settings;

    for (size_t i = settings->module_count; i-- > 0;) {
        const struct module *module = settings->modules[i];
        if (module->declared->thread_exit != NULL)
            module->declared->thread_exit(module->shared, worker->locals[module->index]);
    }
}

void worker_begin(struct pool_thread *thread)
{
    struct worker *worker = worker_of(thread);

    worker->ctx.journal = journal_take_slot(worker->dispatch->settings.journal);
    journal_attach(worker->ctx.journal);
    init_modules(worker);
}

void worker_end(struct pool_thread *thread)
{
    struct worker *worker = worker_of(thread);

    exit_modules(worker);
    journal_give_slot(worker->ctx.journal);
}

void worker_retire(struct pool_thread *thread)
{
    struct worker *worker = worker_of(thread);
    struct dispatch *dispatch = worker->dispatch;

    assert_held(pool_lock(thread->pool));
    tally_read(&worker->tally, &dispatch->retired);
    for (size_t i = 0; i < dispatch->settings.function_count; i++)
        tally_read_function(atomic_load(&worker->functions[i]), &dispatch->retired_functions[i]);
}

struct function_tally *worker_begin_tally(struct worker *worker, const struct function *function)
{
    struct function_tally *tally = xcalloc(1, sizeof(*tally));

    assert(function->index < worker->dispatch->settings.function_count);
    assert(atomic_load_explicit(&worker->functions[function->index], memory_order_relaxed) == NULL);
    atomic_store_explicit(&worker->functions[function->index], tally, memory_order_release);
    return tally;
}
