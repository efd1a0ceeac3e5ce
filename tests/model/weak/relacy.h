/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's own headers under Relacy, a checker of C++'s memory model: this comes before them, and the headers
 * beside it stand for those that they include. What they do to an atomic is then a step that Relacy schedules,
 * with the order that the source names; a load may see an old value wherever that order allows it.
 *
 * Each use of an atomic registers itself as a site, under its function and its text, so that the program can
 * weaken one of them and show what happens then.
 */
#ifndef STEPD_MODEL_RELACY_H
#define STEPD_MODEL_RELACY_H

#include <cassert>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <pthread.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include <relacy/relacy.hpp>
#pragma GCC diagnostic pop

#undef memory_order_relaxed
#undef memory_order_acquire
#undef memory_order_release
#undef memory_order_acq_rel
#undef memory_order_seq_cst
#define memory_order_relaxed rl::mo_relaxed
#define memory_order_acquire rl::mo_acquire
#define memory_order_release rl::mo_release
#define memory_order_acq_rel rl::mo_acq_rel
#define memory_order_seq_cst rl::mo_seq_cst
#undef free
#undef new
#undef delete

namespace model
{

/* One use of an atomic in the source, in a list of all that were met. No memory is taken: Relacy counts it. */
struct site {
    const char *function;
    const char *operation;
    const char *object;
    rl::memory_order order;
    bool is_named; /* else it is C's default */
    bool is_met;   /* since it was last set to false */
    site *next;

    site(const char *in, const char *done, const char *with, rl::memory_order order_in_source, bool is_named_there)
        : function(in), operation(done), object(with), order(order_in_source), is_named(is_named_there), is_met(true), next(first())
    {
        first() = this;
    }

    static site *&first()
    {
        static site *first_of_all;
        return first_of_all;
    }
};

template <typename T> struct atomic : rl::atomic<T> {
    /* A plain use in an expression is sequentially consistent, as C has it. */
    operator T() const
    {
        return this->load(rl::mo_seq_cst, $);
    }
};

template <typename T> T load(const atomic<T> *object, const site &at)
{
    return object->load(at.order, $);
}
template <typename T, typename V> void store(atomic<T> *object, V value, const site &at)
{
    object->store(static_cast<T>(value), at.order, $);
}
template <typename T, typename V> T add(atomic<T> *object, V value, const site &at)
{
    return object->fetch_add(static_cast<T>(value), at.order, $);
}
template <typename T, typename V> T sub(atomic<T> *object, V value, const site &at)
{
    return object->fetch_sub(static_cast<T>(value), at.order, $);
}
template <typename T, typename V> T bit_or(atomic<T> *object, V value, const site &at)
{
    return object->fetch_or(static_cast<T>(value), at.order, $);
}

template <typename T, typename V> bool exchange_weak(atomic<T> *object, T *expected, V wanted, const site &won, const site &lost)
{
    return object->compare_exchange_weak(*expected, static_cast<T>(wanted), won.order, $, lost.order, $);
}

template <typename T, typename V> bool exchange_strong(atomic<T> *object, T *expected, V wanted, const site &won)
{
    return object->compare_exchange_strong(*expected, static_cast<T>(wanted), won.order, $);
}

} // namespace model

#define SITE(operation, object, order, is_named) \
    ({ \
        static model::site at(__func__, operation, object, order, is_named); \
        at.is_met = true; \
        &at; \
    })
#define NAMED(operation, object, order) *SITE(operation, #object, order, true)
#define DEFAULT(operation, object) *SITE(operation, #object, rl::mo_seq_cst, false)

#define _Atomic(type) model::atomic<type>
#define _Alignas(bytes) alignas(bytes)
#define atomic_bool model::atomic<bool>
#define atomic_int model::atomic<int>
#define atomic_uint model::atomic<unsigned>

#define atomic_init(object, value) (object)->store(value, rl::mo_relaxed, $)
#define atomic_load_explicit(object, order) model::load(object, NAMED("load", object, order))
#define atomic_store_explicit(object, value, order) model::store(object, value, NAMED("store", object, order))
#define atomic_fetch_add_explicit(object, value, order) model::add(object, value, NAMED("add", object, order))
#define atomic_fetch_sub_explicit(object, value, order) model::sub(object, value, NAMED("sub", object, order))
#define atomic_compare_exchange_weak_explicit(object, expected, wanted, won, lost) \
    model::exchange_weak(object, expected, wanted, NAMED("exchange", object, won), NAMED("failed exchange", object, lost))
#define atomic_thread_fence(named) rl::atomic_thread_fence((NAMED("fence", , named)).order, $)

#define atomic_load(object) model::load(object, DEFAULT("load", object))
#define atomic_store(object, value) model::store(object, value, DEFAULT("store", object))
#define atomic_fetch_add(object, value) model::add(object, value, DEFAULT("add", object))
#define atomic_fetch_sub(object, value) model::sub(object, value, DEFAULT("sub", object))
#define atomic_fetch_or(object, value) model::bit_or(object, value, DEFAULT("or", object))
#define atomic_compare_exchange_strong(object, expected, wanted) \
    model::exchange_strong(object, expected, wanted, DEFAULT("exchange", object))

#endif
