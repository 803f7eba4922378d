# SPDX-License-Identifier: MIT
# Finds liburing and defines Uring::uring. Also installed with the CMake package, since
# quire::quire_static needs it. pkg-config only helps to find it: a cross build has none.
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND AND NOT CMAKE_CROSSCOMPILING)
  pkg_check_modules(PC_Uring QUIET liburing)
endif()
find_path(Uring_INCLUDE_DIR liburing.h HINTS ${PC_Uring_INCLUDE_DIRS})
find_library(Uring_LIBRARY uring HINTS ${PC_Uring_LIBRARY_DIRS})

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  Uring
  REQUIRED_VARS Uring_LIBRARY Uring_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install liburing-dev (or run tools/deps)")
mark_as_advanced(Uring_INCLUDE_DIR Uring_LIBRARY)

if(Uring_FOUND AND NOT TARGET Uring::uring)
  add_library(Uring::uring UNKNOWN IMPORTED)
  set_target_properties(
    Uring::uring PROPERTIES IMPORTED_LOCATION "${Uring_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES
                                                                "${Uring_INCLUDE_DIR}")
endif()
