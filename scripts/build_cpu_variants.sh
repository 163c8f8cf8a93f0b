#!/usr/bin/env bash
# Build ggml's code for the CPU for three kinds of x86-64 processors, from the source that the pinned
# llama-cpp-python carries. Tests marked `emulated` run it on emulated processors.
#
#   scripts/build_cpu_variants.sh [FOLDER]      FOLDER: work/cpu if not given
#
# Needs cmake, a C++ compiler and qemu's user mode (Debian: cmake g++ qemu-user), and two minutes on
# two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-work/cpu}
scripts/llama_cpp_source.sh "$folder"

build() {
  local name=$1
  shift
  cmake -S "$folder/source/vendor/llama.cpp" -B "$folder/$name" -DCMAKE_BUILD_TYPE=Release \
    -DBUILD_SHARED_LIBS=on -DLLAMA_CURL=off -DLLAMA_BUILD_COMMON=off -DLLAMA_BUILD_TOOLS=off \
    -DLLAMA_BUILD_TESTS=off -DLLAMA_BUILD_EXAMPLES=off -DLLAMA_BUILD_SERVER=off \
    -DGGML_NATIVE=off "$@" > "$folder/$name.log"
  cmake --build "$folder/$name" -j "$(nproc)" --target ggml-cpu >> "$folder/$name.log"
}

build avx512 -DGGML_AVX512=on
build haswell
build nehalem -DGGML_AVX=off -DGGML_AVX2=off -DGGML_FMA=off -DGGML_F16C=off -DGGML_BMI2=off
ls "$folder"/*/bin/libggml-cpu.so
