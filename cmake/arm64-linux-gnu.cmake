# SPDX-License-Identifier: MIT
# Cross build for 64-bit Arm on Debian: gcc-aarch64-linux-gnu, and libisal-dev:arm64 by multiarch.
# Programs, tests included, run under qemu-user when it is there.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

# Never a library of the build machine: its paths are all those outside the architecture's own.
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu /usr/lib/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY BOTH)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE BOTH)

find_program(QUIRE_QEMU NAMES qemu-aarch64 qemu-aarch64-static)
if(QUIRE_QEMU)
  if(EXISTS /lib/ld-linux-aarch64.so.1)
    set(CMAKE_CROSSCOMPILING_EMULATOR "${QUIRE_QEMU}")
  else()
    set(CMAKE_CROSSCOMPILING_EMULATOR "${QUIRE_QEMU};-L;/usr/aarch64-linux-gnu")
  endif()
endif()
