# SPDX-License-Identifier: MIT
# Functions that register tests.

find_path(Criterion_INCLUDE_DIR criterion/criterion.h)
find_library(Criterion_LIBRARY criterion)
mark_as_advanced(Criterion_INCLUDE_DIR Criterion_LIBRARY)

# A Criterion binary aborts at its start when it is built with ThreadSanitizer.
set(QUIRE_UNIT_TESTS ON)
if(QUIRE_SANITIZE MATCHES "thread")
  message(STATUS "Unit tests: left out, Criterion does not run under ThreadSanitizer")
  set(QUIRE_UNIT_TESTS OFF)
elseif(NOT Criterion_LIBRARY OR NOT Criterion_INCLUDE_DIR)
  message(STATUS "Unit tests: left out, Criterion was not found for ${CMAKE_SYSTEM_PROCESSOR}")
  set(QUIRE_UNIT_TESTS OFF)
endif()

function(quire_test_program target library)
  add_executable(${target} ${ARGN})
  target_link_libraries(${target} PRIVATE ${library} Threads::Threads)
  target_compile_definitions(${target} PRIVATE QUIRE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
endfunction()

# quire_unit_test(NAME name SOURCES file... [TIMEOUT seconds])
function(quire_unit_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;TIMEOUT" "SOURCES")
  if(NOT QUIRE_UNIT_TESTS)
    return()
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  string(REPLACE "/" "_" target "unit_${arg_NAME}")
  quire_test_program(${target} quire_testing ${arg_SOURCES})
  target_include_directories(${target} PRIVATE "${Criterion_INCLUDE_DIR}")
  # Empty, so that a file may also define it itself.
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE=)
  target_link_libraries(${target} PRIVATE "${Criterion_LIBRARY}")
  add_test(NAME unit/${arg_NAME} COMMAND ${target} --short-filename --jobs 2)
  set_tests_properties(unit/${arg_NAME} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS unit)
endfunction()

# quire_program_test(NAME name SOURCES file... [TIMEOUT seconds] [LABELS label...] [ARGS arg...]
#                    [SCHED])
# SCHED links the library with a scheduling point at each atomic access.
function(quire_program_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "SCHED" "NAME;TIMEOUT" "SOURCES;LABELS;ARGS")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  set(library quire_testing)
  if(arg_SCHED)
    set(library quire_sched)
  endif()
  string(REPLACE "/" "_" target "test_${arg_NAME}")
  quire_test_program(${target} ${library} ${arg_SOURCES})
  add_test(NAME ${arg_NAME} COMMAND ${target} ${arg_ARGS})
  set_tests_properties(
    ${arg_NAME} PROPERTIES TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 77 LABELS "${arg_LABELS}")
endfunction()
