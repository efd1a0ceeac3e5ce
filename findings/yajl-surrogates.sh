#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# yajl 2.1.0 makes characters of escapes that are none: two high surrogates become one letter that nobody wrote, and a high one
# alone a question mark, so that different texts read as the same. Other parsers refuse them, or put U+FFFD.
. "$(dirname "$0")/lib.sh"

debian 2.1.0 libyajl2 libyajl-dev
cat >read.c <<'C'
#include <stdio.h>
#include <string.h>
#include <yajl/yajl_parse.h>

static int on_string(void *context, const unsigned char *text, size_t size)
{
    (void)context;
    for (size_t i = 0; i < size; i++)
        printf("%02x", text[i]);
    return 1;
}

int main(int argc, char **argv)
{
    yajl_callbacks callbacks = { .yajl_string = on_string };
    yajl_handle handle = yajl_alloc(&callbacks, NULL, NULL);
    int is_read = yajl_parse(handle, (const unsigned char *)argv[argc - 1], strlen(argv[argc - 1])) == yajl_status_ok;
    puts(is_read ? "" : "refused");
    return 0;
}
C
libraries=$(dirname "$(find root -name 'libyajl.so.2')")
cc -w -Iroot/usr/include read.c -o read "$libraries/libyajl.so.2"
read_text() { LD_LIBRARY_PATH="$libraries" ./read "$1"; }

seen 'a pair, \ud83d\udc3d (U+1F43D)' "$(read_text '"\ud83d\udc3d"')" f09f90bd
seen 'two high ones, \ud83d\ud83d' "$(read_text '"\ud83d\ud83d"')" f09f90bd
seen 'a high one alone, \ud83d' "$(read_text '"\ud83d"')" 3f
