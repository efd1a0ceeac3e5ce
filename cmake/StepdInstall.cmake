# SPDX-License-Identifier: Apache-2.0
# What is installed besides the programs and the modules: header, CMake package, pkg-config, config, units.
# Two components: `runtime`, the default, and `development`, what a module's author needs.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/stepd)
set(STEPD_CONFIG_DIR ${CMAKE_INSTALL_FULL_SYSCONFDIR}/stepd)

install(DIRECTORY daemon/include/stepd DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development FILES_MATCHING PATTERN "*.h")

install(TARGETS stepd_handler_api EXPORT stepd COMPONENT development)
install(TARGETS stepd_testing EXPORT stepd-testing COMPONENT development)
install(EXPORT stepd NAMESPACE stepd:: FILE stepd-targets.cmake DESTINATION ${package_dir} COMPONENT development)
install(EXPORT stepd-testing NAMESPACE stepd:: FILE stepd-testing-targets.cmake DESTINATION ${package_dir} COMPONENT development)
configure_package_config_file(cmake/stepd-config.cmake.in package/stepd-config.cmake
    INSTALL_DESTINATION ${package_dir} PATH_VARS STEPD_MODULE_DIR)
write_basic_package_version_file(stepd-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/stepd-config.cmake ${PROJECT_BINARY_DIR}/stepd-config-version.cmake
    cmake/StepdAddModule.cmake DESTINATION ${package_dir} COMPONENT development)

# The build folder is a package too: with its bin in PATH, find_package(stepd) needs nothing installed.
export(EXPORT stepd NAMESPACE stepd:: FILE stepd-targets.cmake)
export(EXPORT stepd-testing NAMESPACE stepd:: FILE stepd-testing-targets.cmake)
configure_package_config_file(cmake/stepd-config.cmake.in stepd-config.cmake
    INSTALL_PREFIX ${PROJECT_BINARY_DIR} INSTALL_DESTINATION ${PROJECT_BINARY_DIR} PATH_VARS STEPD_MODULE_DIR)
configure_file(cmake/StepdAddModule.cmake StepdAddModule.cmake COPYONLY)
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/${STEPD_MODULE_DIR})

# Relative to where the file lies, so that an installed tree can be moved.
file(RELATIVE_PATH STEPD_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" STEPD_PC_PREFIX "${STEPD_PC_PREFIX}")
configure_file(cmake/stepd.pc.in stepd.pc @ONLY)
configure_file(cmake/stepd-testing.pc.in stepd-testing.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/stepd.pc ${PROJECT_BINARY_DIR}/stepd-testing.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

file(READ config/stepd.yaml config)
if(STEPD_PACKAGE)
    string(REPLACE "\nmodules: []\n" "\nmodules: [\"${CMAKE_INSTALL_FULL_LIBDIR}/stepd/modules-${STEPD_ABI_MAJOR}\"]\n" config "${config}")
endif()
file(WRITE ${PROJECT_BINARY_DIR}/config/stepd.yaml "${config}")
install(FILES ${PROJECT_BINARY_DIR}/config/stepd.yaml config/redis.conf DESTINATION ${CMAKE_INSTALL_SYSCONFDIR}/stepd)
install(FILES config/grafana.json config/alerts.yaml DESTINATION ${CMAKE_INSTALL_DATADIR}/stepd)

# Packages for programs: `npm install /usr/share/stepd/clients/node`, `pip install /usr/share/stepd/clients/python`.
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/share/stepd) # as installed, for new-program
file(CREATE_LINK ${PROJECT_SOURCE_DIR}/clients ${PROJECT_BINARY_DIR}/share/stepd/clients SYMBOLIC)
install(DIRECTORY clients/node clients/python DESTINATION ${CMAKE_INSTALL_DATADIR}/stepd/clients
    PATTERN tests EXCLUDE PATTERN node_modules EXCLUDE PATTERN __pycache__ EXCLUDE PATTERN build EXCLUDE PATTERN *.egg-info EXCLUDE)

# stepd.service, and stepd@NAME.service, whose config is a folder's: drop-ins are one daemon's.
function(stepd_unit file UNIT_TITLE UNIT_USER UNIT_CONFIG)
    configure_file(systemd/stepd.service.in systemd/${file} @ONLY)
endfunction()
stepd_unit(stepd.service "stepd, durable event handlers" stepd ${STEPD_CONFIG_DIR}/stepd.yaml)
stepd_unit(stepd@.service "stepd, durable event handlers (%i)" stepd-%i ${STEPD_CONFIG_DIR}/%i/stepd.yaml)
configure_file(systemd/stepd-redis.service.in systemd/stepd-redis.service @ONLY)
configure_file(systemd/stepd.tmpfiles.conf.in systemd/stepd.tmpfiles.conf @ONLY)
foreach(unit stepd.service stepd@.service stepd-redis.service)
    install(FILES ${PROJECT_BINARY_DIR}/systemd/${unit} DESTINATION lib/systemd/system)
endforeach()
install(FILES systemd/stepd.sysusers.conf DESTINATION lib/sysusers.d RENAME stepd.conf)
install(FILES ${PROJECT_BINARY_DIR}/systemd/stepd.tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME stepd.conf)
install(DIRECTORY DESTINATION ${STEPD_MODULE_DIR})
install(DIRECTORY DESTINATION ${STEPD_MODULE_DIR} COMPONENT development)

# Pages: stepd.yaml(5) is made of the default config, and each call of the header is found under its own name.
set(config_page ${PROJECT_BINARY_DIR}/man/stepd.yaml.5)
set(page_sources docs/man/stepd.yaml.awk config/stepd.yaml docs/man/stepd.yaml.5.in)
list(TRANSFORM page_sources PREPEND ${PROJECT_SOURCE_DIR}/)
add_custom_command(OUTPUT ${config_page} COMMAND awk -f ${page_sources} > ${config_page} DEPENDS ${page_sources} VERBATIM)
add_custom_target(man ALL DEPENDS ${config_page})
file(STRINGS daemon/include/stepd/stepd.h calls REGEX "^STEPD_EXPORT .*\\(")
foreach(call ${calls})
    string(REGEX MATCH "stepd_[a-z_]+\\(" call "${call}")
    string(REPLACE "(" "" call "${call}")
    file(WRITE ${PROJECT_BINARY_DIR}/man/man3/${call}.3 ".so man3/stepd.h.3\n")
endforeach()
install(FILES docs/man/stepctl.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${config_page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES docs/man/stepd.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES docs/man/stepd.h.3 DESTINATION ${CMAKE_INSTALL_MANDIR}/man3 COMPONENT development)
install(DIRECTORY ${PROJECT_BINARY_DIR}/man/man3 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT development)

foreach(program stepctl stepd)
    install(FILES completions/stepctl.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME ${program})
endforeach()
set(zsh_folder site-functions)
if(STEPD_PACKAGE)
    set(zsh_folder vendor-completions)
endif()
install(FILES completions/_stepctl DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/${zsh_folder})
