/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/library.h"

#define BROKEN_FROM 0x02040000
#define MENDED_FROM 0x020a0000

bool library_breaks_on_new_topics(int version)
{
    return version >= BROKEN_FROM && version < MENDED_FROM;
}
