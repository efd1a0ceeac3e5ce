# SPDX-License-Identifier: Apache-2.0
# stepd_add_module(NAME SOURCES...): a handler module, NAME.so. It links to nothing of stepd (the daemon
# exports the calls) and is installed where stepd looks for modules of its ABI.
function(stepd_add_module name)
    add_library(${name} MODULE ${ARGN})
    target_link_libraries(${name} PRIVATE stepd::module)
    set_target_properties(${name} PROPERTIES PREFIX "" C_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    install(TARGETS ${name} LIBRARY DESTINATION ${STEPD_MODULE_DIR})
endfunction()
