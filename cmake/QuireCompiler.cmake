# SPDX-License-Identifier: MIT
# Language level, warnings, sanitizers and coverage for every target of the project.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()
# Assertions stay in Debug only; -O2 is what the figures are measured with.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g -DNDEBUG")

add_compile_options(-Wall -Wextra -Wconversion)
if(QUIRE_WERROR)
  add_compile_options(-Werror)
endif()

if(QUIRE_SANITIZE)
  add_compile_options(-fsanitize=${QUIRE_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${QUIRE_SANITIZE})
  if(QUIRE_SANITIZE MATCHES "undefined")
    # Without it a finding is printed and the test passes all the same.
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # Instrumented code hides from gcc what bounds a length; the plain builds keep these warnings.
    add_compile_options(-Wno-format-truncation -Wno-maybe-uninitialized)
  endif()
  if(QUIRE_SANITIZE MATCHES "thread" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # gcc warns that TSan does not model fences. Order never rests on one here: the named fence is
    # the fallback for membarrier and only delays a sleeper.
    add_compile_options(-Wno-tsan)
  endif()
endif()

if(QUIRE_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
  find_program(QUIRE_LCOV lcov)
  find_program(QUIRE_GENHTML genhtml)
  mark_as_advanced(QUIRE_LCOV QUIRE_GENHTML)
  if(QUIRE_LCOV AND QUIRE_GENHTML)
    set(info "${PROJECT_BINARY_DIR}/coverage.info")
    # A failed test still leaves a report, and the report says what ran.
    add_custom_target(
      coverage
      COMMAND "${QUIRE_LCOV}" -q -z -d "${PROJECT_BINARY_DIR}"
      COMMAND sh -c "'${CMAKE_CTEST_COMMAND}' --output-on-failure || true"
      COMMAND "${QUIRE_LCOV}" -q -c -d "${PROJECT_BINARY_DIR}" --no-external
              -b "${PROJECT_SOURCE_DIR}" -o "${info}"
      COMMAND "${QUIRE_LCOV}" -q -r "${info}" "${PROJECT_SOURCE_DIR}/tests/*"
              "${PROJECT_SOURCE_DIR}/benches/*" -o "${info}"
      COMMAND "${QUIRE_GENHTML}" -q "${info}" -o "${PROJECT_BINARY_DIR}/coverage"
      COMMAND "${QUIRE_LCOV}" --list "${info}"
      WORKING_DIRECTORY "${PROJECT_BINARY_DIR}"
      VERBATIM USES_TERMINAL)
  else()
    message(STATUS "No target coverage: install lcov")
  endif()
endif()
