# SPDX-License-Identifier: Apache-2.0
# The kinds of targets: a layer of the library, a test, a fuzz target, a job's module.
include(MillraceAddJob)

# Warnings and sanitizers, for our own targets only: never exported, never installed.
set(MILLRACE_SANITIZE "" CACHE STRING "Value of -fsanitize=, for example address,undefined")
add_library(millrace_options INTERFACE)
add_library(millrace::options ALIAS millrace_options)
target_compile_options(millrace_options INTERFACE -Wall -Wextra -Wshadow -Wno-missing-field-initializers
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)
# g++ 12 sees overlapping copies in the standard library's own operator+ (GCC bug 105651).
target_compile_options(millrace_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
# What only simulations switch on (mapreduce/base/test_hooks.h) is not in what users run.
target_compile_definitions(millrace_options INTERFACE $<$<CONFIG:Debug>:MILLRACE_TEST_HOOKS>)
if(MILLRACE_SANITIZE)
  target_compile_options(millrace_options INTERFACE -fsanitize=${MILLRACE_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)  # g++ 12 sees some in std::regex then.
  target_link_options(millrace_options INTERFACE -fsanitize=${MILLRACE_SANITIZE})
endif()
if(MILLRACE_BUILD_FUZZERS)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "MILLRACE_BUILD_FUZZERS needs clang: libFuzzer comes with it")
  endif()
  target_compile_options(millrace_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# millrace_add_layer(NAME SOURCES a.cc... HEADERS a.h... [PUBLIC_DEPS t...] [PRIVATE_DEPS t...])
# One static library millrace::NAME. Headers are a file set: each is installed as listed and compiled
# alone (target all_verify_interface_header_sets). MillraceInstall.cmake installs the layers.
function(millrace_add_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;HEADERS;PUBLIC_DEPS;PRIVATE_DEPS")
  set(target millrace_${name})
  # Header-only tools of our own sources: whoever links the installed library needs them not.
  list(TRANSFORM arg_PRIVATE_DEPS REPLACE "^((nlohmann_json|CLI11)::.*)$" "$<BUILD_INTERFACE:\\1>")
  add_library(${target} STATIC)
  add_library(millrace::${name} ALIAS ${target})
  target_sources(${target} PRIVATE ${arg_SOURCES}
    PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${arg_HEADERS})
  target_compile_features(${target} PUBLIC cxx_std_20)
  # Doubles are rounded after each operation, on every processor (docs/decisions/0019).
  target_compile_options(${target} PUBLIC -ffp-contract=off)
  target_link_libraries(${target} PUBLIC ${arg_PUBLIC_DEPS}
    PRIVATE ${arg_PRIVATE_DEPS} $<BUILD_INTERFACE:millrace::options>)
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON
    VERIFY_INTERFACE_HEADER_SETS ON LINKER_LANGUAGE CXX)
  set_property(GLOBAL APPEND PROPERTY MILLRACE_LAYERS ${target})
  list(TRANSFORM arg_HEADERS PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  set_property(GLOBAL APPEND PROPERTY MILLRACE_LAYER_HEADERS ${arg_HEADERS})
endfunction()

# Tests take longer to compile than to run: a fifth less than with -O1, with the sanitizers two.
set(MILLRACE_TEST_OPTIONS $<$<AND:$<CONFIG:Debug>,$<CXX_COMPILER_ID:GNU>>:-Og>)

# millrace_add_test(LABEL NAME SOURCES a_test.cc... [DEPS t...])
# One GoogleTest program per call; each of its tests is a CTest test with the label (its folder).
# What most tests include is compiled once (tests/CMakeLists.txt).
function(millrace_add_test label name)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "SOURCES;DEPS")
  set(target ${label}_${name}_test)
  add_executable(${target} ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE ${arg_DEPS} GTest::gmock GTest::gtest_main millrace::options)
  target_precompile_headers(${target} REUSE_FROM millrace_test_headers)
  # g++ 12 sees those of the standard library's operator+ then, as above.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds>)
  gtest_discover_tests(${target} DISCOVERY_MODE PRE_TEST TEST_PREFIX ${label}.
    PROPERTIES LABELS ${label} TIMEOUT 300)
endfunction()

# millrace_add_fuzzer(NAME SOURCES a_fuzz.cc... [DEPS t...] [CORPUS directory])
# `NAME_fuzz` from a file that defines LLVMFuzzerTestOneInput. With MILLRACE_BUILD_FUZZERS it is a
# libFuzzer program, and its test fuzzes for some seconds; otherwise the test replays the corpus.
function(millrace_add_fuzzer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "CORPUS" "SOURCES;DEPS")
  if(NOT arg_CORPUS)
    set(arg_CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
  endif()
  set(target ${name}_fuzz)
  add_executable(${target} ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE ${arg_DEPS} millrace::options)
  if(MILLRACE_BUILD_FUZZERS)
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    set(scratch ${CMAKE_CURRENT_BINARY_DIR}/found/${name})  # What it finds stays out of the tree.
    file(MAKE_DIRECTORY ${scratch})
    add_test(NAME fuzz.${name} WORKING_DIRECTORY ${scratch}
      COMMAND ${target} -max_total_time=20 -timeout=10 -rss_limit_mb=1024 ${scratch} ${arg_CORPUS})
  else()
    target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc)
    add_test(NAME fuzz.${name} COMMAND ${target} ${arg_CORPUS})
  endif()
  set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 300)
endfunction()
