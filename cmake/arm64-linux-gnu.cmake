# SPDX-License-Identifier: MIT
# Cross build for 64-bit Arm on Debian: gcc-aarch64-linux-gnu, and ISA-L and liburing for arm64
# unpacked by tools/deps below build/arm64-root (Debian's two builds of ISA-L cannot be installed
# side by side).
# Programs, tests included, run under qemu-user when it is there.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

# Only these places: a library or header of the build machine must never be taken.
get_filename_component(QUIRE_ARM64_ROOT "${CMAKE_CURRENT_LIST_DIR}/../build/arm64-root" ABSOLUTE)
set(CMAKE_FIND_ROOT_PATH "${QUIRE_ARM64_ROOT}" /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

find_program(QUIRE_QEMU NAMES qemu-aarch64 qemu-aarch64-static)
mark_as_advanced(QUIRE_QEMU)
if(QUIRE_QEMU)
  set(CMAKE_CROSSCOMPILING_EMULATOR "${QUIRE_QEMU};-L;/usr/aarch64-linux-gnu")
endif()
