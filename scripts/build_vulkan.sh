#!/usr/bin/env bash
# Build llama-cpp-python with the Vulkan backend, in a virtual environment of its own, and install
# edge-med there. Tests marked `gpu` run in it, on a graphics card or on Mesa's software device.
#
#   scripts/build_vulkan.sh [FOLDER]      FOLDER: work/vulkan if not given
#
# For Debian 12 and newer, and for what is made from it; as root, or with the packages below already
# there. Needs about eight minutes on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mkdir -p "${1:-work/vulkan}" && cd "${1:-work/vulkan}" && pwd)
version=$(sed -n 's/^LLAMA_CPP_PYTHON = "\(.*\)"/\1/p' edge_med/native.py)
packages="cmake g++ glslc libvulkan-dev mesa-vulkan-drivers spirv-headers"

if ! dpkg -s $packages > /dev/null 2>&1; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $packages \
    > "$folder/apt.log" 2>&1 || { cat "$folder/apt.log"; exit 1; }
fi

# Headers alone, unpacked aside: the system's own package stays as it is.
headers=/usr/include
if ! grep -q 'VK_HEADER_VERSION_COMPLETE VK_MAKE_API_VERSION(0, 1, 4' "$headers/vulkan/vulkan_core.h"
then
  headers=$folder/headers/usr/include
  [ -d "$headers" ] || scripts/newer_debian.sh "$folder/headers" libvulkan-dev
fi

# Never pip's cache: it may hold a wheel of the same version built without Vulkan.
[ -d "$folder/venv" ] || python -m venv "$folder/venv"
python=$folder/venv/bin/python
if ! ls "$folder"/venv/lib/python*/site-packages/llama_cpp/lib/libggml-vulkan.* > /dev/null 2>&1; then
  CMAKE_ARGS="-DGGML_VULKAN=ON -DVulkan_INCLUDE_DIR=$headers" CMAKE_BUILD_PARALLEL_LEVEL=$(nproc) \
    "$python" -m pip install --no-cache-dir --no-binary llama-cpp-python --verbose \
    "llama-cpp-python==$version" > "$folder/build.log" 2>&1 || { tail -n 40 "$folder/build.log"; exit 1; }
fi
"$python" -m pip install --quiet -e ".[test,demo]"

GGML_VK_VISIBLE_DEVICES=0 "$python" -m edge_med doctor
cat <<END

Run the tests on this machine's first device (a software device is used only where it is named so):
  GGML_VK_VISIBLE_DEVICES=0 $python -m pytest -m gpu
END
