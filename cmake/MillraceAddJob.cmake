# SPDX-License-Identifier: Apache-2.0
# How jobs are built. The same file serves this tree and projects that call find_package(Millrace).

# millrace_add_job(NAME SOURCES job.cc... [LIBRARIES t...])
# A shared module NAME.so for `millrace run JOB --module NAME.so`. It takes headers and language
# level from Millrace but no code: the library's symbols stay undefined until the `millrace` that
# loads it provides its own, so there is one job registry, one hash, one allocator of buffers.
# LIBRARIES are what the job itself needs besides; they are linked as usual. (Shared ones are not
# found by $ORIGIN: a module is loaded from memory, where it was checked.)
function(millrace_add_job name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES")
  if(NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "millrace_add_job(${name}): say SOURCES file.cc... ${arg_UNPARSED_ARGUMENTS}")
  endif()
  add_library(${name} MODULE ${arg_SOURCES})
  foreach(layer api formats)
    set(from millrace::${layer})
    target_include_directories(${name} SYSTEM PRIVATE
      $<TARGET_PROPERTY:${from},INTERFACE_INCLUDE_DIRECTORIES>)
    target_compile_definitions(${name} PRIVATE
      $<TARGET_PROPERTY:${from},INTERFACE_COMPILE_DEFINITIONS>)
    target_compile_options(${name} PRIVATE $<TARGET_PROPERTY:${from},INTERFACE_COMPILE_OPTIONS>)
  endforeach()
  target_compile_features(${name} PRIVATE cxx_std_20)
  # The module's own classes come first: a job may share its class names with a job that ships.
  target_link_options(${name} PRIVATE LINKER:-Bsymbolic)
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES})
  if(TARGET millrace_options)
    target_link_libraries(${name} PRIVATE millrace_options)  # In this tree: same sanitizers.
  endif()
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".so")
endfunction()

# millrace_host_modules(TARGET [LIBRARIES t...])
# Makes the executable TARGET able to load job modules: every layer is linked whole and its symbols
# are visible to what is loaded. LIBRARIES are linked whole, too: for example a static library of
# jobs, whose registrations nothing refers to by name.
function(millrace_host_modules target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LIBRARIES")
  get_property(layers GLOBAL PROPERTY MILLRACE_LAYERS)
  list(FILTER layers EXCLUDE REGEX "testing$")
  list(APPEND layers ${arg_LIBRARIES})
  # The archives stand twice on the link line: whole, and where CMake orders them by dependency.
  # There the second ones add nothing. ($<LINK_LIBRARY:WHOLE_ARCHIVE> repeats them whole in 3.25.)
  list(TRANSFORM layers REPLACE "(.+)" "$<TARGET_FILE:\\1>" OUTPUT_VARIABLE archives)
  list(JOIN archives " " archives)
  target_link_options(${target} PRIVATE
    "SHELL:-Wl,--whole-archive ${archives} -Wl,--no-whole-archive")
  target_link_libraries(${target} PRIVATE ${layers})
  set_target_properties(${target} PROPERTIES ENABLE_EXPORTS ON)
endfunction()
