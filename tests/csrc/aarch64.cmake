# A cross build for AArch64 with Debian's compiler: cmake -S . -B build/aarch64 -DCMAKE_TOOLCHAIN_FILE=tests/csrc/aarch64.cmake
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
