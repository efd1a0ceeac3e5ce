/* SPDX-License-Identifier: Apache-2.0 */
/* Memory in C++: of the type that it is assigned to, whose atomics are constructed. */
#ifndef STEPD_MODEL_MEMORY_H
#define STEPD_MODEL_MEMORY_H

#include <cstddef>

struct model_memory {
    size_t count;

    template <typename T> operator T *() const
    {
        return new T[count];
    }
};

static inline model_memory xcalloc(size_t count, size_t)
{
    return { count };
}

#endif
