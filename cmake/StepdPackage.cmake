# SPDX-License-Identifier: Apache-2.0
# Debian packages, one for each component: `cmake --workflow --preset package`.
foreach(script conffiles postinst prerm postrm)
    configure_file(packaging/${script}.in packaging/${script} @ONLY
        FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
endforeach()
file(CHMOD ${PROJECT_BINARY_DIR}/packaging/conffiles FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
install(FILES packaging/copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/stepd)
install(FILES packaging/copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/stepd-dev COMPONENT development)
install(FILES README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/stepd)

set(CPACK_GENERATOR DEB)
if(CMAKE_CROSSCOMPILING) # else dpkg knows
    set(architecture_of_aarch64 arm64)
    set(architecture_of_riscv64 riscv64)
    set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE ${architecture_of_${CMAKE_SYSTEM_PROCESSOR}})
    # dpkg-shlibdeps finds no packages in a root that was only unpacked: those of the same libraries here have the same names.
    set(libraries_of_others libc6 libgcc-s1 libstdc++6)
    foreach(library rdkafka hiredis msgpackc fyaml jansson microhttpd systemd xxhash yajl re2 protobuf roaring curl crypto sqlite3)
        execute_process(COMMAND sh -c "dpkg-query -S '*/lib${library}.so.*' | head -n 1 | cut -d: -f1"
            OUTPUT_VARIABLE package OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
        list(APPEND libraries_of_others ${package})
    endforeach()
    list(REMOVE_DUPLICATES libraries_of_others)
    list(JOIN libraries_of_others ", " libraries_of_others)
endif()
set(CPACK_SET_DESTDIR ON)
set(CPACK_PACKAGE_CONTACT "stepd maintainers <maintainers@stepd.example>")
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL runtime development)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME stepd)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_DEPENDS "init-system-helpers (>= 1.54~), tzdata")
if(CMAKE_CROSSCOMPILING)
    string(APPEND CPACK_DEBIAN_RUNTIME_PACKAGE_DEPENDS ", ${libraries_of_others}")
else()
    set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
endif()
set(CPACK_DEBIAN_RUNTIME_PACKAGE_RECOMMENDS "redis-server (>= 5:6.0) | valkey-server, systemd")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SUGGESTS "stepd-dev, kcat, nodejs (>= 18), tzdata-legacy")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA
    ${PROJECT_BINARY_DIR}/packaging/conffiles ${PROJECT_BINARY_DIR}/packaging/postinst
    ${PROJECT_BINARY_DIR}/packaging/prerm ${PROJECT_BINARY_DIR}/packaging/postrm)
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION "Runs the functions of modules for events from Kafka's topics, retries what
fails, and remembers the steps that are done so that none is done twice.")

# What stepd::testing links to is its .pc file's.
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME stepd-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
    "libmsgpack-c-dev | libmsgpack-dev, pkg-config, libfyaml-dev, libjansson-dev, libyajl-dev, libre2-dev, g++, libxxhash-dev, libsystemd-dev")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS "cmake (>= 3.25)")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "Header, CMake package, pkg-config files and testing library:
all that is needed to write a module of functions for stepd, to build it
with CMake or pkg-config, and to test it in memory.")
include(CPack)
