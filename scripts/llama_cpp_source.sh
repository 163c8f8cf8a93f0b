#!/usr/bin/env bash
# Unpack the source that the pinned llama-cpp-python carries into FOLDER/source, unless it is there.
# The other build scripts start with it.
#
#   scripts/llama_cpp_source.sh FOLDER
set -euo pipefail
folder=$1
if [ -d "$folder/source" ]; then
  exit
fi
version=$(sed -n 's/^LLAMA_CPP_PYTHON = "\(.*\)"/\1/p' "$(dirname "$0")/../edge_med/native.py")
mkdir -p "$folder"
python -m pip download --quiet --no-deps --no-binary llama-cpp-python "llama-cpp-python==$version" -d "$folder"
mkdir "$folder/source"
tar -xzf "$folder"/llama_cpp_python-*.tar.gz -C "$folder/source" --strip-components=1
