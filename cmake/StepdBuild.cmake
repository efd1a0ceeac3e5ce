# SPDX-License-Identifier: Apache-2.0
# How everything of stepd's own is compiled: link to stepd_build.

# assert() stays on in every build: a stop is safe, going on with a broken state is not.
set(STEPD_OPTIMISE -O2 CACHE STRING "How a build to install is optimised")
foreach(language C CXX)
    set(CMAKE_${language}_FLAGS_DEBUG "-Og -g")
    set(CMAKE_${language}_FLAGS_RELEASE "-O2")
    set(CMAKE_${language}_FLAGS_RELWITHDEBINFO "${STEPD_OPTIMISE} -g")
endforeach()
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

# A tenth less time an event. The objects also hold plain code, which is what stepd-testing is made of.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug" AND NOT STEPD_SANITIZE)
    include(CheckIPOSupported)
    check_ipo_supported(RESULT CMAKE_INTERPROCEDURAL_OPTIMIZATION OUTPUT why LANGUAGES C)
    set(CMAKE_C_COMPILE_OPTIONS_IPO -flto=auto -ffat-lto-objects)
    set(CMAKE_CXX_COMPILE_OPTIONS_IPO ${CMAKE_C_COMPILE_OPTIONS_IPO})
endif()

# By itself gcc clears structures of a hundred bytes and more by `rep stos`, whose start costs x86 more than the stores.
include(CheckCCompilerFlag)
set(STEPD_CLEARS -mmemset-strategy=unrolled_loop:512:noalign,libcall:-1:noalign)
check_c_compiler_flag("${STEPD_CLEARS}" STEPD_HAS_CLEARS)
if(STEPD_HAS_CLEARS)
    add_compile_options($<$<COMPILE_LANGUAGE:C>:${STEPD_CLEARS}>)
    add_link_options(${STEPD_CLEARS})
endif()

add_library(stepd_build INTERFACE)
target_include_directories(stepd_build INTERFACE ${PROJECT_SOURCE_DIR}/daemon)
target_compile_definitions(stepd_build INTERFACE _GNU_SOURCE)
target_compile_options(stepd_build INTERFACE
    -Wall -Wextra -Wshadow -Wconversion $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>
    -Wformat=2 -Wvla -fstack-protector-strong -fno-omit-frame-pointer
    # gcc warns of results that (void) says are ignored; clang, which does not, checks the others.
    $<$<C_COMPILER_ID:GNU>:-Wno-unused-result>
    $<$<BOOL:${STEPD_WERROR}>:-Werror>)
if(STEPD_SANITIZE)
    # Of all that is compiled, modules too: they share a process with the daemon.
    add_compile_options(-fsanitize=${STEPD_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${STEPD_SANITIZE})
else()
    target_compile_options(stepd_build INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
target_link_options(stepd_build INTERFACE -Wl,-z,relro,-z,now)
target_link_libraries(stepd_build INTERFACE ${STEPD_ATOMIC_LIBRARY})
