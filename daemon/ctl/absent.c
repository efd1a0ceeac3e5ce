/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/absent.h"

#include <assert.h>
#include <string.h>

#include "sdk/inngest.h"
#include "store/shelf.h"

struct search {
    const struct config *config;
    void (*each)(void *context, const char *url, const char *reason);
    void *context;
};

/* What stands there of apps that the config no longer names is nobody's. */
static bool is_configured(const struct config *config, const char *url)
{
    for (size_t i = 0; config->inngest.apps[i] != NULL; i++) {
        if (strcmp(config->inngest.apps[i], url) == 0)
            return true;
    }
    return false;
}

static void look(void *context, const char *url, struct bytes reason)
{
    const struct search *search = context;
    AUTO_FREE char *text = xstrndup(reason.data, reason.size);

    if (text[0] != '\0' && is_configured(search->config, url))
        search->each(search->context, url, text);
}

void absent_each(struct redis_store *store, const struct config *config, void (*each)(void *context, const char *url, const char *reason),
                 void *context)
{
    struct search search = { config, each, context };

    assert(store != NULL);
    if (config->inngest.is_on && config->inngest.apps != NULL)
        (void)!shelf_load(store, INNGEST_ABSENT_SHELF, look, &search);
}
