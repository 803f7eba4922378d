# SPDX-License-Identifier: MIT
# The families of queues that are C++ templates. Nothing else of the project is C++: without a
# compiler for it they are left out.

if(NOT PEER_PACKAGES)
  return()
endif()

# The one that goes with the C compiler: what sanitizers add does not mix.
if(NOT CMAKE_CXX_COMPILER)
  if(NOT DEFINED ENV{CXX})
    string(REGEX REPLACE "g?cc((-[0-9.]+)?)$" "g++\\1" cxx "${CMAKE_C_COMPILER}")
    string(REGEX REPLACE "clang((-[0-9.]+)?)$" "clang++\\1" cxx "${cxx}")
    if(EXISTS "${cxx}")
      set(ENV{CXX} "${cxx}")
    endif()
  endif()
  include(CheckLanguage)
  check_language(CXX)
endif()
if(NOT CMAKE_CXX_COMPILER)
  message(STATUS "bench peers in C++: no C++ compiler")
  return()
endif()
enable_language(CXX)
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")

# A header does not always say its version.
function(peer_package_version package out)
  find_program(QUIRE_DPKG_QUERY dpkg-query)
  mark_as_advanced(QUIRE_DPKG_QUERY)
  set(version "")
  if(QUIRE_DPKG_QUERY)
    execute_process(
      COMMAND "${QUIRE_DPKG_QUERY}" -W -f "\${Version}" ${package}
      OUTPUT_VARIABLE version ERROR_QUIET)
  endif()
  set(${out} "${version}" PARENT_SCOPE)
endfunction()

# peer_cxx_family(NAME PACKAGE HEADER [LIBRARY]): NAME.cpp
function(peer_cxx_family name package header)
  set(library ${ARGN})
  find_path(QUIRE_PEER_${name}_INCLUDE_DIR ${header})
  mark_as_advanced(QUIRE_PEER_${name}_INCLUDE_DIR)
  if(library)
    find_library(QUIRE_PEER_${name}_LIBRARY ${library})
    mark_as_advanced(QUIRE_PEER_${name}_LIBRARY)
    set(library "${QUIRE_PEER_${name}_LIBRARY}")
  else()
    set(library "")
  endif()
  if(NOT QUIRE_PEER_${name}_INCLUDE_DIR OR library MATCHES "NOTFOUND$")
    message(STATUS "bench peer ${name}: package ${package} missing")
    return()
  endif()
  peer_family(${name} ${name}.cpp LIBRARIES ${library})
  peer_package_version(${package} version)
  target_compile_definitions(peer_${name} PRIVATE "PEER_VERSION=\"${version}\"")
  target_include_directories(peer_${name} SYSTEM PRIVATE "${QUIRE_PEER_${name}_INCLUDE_DIR}")
  set_target_properties(peer_${name} PROPERTIES CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON)
endfunction()

# Three producers and three consumers on as few places as the queue can have: all of them wait.
function(peer_test_crowd family peer)
  if(TARGET peer_${family})
    set(name benches/peers/${peer}/crowd)
    add_test(NAME ${name} COMMAND peer_${family} --peer ${peer} --workload throughput --producers 3
                                  --consumers 3 --capacity 64 --seconds 0.02 ${ARGN})
    set_tests_properties(${name} PROPERTIES TIMEOUT 60 LABELS benches)
  endif()
endfunction()

peer_cxx_family(atomic_queue libatomic-queue-dev atomic_queue/atomic_queue.h)
if(TARGET peer_atomic_queue)
  # Without optimisation clang calls __atomic_is_lock_free.
  target_link_libraries(peer_atomic_queue PRIVATE atomic)
endif()
peer_cxx_family(boost libboost-dev boost/lockfree/queue.hpp)
peer_cxx_family(moodycamel libconcurrentqueue-dev concurrentqueue/blockingconcurrentqueue.h)
peer_cxx_family(readerwriterqueue libreaderwriterqueue-dev
                readerwriterqueue/readerwritercircularbuffer.h)
peer_cxx_family(tbb libtbb-dev oneapi/tbb/concurrent_queue.h tbb)

if(QUIRE_BUILD_TESTS)
  # Between them: each size, each way to wait, one at a time and batches.
  peer_test(atomic_queue atomic_queue --size 4096)
  peer_test(atomic_queue atomic_queue-optimist --size 16 --wait busy)
  peer_test(atomic_queue atomic_queue-spsc --size mixed)
  peer_test(boost boost-queue --size mixed)
  peer_test(boost boost-spsc --size 512 --batch 32)
  peer_test(moodycamel moodycamel --size mixed --batch 32)
  peer_test(moodycamel moodycamel-blocking --size 16 --wait block)
  peer_test(readerwriterqueue readerwriterqueue --size 64 --wait busy)
  peer_test(readerwriterqueue readerwriterqueue-blocking --size mixed --wait block)
  peer_test(tbb tbb --size 4096 --wait block)
  peer_test_crowd(atomic_queue atomic_queue --size 512)
  peer_test_crowd(boost boost-queue --size 64)
  peer_test_crowd(moodycamel moodycamel --size 512 --batch 32)
  peer_test_crowd(moodycamel moodycamel-blocking --size mixed --wait block)
  peer_test_crowd(tbb tbb --size mixed --wait block)
endif()
