# SPDX-License-Identifier: Apache-2.0
# What is installed besides the programs and the modules: header, CMake package, pkg-config, config, unit.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/stepd)
set(STEPD_CONFIG_DIR ${CMAKE_INSTALL_FULL_SYSCONFDIR}/stepd)

install(DIRECTORY daemon/include/stepd DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

set(api_targets stepd_handler_api)
if(TARGET stepd_testing)
    list(APPEND api_targets stepd_testing)
endif()
install(TARGETS ${api_targets} EXPORT stepd)
install(EXPORT stepd NAMESPACE stepd:: FILE stepd-targets.cmake DESTINATION ${package_dir})
configure_package_config_file(cmake/stepd-config.cmake.in stepd-config.cmake
    INSTALL_DESTINATION ${package_dir} PATH_VARS STEPD_MODULE_DIR)
write_basic_package_version_file(stepd-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/stepd-config.cmake ${PROJECT_BINARY_DIR}/stepd-config-version.cmake
    cmake/StepdAddModule.cmake DESTINATION ${package_dir})

# Relative to where the file lies, so that an installed tree can be moved.
file(RELATIVE_PATH STEPD_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" STEPD_PC_PREFIX "${STEPD_PC_PREFIX}")
configure_file(cmake/stepd.pc.in stepd.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/stepd.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(FILES config/stepd.yaml config/redis.conf DESTINATION ${CMAKE_INSTALL_SYSCONFDIR}/stepd)
configure_file(systemd/stepd.service.in stepd.service @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/stepd.service DESTINATION lib/systemd/system)
install(DIRECTORY DESTINATION ${STEPD_MODULE_DIR})
