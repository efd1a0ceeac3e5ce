/* SPDX-License-Identifier: Apache-2.0 */
/* A config of any text: read, or refused with a fault that says why and can be printed. */
#include "fuzz.h"

#include <stdio.h>

#include "config/config.h"
#include "config/config_faults.h"

/* libfyaml 0.7.12 forgets a text of some documents that are not YAML. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so";
}

static void print(const struct config_faults *faults)
{
    char *said = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&said, &size);

    require(out != NULL);
    config_faults_print(faults, out);
    require(fclose(out) == 0 && size > 0);
    free(said);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = text_copy(data, size);
    const char *const texts[] = { text };
    struct config_faults faults = { 0 };
    struct config *config = NULL;

    if (config_parse("config", texts, 1, &config, &faults) == 0)
        config_destroy(config);
    else
        print(&faults);
    config_faults_done(&faults);
    free(text);
    return 0;
}
