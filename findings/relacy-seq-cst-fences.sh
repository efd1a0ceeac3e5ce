#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Relacy, as it comes, finds an execution that C++20 forbids: two threads that store, fence (seq_cst) and load may both load the old
# value. RL_IMPROVED_SEQ_CST_FENCE, off by default, makes its fences as strong as the standard's.
. "$(dirname "$0")/lib.sh"

debian 0.0+git20191025 relacy-dev
cat >both.cpp <<'C'
#include <relacy/relacy.hpp>

struct both : rl::test_suite<both, 2> {
    rl::atomic<int> stores[2];
    rl::var<int> seen[2];

    void before() { stores[0]($) = 0; stores[1]($) = 0; }
    void thread(unsigned index)
    {
        stores[index].store(1, rl::memory_order_relaxed);
        rl::atomic_thread_fence(rl::memory_order_seq_cst);
        seen[index]($) = stores[1 - index].load(rl::memory_order_relaxed);
    }
    void after() { RL_ASSERT(seen[0]($) + seen[1]($) != 0); }
};

int main()
{
    rl::test_params params;
    params.search_type = rl::sched_full;
    return rl::simulate<both>(params) ? 0 : 1;
}
C
includes=root/usr/include
c++ -std=c++11 -w -I"$includes" both.cpp -o plain
c++ -std=c++11 -w -I"$includes" -DRL_IMPROVED_SEQ_CST_FENCE both.cpp -o improved
verdict() { if "./$1" >/dev/null 2>&1; then echo holds; else echo fails; fi; }

seen 'at least one sees the other, as it comes' "$(verdict plain)" fails
seen 'at least one sees the other, with RL_IMPROVED_SEQ_CST_FENCE' "$(verdict improved)" holds
