# SPDX-License-Identifier: Apache-2.0
# Which processors stepd is built for: none on which it would lose what it promises.
if(CMAKE_C_SIZEOF_DATA_PTR LESS 8)
    message(FATAL_ERROR "stepd is not built for 32 bits: times after 2038 and lengths from strangers would be cut off.")
endif()
if(CMAKE_C_BYTE_ORDER STREQUAL "BIG_ENDIAN")
    message(FATAL_ERROR "stepd is not built for big-endian processors: CRoaring writes bitmaps of offsets there that can't be read back, and events would be lost.")
endif()

# gcc 12 has no instruction for atomics of a byte on riscv64.
include(CheckCSourceCompiles)
set(exchange "
    #include <stdatomic.h>
    static atomic_bool flag;
    int main(void) { return atomic_exchange(&flag, 1); }")
check_c_source_compiles("${exchange}" STEPD_ATOMICS_ARE_BUILT_IN)
if(NOT STEPD_ATOMICS_ARE_BUILT_IN)
    set(CMAKE_REQUIRED_LIBRARIES atomic)
    check_c_source_compiles("${exchange}" STEPD_ATOMICS_ARE_IN_LIBATOMIC)
    unset(CMAKE_REQUIRED_LIBRARIES)
    if(NOT STEPD_ATOMICS_ARE_IN_LIBATOMIC)
        message(FATAL_ERROR "The compiler has no atomics of a byte, not even with -latomic.")
    endif()
    set(STEPD_ATOMIC_LIBRARY -latomic)
endif()
