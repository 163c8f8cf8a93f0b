#!/usr/bin/env bash
# Build llama.cpp's own tools from the source that the pinned llama-cpp-python carries, with the same
# flags. Tests marked `reference`, the golden manifests and the benchmarks compare with them.
#
#   scripts/build_reference_tools.sh [FOLDER]      FOLDER: work/reference if not given
#
# Needs cmake and a C++ compiler, and about eight minutes on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-work/reference}
scripts/llama_cpp_source.sh "$folder"
# GCC 12.2 leaves out stores of AMX's configuration (GCC bug 114098), and the programs would crash.
amx=$(grep -qs amx_tile /proc/cpuinfo && echo "-DCMAKE_CXX_FLAGS=-fno-dse" || true)
# shellcheck disable=SC2086
cmake -S "$folder/source/vendor/llama.cpp" -B "$folder/build" -DCMAKE_BUILD_TYPE=Release \
  $amx -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF > "$folder/configure.log"
cmake --build "$folder/build" -j "$(nproc)" --target llama-quantize llama-bench llama-batched-bench \
  llama-perplexity llama-imatrix llama-mtmd-cli llama-server llama-tokenize \
  llama-completion > "$folder/build.log"
ls "$folder"/build/bin/llama-*
