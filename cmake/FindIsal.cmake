# SPDX-License-Identifier: MIT
# Finds Intel's ISA-L (CRC32C) and defines Isal::isal. Also installed with the CMake package, since
# quire::quire_static needs it.
find_path(Isal_INCLUDE_DIR isa-l/crc.h)
find_library(Isal_LIBRARY isal)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  Isal
  REQUIRED_VARS Isal_LIBRARY Isal_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install libisal-dev (or run tools/deps)")
mark_as_advanced(Isal_INCLUDE_DIR Isal_LIBRARY)

if(Isal_FOUND AND NOT TARGET Isal::isal)
  add_library(Isal::isal UNKNOWN IMPORTED)
  set_target_properties(
    Isal::isal PROPERTIES IMPORTED_LOCATION "${Isal_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES
                                                              "${Isal_INCLUDE_DIR}")
endif()
