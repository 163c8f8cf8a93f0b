#!/usr/bin/env bash
# Pack what scripts/gpu_trial.sh needs on a machine without the internet: of llama-cpp-python's
# source only what the build reads, the wheels, and for Vulkan the headers and the shader compiler.
#
#   scripts/pack_gpu_trial.sh [--python 3.12] [FOLDER]      FOLDER: work/gpu-trial if not given
#
# --python: the version of Python there. The bundle is FOLDER/bundle; with this repository's own
# files it may have 60 MB. For an x86-64 Linux there; Vulkan's part is packed on Debian alone.
set -euo pipefail
cd "$(dirname "$0")/.."
limit=60000000
version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
folder=work/gpu-trial
while [ $# -gt 0 ]; do
  case $1 in
    --python) version=$2; shift 2 ;;
    *) folder=$1; shift ;;
  esac
done
folder=$(mkdir -p "$folder" && cd "$folder" && pwd)
bundle=$folder/bundle made=$folder/made
rm -rf "$bundle"
mkdir -p "$bundle/wheels" "$made"

# llama.cpp itself. Of the tools those that need the web page's files are left out of the build.
scripts/llama_cpp_source.sh "$made"
source=$made/source/vendor/llama.cpp
(cd "$source" && find CMakeLists.txt LICENSE licenses cmake common include src vendor tools \
  ggml/CMakeLists.txt ggml/cmake ggml/include ggml/src -type f \
  | grep -v -e '^tools/\(ui\|server\|cli\)/' \
  | grep -e '^ggml/src/[^/]*$' -e '^ggml/src/ggml-\(cpu\|cuda\|vulkan\)/' -e '^[^g]' \
    -e '^ggml/\(CMakeLists.txt\|cmake\|include\)' | sort \
  | XZ_OPT=-9e tar -cJf "$bundle/llama.cpp.tar.xz" -T -)

# llama-cpp-python without libraries: those of the one build are put into it there.
rm -f "$made"/llama_cpp_python-*.whl
python -m pip wheel --quiet --no-deps --no-cache-dir -C cmake.define.LLAMA_BUILD=OFF \
  --wheel-dir "$made" "$made/source"

# All that edge-med asks for, but what no test on a device imports: imagecodecs alone has 28 MB.
wanted=$(python - << 'END'
import re, tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
left_out = {"llama-cpp-python", "imagecodecs", "llguidance"}
needs = [*project["dependencies"], *project["optional-dependencies"]["test"]]
tools = {"pytest"}
kept = needs[: len(project["dependencies"])] + [n for n in needs if re.split("[<>=]", n)[0] in tools]
print(*(n for n in kept if re.split("[<>=]", n)[0] not in left_out))
END
)
platforms=$(for n in $(seq 5 35); do printf -- '--platform manylinux_2_%d_x86_64 ' "$n"; done)
python -m pip download --quiet --only-binary :all: --implementation cp --python-version "$version" \
  $platforms --platform manylinux2014_x86_64 --platform manylinux2010_x86_64 \
  --platform manylinux1_x86_64 --platform linux_x86_64 --dest "$bundle/wheels" \
  $wanted ninja "$made"/llama_cpp_python-*.whl
cp "$made"/llama_cpp_python-*.whl "$bundle/wheels/"

# Vulkan: a newer shader compiler uses more of a card, an older one runs on older systems.
if command -v apt-get > /dev/null && command -v dpkg > /dev/null; then
  vulkan=$made/vulkan
  if [ ! -d "$vulkan" ]; then
    scripts/newer_debian.sh "$vulkan/newer" glslc libshaderc1 libvulkan-dev spirv-headers
    mkdir -p "$made/debs" "$vulkan/older"
    (cd "$made/debs" && apt-get download -qq glslc libshaderc1 libvulkan1 \
      libglvnd0 libgl1 libglx0 libegl1) # NVIDIA's driver asks for the last four
    for package in "$made"/debs/*.deb; do dpkg -x "$package" "$vulkan/older"; done
  fi
  rm -rf "$vulkan"/*/usr/share/{doc,man,lintian,vulkan} "$vulkan"/newer/usr/include/spirv/1.*
  rm -f "$vulkan"/newer/usr/include/vulkan/vulkan{_raii.hpp,.cppm}
  XZ_OPT=-9e tar -cJf "$bundle/vulkan.tar.xz" -C "$vulkan" newer older
else
  echo "No Debian here: the bundle has nothing for Vulkan." >&2
fi

echo "$version" > "$bundle/python"
(cd "$bundle" && du -b -- *.tar.xz wheels/*.whl | sort -rn | head -n 8)
packed=$(du -sb --apparent-size "$bundle" | cut -f 1)
ours=$(git ls-files -z | du -cb --files0-from=- | tail -n 1 | cut -f 1)
printf 'bundle %.1f MB, this repository %.1f MB, together %.1f MB of %.0f MB\n' \
  $(python -c "print(*(n / 1e6 for n in ($packed, $ours, $packed + $ours, $limit)))")
if [ $((packed + ours)) -gt $limit ]; then
  echo "That is too much." >&2
  exit 1
fi
