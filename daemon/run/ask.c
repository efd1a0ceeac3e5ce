/* SPDX-License-Identifier: Apache-2.0 */
#include "run/ask.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/lock.h"
#include "base/memory.h"
#include "http/http_call.h"
#include "run/context.h"
#include "run/errand.h"

/* Shared by the run and who holds the call: it goes with the last of them. */
struct ask {
    struct errand errand; /* first */
    struct http_call call;
    const struct caller *caller;
    const struct asked_ops *ops;
    void *asked;
    struct lock lock;  /* of all below */
    bool is_answered;  /* the call has come back */
    bool is_cancelled; /* and nobody has looked at that yet */
    bool is_over;      /* there is no run any more */
    void (*come_back)(void *home);
    void *home; /* NULL: the run is at home */
};

static_assert(offsetof(struct ask, errand) == 0, "of() is given the errand");

static struct ask *of(struct errand *errand)
{
    return (struct ask *)(void *)errand;
}

static struct ask *of_call(struct http_call *call)
{
    return (struct ask *)(void *)((char *)call - offsetof(struct ask, call));
}

static void ask_free(struct ask *ask)
{
    assert(ask->is_over);
    ask->ops->destroy(ask->asked);
    lock_done(&ask->lock);
    free(ask);
}

/* ---- the call's side -------------------------------------------------------------------------------- */

static void prepare(struct http_call *call, void *curl)
{
    struct ask *ask = of_call(call);

    ask->ops->prepare(ask->asked, curl);
}

static void finish(struct http_call *call, void *curl, int code)
{
    struct ask *ask = of_call(call);

    ask->ops->finish(ask->asked, curl, code);
}

/* Lock held: it is called once the lock is not. */
static void *take_home(struct ask *ask)
{
    void *home = ask->home;

    assert_held(&ask->lock);
    ask->home = NULL;
    return home;
}

static void done(struct http_call *call)
{
    struct ask *ask = of_call(call);

    lock_take(&ask->lock);
    ask->is_answered = true;
    bool is_last = ask->is_over;
    void *home = take_home(ask);
    void (*come_back)(void *home) = ask->come_back;
    lock_give(&ask->lock);
    if (is_last)
        ask_free(ask);
    else if (home != NULL)
        come_back(home);
}

static const struct http_call_ops CALL_OPS = { prepare, finish, done };

/* ---- the run's side --------------------------------------------------------------------------------- */

static void leave(struct errand *errand, void (*come_back)(void *home), void *home)
{
    struct ask *ask = of(errand);

    lock_take(&ask->lock);
    bool stays = ask->is_answered || ask->is_cancelled;
    if (!stays) {
        ask->come_back = come_back;
        ask->home = home;
    }
    lock_give(&ask->lock);
    if (stays)
        come_back(home);
}

static void cancel(struct errand *errand)
{
    struct ask *ask = of(errand);

    lock_take(&ask->lock);
    ask->is_cancelled = true;
    void *home = take_home(ask);
    void (*come_back)(void *home) = ask->come_back;
    lock_give(&ask->lock);
    if (home != NULL)
        come_back(home);
}

static void destroy(struct errand *errand)
{
    struct ask *ask = of(errand);

    lock_take(&ask->lock);
    ask->is_over = true;
    ask->home = NULL;
    bool is_last = ask->is_answered;
    if (!is_last)
        ask->caller->break_off(ask->caller->context, &ask->call);
    lock_give(&ask->lock);
    if (is_last)
        ask_free(ask);
}

static const struct errand_ops ERRAND_OPS = { .leave = leave, .cancel = cancel, .destroy = destroy };

static struct ask *ask_create(const struct caller *caller, const struct asked_ops *ops, void *asked)
{
    struct ask *ask = xcalloc(1, sizeof(*ask));

    ask->errand.ops = &ERRAND_OPS;
    ask->errand.has_place = true;
    ask->call.ops = &CALL_OPS;
    ask->call.share = HTTP_OF_FUNCTIONS;
    ask->caller = caller;
    ask->ops = ops;
    ask->asked = asked;
    lock_init(&ask->lock);
    return ask;
}

/* ---- as the handler sees it ------------------------------------------------------------------------- */

static bool is_answered(struct ask *ask)
{
    LOCK_GUARD(&ask->lock);
    ask->is_cancelled = false; /* seen */
    return ask->is_answered;
}

void *stepd_ask_answered(struct stepd_ctx *ctx)
{
    struct errand *errand = ctx->run->errand;

    return errand != NULL && is_answered(of(errand)) ? of(errand)->asked : NULL;
}

bool stepd_ask_is_open(struct stepd_ctx *ctx)
{
    return ctx->run->errand != NULL;
}

/* Who wants the run back may have been wrong: the store says whether it is still ours. */
static enum stepd_status go_on(struct stepd_ctx *ctx)
{
    return context_may_go_on(ctx) ? context_leave_for(ctx, ctx->run->errand) : STEPD_SUSPENDED;
}

enum stepd_status stepd_ask(struct stepd_ctx *ctx, const char *url, const struct asked_ops *ops, void *asked)
{
    const struct caller *caller = &ctx->settings->caller;

    if (asked == NULL)
        return go_on(ctx);
    if (caller->context == NULL) {
        ops->destroy(asked);
        return stepd_non_retriable(ctx, "NoCaller", "requests over HTTP are sent by the daemon alone");
    }
    struct ask *ask = ask_create(caller, ops, asked);
    ask->call.url = url;
    enum stepd_status status = context_leave_for(ctx, &ask->errand);
    caller->send(caller->context, &ask->call);
    return status;
}
