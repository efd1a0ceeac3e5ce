# SPDX-License-Identifier: Apache-2.0
# What stepd is built on: Debian 12's versions are the oldest that are tried.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

pkg_check_modules(RDKAFKA REQUIRED IMPORTED_TARGET rdkafka>=2.0.2)
pkg_check_modules(HIREDIS REQUIRED IMPORTED_TARGET hiredis>=0.14)
# TLS to Redis, where there is one (Debian 12's hiredis has none).
pkg_check_modules(HIREDIS_SSL IMPORTED_TARGET hiredis_ssl)
pkg_check_modules(OPENSSL IMPORTED_TARGET openssl)
# msgpack-c 6 goes by its own name. Debian 13's .pc file of it names a folder "include" relative to nothing.
pkg_search_module(MSGPACK REQUIRED IMPORTED_TARGET msgpack>=4 msgpack-c>=4)
list(REMOVE_ITEM MSGPACK_INCLUDE_DIRS include)
set_target_properties(PkgConfig::MSGPACK PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${MSGPACK_INCLUDE_DIRS}")
pkg_check_modules(FYAML REQUIRED IMPORTED_TARGET libfyaml>=0.7.12)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson>=2.14)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd>=0.9.75)
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash>=0.8)
pkg_check_modules(YAJL REQUIRED IMPORTED_TARGET yajl>=2.1)
pkg_check_modules(PROTOBUF REQUIRED IMPORTED_TARGET protobuf>=3.21)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.85)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto>=3)
if(STEPD_TESTS)
    pkg_check_modules(CRITERION REQUIRED IMPORTED_TARGET criterion)
    pkg_check_modules(AVRO REQUIRED IMPORTED_TARGET avro-c>=1.11) # what its tests compare our reader with
endif()

# Not by its .pc file: from Debian 13 on that names a hundred others, and each question about it takes pkg-config two seconds.
find_path(RE2_INCLUDE re2/re2.h REQUIRED)
find_library(RE2_LIBRARY re2 REQUIRED)
add_library(RE2::RE2 INTERFACE IMPORTED)
target_include_directories(RE2::RE2 SYSTEM INTERFACE ${RE2_INCLUDE})
target_compile_options(RE2::RE2 INTERFACE -pthread)
target_link_libraries(RE2::RE2 INTERFACE ${RE2_LIBRARY})

# CRoaring in Debian 12 brings no .pc file.
find_path(ROARING_INCLUDE roaring/roaring.h REQUIRED)
find_library(ROARING_LIBRARY roaring REQUIRED)
add_library(Roaring INTERFACE IMPORTED)
target_include_directories(Roaring SYSTEM INTERFACE ${ROARING_INCLUDE})
target_link_libraries(Roaring INTERFACE ${ROARING_LIBRARY})
# What iterators are called from CRoaring 4 on; its version is nothing that the preprocessor can compare.
include(CheckSymbolExists)
set(CMAKE_REQUIRED_INCLUDES ${ROARING_INCLUDE})
set(CMAKE_REQUIRED_LIBRARIES ${ROARING_LIBRARY})
check_symbol_exists(roaring_iterator_init roaring/roaring.h STEPD_ROARING_NAMES_ITERATORS)
unset(CMAKE_REQUIRED_INCLUDES)
unset(CMAKE_REQUIRED_LIBRARIES)
if(NOT STEPD_ROARING_NAMES_ITERATORS)
    target_compile_definitions(Roaring INTERFACE
        roaring_iterator_init=roaring_init_iterator roaring_uint32_iterator_advance=roaring_advance_uint32_iterator)
endif()
