/* SPDX-License-Identifier: Apache-2.0 */
/* What protobuf.cc wants of C's headers, which C++ can't read. */
#include "codec/timestamp.h"
#include "registry/protobuf.h"

int protobuf_time_text(int64_t seconds, uint32_t nanoseconds, char *text)
{
    return timestamp_text(seconds, nanoseconds, "Z", text);
}

_Static_assert(PROTOBUF_TIME_SIZE >= TIMESTAMP_TEXT_SIZE, "a time fits");
