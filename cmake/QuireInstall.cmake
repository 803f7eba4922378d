# SPDX-License-Identifier: MIT
# What is installed: library, headers, command, manual pages, CMake package, pkg-config file.
include(CMakePackageConfigHelpers)

set(QUIRE_CMAKE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/quire")

install(TARGETS quire quire_static EXPORT quireTargets)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
if(TARGET quire_cli)
  install(TARGETS quire_cli)
endif()

foreach(section 1 3)
  file(GLOB pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/man/*.${section}")
  install(FILES ${pages} DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}")
endforeach()

install(
  EXPORT quireTargets
  NAMESPACE quire::
  DESTINATION "${QUIRE_CMAKE_DIR}")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/quireConfig.cmake.in"
                              "${PROJECT_BINARY_DIR}/quireConfig.cmake"
                              INSTALL_DESTINATION "${QUIRE_CMAKE_DIR}")
# Before 1.0 a minor version may break the ABI.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/quireConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(
  FILES "${PROJECT_BINARY_DIR}/quireConfig.cmake" "${PROJECT_BINARY_DIR}/quireConfigVersion.cmake"
        "${PROJECT_SOURCE_DIR}/cmake/FindIsal.cmake" "${PROJECT_SOURCE_DIR}/cmake/FindUring.cmake"
  DESTINATION "${QUIRE_CMAKE_DIR}")

# The file names its own place, so that an installed tree may be moved; not when the packager gave
# absolute directories.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(QUIRE_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
  set(QUIRE_PC_LIBDIR "${CMAKE_INSTALL_FULL_LIBDIR}")
  set(QUIRE_PC_INCLUDEDIR "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
  file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  set(QUIRE_PC_PREFIX "\${pcfiledir}/${up}")
  set(QUIRE_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
  set(QUIRE_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file("${PROJECT_SOURCE_DIR}/cmake/quire.pc.in" "${PROJECT_BINARY_DIR}/quire.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/quire.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
