# SPDX-License-Identifier: Apache-2.0
# Builds for another of Debian's architectures: with its cross compiler, and the libraries of a root that
# scripts/test --arch makes. STEPD_CROSS names the architecture as compilers do (aarch64, riscv64), STEPD_ROOT the root.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES STEPD_CROSS STEPD_ROOT)
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${STEPD_CROSS})
set(CMAKE_LIBRARY_ARCHITECTURE ${STEPD_CROSS}-linux-gnu)

foreach(language C CXX ASM)
    set(CMAKE_${language}_LIBRARY_ARCHITECTURE ${CMAKE_LIBRARY_ARCHITECTURE})
endforeach()
set(CMAKE_C_COMPILER ${CMAKE_LIBRARY_ARCHITECTURE}-gcc)
set(CMAKE_CXX_COMPILER ${CMAKE_LIBRARY_ARCHITECTURE}-g++)
set(CMAKE_SYSROOT ${STEPD_ROOT})

set(CMAKE_FIND_ROOT_PATH ${STEPD_ROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${STEPD_ROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${STEPD_ROOT}/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/pkgconfig:${STEPD_ROOT}/usr/share/pkgconfig)

# Tests run by themselves where the kernel knows an emulator (binfmt), and else through this one.
find_program(STEPD_EMULATOR NAMES qemu-${STEPD_CROSS}-static qemu-${STEPD_CROSS})
if(STEPD_EMULATOR)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${STEPD_EMULATOR} -L ${STEPD_ROOT})
endif()
