# SPDX-License-Identifier: Apache-2.0
# stepd_add_module(NAME SOURCES...): a handler module, NAME.so. It links to nothing of stepd (the daemon
# exports the calls) and is installed where stepd looks for modules of its ABI.
function(stepd_add_module name)
    add_library(${name} MODULE ${ARGN})
    target_link_libraries(${name} PRIVATE stepd::module)
    set_target_properties(${name} PROPERTIES PREFIX "" C_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    install(TARGETS ${name} LIBRARY DESTINATION ${STEPD_MODULE_DIR})
endfunction()

# stepd_add_module_test(NAME MODULE SOURCES...): a program of the test's sources and the module's, which ctest runs.
# What else it needs (a test framework) is for target_link_libraries(NAME PRIVATE ...).
function(stepd_add_module_test name module)
    get_target_property(folder ${module} SOURCE_DIR)
    get_target_property(sources ${module} SOURCES)
    get_target_property(libraries ${module} LINK_LIBRARIES)
    list(TRANSFORM sources PREPEND "${folder}/" REGEX "^[^/$]")
    add_executable(${name} ${ARGN} ${sources})
    target_link_libraries(${name} PRIVATE stepd::testing ${libraries})
    add_test(NAME ${name} COMMAND ${name})
endfunction()
