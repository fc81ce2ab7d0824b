# SPDX-License-Identifier: Apache-2.0
# `cmake --install`: the command, the layers with their headers, and a package for find_package.
# The testing layer has an export set of its own, since it alone needs GoogleTest.
include(CMakePackageConfigHelpers)

set(millrace_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Millrace)
get_property(millrace_layers GLOBAL PROPERTY MILLRACE_LAYERS)
set(millrace_installed "")
foreach(layer IN LISTS millrace_layers)
  if(layer STREQUAL "millrace_jobs")
    continue()  # The jobs that ship live in the command.
  endif()
  set(export MillraceTargets)
  if(layer STREQUAL "millrace_testing")
    set(export MillraceTestingTargets)
  else()
    string(REPLACE "millrace_" "millrace::" exported ${layer})
    list(APPEND millrace_installed ${exported})
  endif()
  get_target_property(header_sets ${layer} INTERFACE_HEADER_SETS)
  set(headers "")
  foreach(header_set IN LISTS header_sets)
    list(APPEND headers FILE_SET ${header_set} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  endforeach()
  install(TARGETS ${layer} EXPORT ${export}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} ${headers})
endforeach()
if(TARGET millrace)
  install(TARGETS millrace EXPORT MillraceTargets RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/deploy DESTINATION ${CMAKE_INSTALL_DATADIR}/millrace)
endif()

if(millrace_installed)
  install(EXPORT MillraceTargets NAMESPACE millrace:: DESTINATION ${millrace_package_dir})
  if(TARGET millrace_testing)
    install(EXPORT MillraceTestingTargets NAMESPACE millrace:: DESTINATION ${millrace_package_dir})
  endif()
  configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/MillraceConfig.cmake.in
    ${PROJECT_BINARY_DIR}/MillraceConfig.cmake INSTALL_DESTINATION ${millrace_package_dir})
  # Before 1.0 a minor version may change the interface.
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/MillraceConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES
    ${PROJECT_BINARY_DIR}/MillraceConfig.cmake
    ${PROJECT_BINARY_DIR}/MillraceConfigVersion.cmake
    ${PROJECT_SOURCE_DIR}/cmake/MillraceAddJob.cmake
    DESTINATION ${millrace_package_dir})
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()
