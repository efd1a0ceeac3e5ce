#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# libavro 1.11.1 (C) reads a schema's defaults and logical types and drops them: the schema that it writes again has neither, and
# its API has no way to ask for them. Who needs them has to read the schema's JSON beside it.
. "$(dirname "$0")/lib.sh"

debian 1.11.1 libavro23 libavro-dev
debian 1.1 libsnappy1v5
debian 2. libjansson4
cat >again.c <<'C'
#include <avro.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    char text[1000] = "";
    avro_schema_t schema;
    avro_writer_t writer = avro_writer_memory(text, sizeof(text) - 1);

    if (avro_schema_from_json_length(argv[argc - 1], strlen(argv[argc - 1]), &schema) != 0 || avro_schema_to_json(schema, writer) != 0)
        puts(avro_strerror());
    puts(text);
    return 0;
}
C
libraries=$(dirname "$(find root -name 'libavro.so.23*' | head -n 1)")
cc -w -Iroot/usr/include again.c -o again -L"$libraries" -l:libavro.so.23 -Wl,--allow-shlib-undefined
again() { LD_LIBRARY_PATH="$libraries" ./again "$1"; }

seen 'a long with a logical type and a default, written again' \
    "$(again '{"type":"record","name":"r","fields":[{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"},"default":5}]}')" \
    '{"type":"record","name":"r","fields":[{"name":"at","type":{"type":"long"}}]}'
