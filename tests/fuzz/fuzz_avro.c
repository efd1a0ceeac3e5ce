/* SPDX-License-Identifier: Apache-2.0 */
/* A schema's JSON, a NUL, and bytes by it: whatever comes of them is msgpack that our reader takes, within its bounds. */
#include "fuzz_schema.h"

#include "schema/avro.h"

static int read_value(const void *schema, struct bytes value, msgpack_sbuffer *buffer, struct error *ret_error)
{
    return avro_to_msgpack(schema, value, buffer, ret_error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size > 0 ? memchr(data, 0, size) : NULL;
    const struct avro_type *type = NULL;
    struct error error = { 0 };
    msgpack_zone zone;

    if (nul == NULL)
        return 0;
    void *exact = exact_copy(data, (size_t)(nul - data));
    const struct bytes schema = { exact, (size_t)(nul - data) };
    require(msgpack_zone_init(&zone, 1024));
    if (avro_type_parse(&schema, 1, &zone, &type, &error) == 0)
        require_packed(read_value, type, (struct bytes){ nul + 1, size - (size_t)(nul + 1 - data) });
    else
        require(error.text[0] != '\0');
    msgpack_zone_destroy(&zone);
    free(exact);
    return 0;
}
