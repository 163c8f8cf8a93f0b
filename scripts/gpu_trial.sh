#!/usr/bin/env bash
# One pass over a machine with a graphics card and without the internet: build llama.cpp for that
# card alone, run the tests marked `gpu` in order of worth, measure the 4B shape, by turns with
# llama.cpp's own programs of the same build, and write one report, which grows stage by stage.
#
#   scripts/gpu_trial.sh cuda|vulkan [--seconds 540] [--layers N] [--arch 90] [--out FOLDER]
#                                    [--bundle FOLDER] [--work FOLDER] [--runs 2]
#                                    [--read 512] [--new 128]
#
# Needs what scripts/pack_gpu_trial.sh has packed, a C++ compiler, CMake, a Python of the packed
# version with pip, and nvcc or a Vulkan driver. For a slow device --layers takes only the first
# layers of the 4B shape, --read and --new fewer tokens; --arch builds for a card that isn't there,
# and ends after the build.
set -uo pipefail
set -m # else what runs in the background would be deaf to SIGINT
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/local/nvidia/bin # where containers have the driver's programs

kind=${1:-} seconds=540 layers= arch= out= work= bundle=work/gpu-trial/bundle
runs=2 read=512 new=128
case $kind in cuda | vulkan) shift ;; *) sed '1d; /^#/!q' "$0"; exit 2 ;; esac
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) seconds=$2 ;; --layers) layers=$2 ;; --arch) arch=$2 ;; --out) out=$2 ;;
    --bundle) bundle=$2 ;; --work) work=$2 ;; --runs) runs=$2 ;;
    --read) read=$2 ;; --new) new=$2 ;;
    *) echo "gpu_trial.sh knows no $1" >&2; exit 2 ;;
  esac
  shift 2
done
[ -f "$bundle/python" ] || { echo "$bundle holds no bundle: scripts/pack_gpu_trial.sh" >&2; exit 2; }
absolute() { mkdir -p "$1" && (cd "$1" && pwd); }
bundle=$(absolute "$bundle") work=$(absolute "${work:-work/gpu-trial/$kind}")
out=$(absolute "${out:-$work/report}")
logs=$(absolute "$work/logs") report=$out/report-$kind.md build=$work/build
began=$SECONDS deadline=$((SECONDS + seconds)) child= ended= done_stages=()

# --- the report -------------------------------------------------------------------------------

say() { printf '%s\n' "$@" >> "$report"; }
quote() { say '```text'; cat >> "$report"; say '```'; }
close() {
  local code=$?
  [ -n "$ended" ] && return
  ended=yes
  if [ -n "$child" ]; then
    kill -TERM "$child"
    wait "$child"
    say "Stopped from outside." ""
    summary "${kinds[${stage_name%%-*}]:-log}" "$logs/$stage_name.log" "$build/.ninja_log"
  fi 2> /dev/null
  [ -n "${preparing:-}" ] && kill -TERM "$preparing" 2> /dev/null
  say "" "## End"
  say ""
  say "After $((SECONDS - began)) of $seconds s, code $code. Stages that ended well: ${done_stages[*]:-none}."
  tar -czf "$out/logs-$kind.tar.gz" -C "$logs" .
  cat "$report"
}
trap close EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

left() { echo $((deadline - SECONDS - 5)); }

# What gpu_report.py makes of a stage's log.
declare -A kinds=([build]=build [tests]=tests [measure]=bench)

# stage NAME PERCENT COMMAND …: at most so much of all the time; its output goes to NAME.log
stage() {
  local name=$1 limit=$((seconds * $2 / 100)) start=$SECONDS code
  stage_name=$name
  shift 2
  [ "$(left)" -lt "$limit" ] && limit=$(left)
  say "" "## $name" ""
  if [ "$limit" -lt 5 ]; then
    say "Not begun: no time was left."
    return 1
  fi
  # In a child, so that a signal is heard at once. Python ends well when it is interrupted.
  timeout --signal INT --kill-after 10 "$limit" "$@" > "$logs/$name.log" 2>&1 &
  child=$!
  wait "$child"
  code=$?
  child=
  [ $code -eq 0 ] && done_stages+=("$name")
  [ $((SECONDS - start)) -ge "$limit" ] && say "Stopped: it had $limit s." ""
  say "$((SECONDS - start)) s, code $code." ""
  return $code
}

summary() { "$machine_python" devtools/gpu_report.py "$@" >> "$report" 2>&1; }

# --- what is here -----------------------------------------------------------------------------

first() { awk '!said && $0 ~ wanted {print; said = 1} END {exit !said}' wanted="${1:-.}"; }
version_of() { { command -v "$1" > /dev/null && "$@" 2>&1 | first '[0-9]'; } || echo "$1: not here"; }
card() { nvidia-smi --query-gpu="$1" --format=csv,noheader 2> /dev/null | first; }
drivers() { find /etc/vulkan /usr/share/vulkan -name '*.json' -path '*icd*' 2> /dev/null; }
facts() {
  sed -n 's/^PRETTY_NAME=//p' /etc/os-release
  echo "kernel $(uname -r), $(nproc) cores, $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | first)"
  awk '/^MemTotal/ {printf "memory %.0f GB\n", $2 / 1e6}' /proc/meminfo
  echo "disk: $(df -h --output=avail "$work" | tail -n 1 | tr -d ' ') free"
  getconf GNU_LIBC_VERSION
  version_of c++ --version
  version_of cmake --version
  echo "python for the trial: ${python:-none} $("${python:-true}" --version 2>&1)"
  echo "card: $(card name,driver_version,memory.total,compute_cap || echo none by nvidia-smi)"
  if [ "$kind" = cuda ]; then
    nvcc --version 2>&1 | first release || echo "nvcc: not here"
  else
    ldconfig -p | first libvulkan.so || echo "libvulkan: not here"
    echo "drivers: ${VK_DRIVER_FILES:-$(drivers | tr '\n' ' ')}"
  fi
}

# A Python of the version that the wheels are for; any runs gpu_report.py.
machine_python=$(command -v python3 || command -v python)
wanted=$(cat "$bundle/python") python=
for one in "${PYTHON:-}" python3 python "python$wanted"; do
  [ -n "$one" ] && [ "$("$one" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null)" = "$wanted" ] \
    && "$one" -m pip --version > /dev/null 2>&1 && python=$(command -v "$one") && break
done

: > "$report"
rm -f "$logs"/*.log
say "# $kind, $(date -u +%Y-%m-%d)" "" "At most $seconds s${layers:+; the first $layers layers of the 4B shape}." ""
facts 2>&1 | quote
[ -n "$python" ] || { say "No Python $wanted with pip: pack for another with --python."; exit 1; }

# --- the build --------------------------------------------------------------------------------

unpack() { "$python" -m tarfile -e "$1" "$2" 2> /dev/null; }
environment() {
  "$python" -m venv --without-pip --clear "$work/venv"
  "$python" -m pip --python "$work/venv/bin/python" --isolated --disable-pip-version-check \
    install --quiet --no-index --no-deps --no-compile "$bundle"/wheels/*.whl
}
. scripts/gpu_toolkits.sh

rm -rf "$work/ninja" "$work/source"
"$python" -m zipfile -e "$bundle"/wheels/ninja-*.whl "$work/ninja"
ninja=$(find "$work/ninja" -name ninja -type f) && chmod +x "$ninja"
unpack "$bundle/llama.cpp.tar.xz" "$work/source"
environment > "$logs/environment.log" 2>&1 &
preparing=$!

flags=(-DCMAKE_BUILD_TYPE=Release -DCMAKE_BUILD_RPATH_USE_ORIGIN=ON -DGGML_CCACHE=OFF
  -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF
  -DLLAMA_BUILD_APP=OFF -DLLAMA_OPENSSL=OFF)
grep -qw amx_int8 /proc/cpuinfo && flags+=(-DCMAKE_CXX_FLAGS=-fno-dse) # docs/guide/install.md: GCC 12.2
"$kind"_flags
unset PYTHONPATH # what is measured has packages of its own
say "" "CMake's flags: \`${flags[*]}\`"

stage configure 15 cmake -G Ninja -DCMAKE_MAKE_PROGRAM="$ninja" -S "$work/source" -B "$build" "${flags[@]}"
configured=$?
grep -E 'Including|CUDA_ARCH|compiler ident|FlashAtt|not supported by glslc|rror' "$logs/configure.log" | quote
[ $configured -eq 0 ] || exit 1

stage build 85 cmake --build "$build" --parallel "$(nproc)" \
  --target llama --target ggml --target mtmd --target llama-bench --target llama-mtmd-cli
built=$?
summary build "$logs/build.log" "$build/.ninja_log"
[ $built -eq 0 ] || exit 1

wait "$preparing" || { say "" "The wheels could not be installed:"; quote < "$logs/environment.log"; exit 1; }
preparing=
python=$work/venv/bin/python
libraries=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/llama_cpp/lib
mkdir -p "$libraries" && cp -a "$build"/bin/*.so* "$libraries"

# --- what it does -----------------------------------------------------------------------------

say "" "## Devices" ""
"$build/bin/llama-bench" --list-devices 2>&1 | quote
device=$("$build/bin/llama-bench" --list-devices 2> /dev/null | sed -n 's/^ \+\([A-Za-z]\+[0-9]\+\): .*/\1/p' | first)
if [ -z "$device" ]; then
  say "llama.cpp finds no device: nothing was tested or measured."
  exit 1
fi

tests() { # NAME PERCENT WHAT …
  local name=tests-$1 percent=$2
  shift 2
  EDGE_MED_GPU=$device PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 PYTHONUNBUFFERED=1 stage "$name" "$percent" \
    "$python" -m pytest -p no:cacheprovider -m "gpu and not real" -v -rfEP --tb=short "$@"
  summary tests "$logs/$name.log"
}

tests tiny 12 tests/gpu/test_tiny.py -k "test_logits and plain"
tests micro 12 tests/gpu/test_micro.py -k "unchanged"
stage model 15 "$python" -m scripts.noise_model "$work/model" ${layers:+--layers "$layers"}
quote < "$logs/model.log"
if [ -f "$work"/model/4b-Q4_K_M.gguf ]; then
  EDGE_MED_REFERENCE=$work PYTHONUNBUFFERED=1 stage measure 40 \
    "$python" -m benchmarks device --model "$work/model" --device "$device" --runs "$runs" \
    --read "$read" --new "$new"
  summary bench "$logs/measure.log"
fi
tests placement 15 tests/gpu/test_placement.py
tests rest 40 tests/gpu/test_tiny.py tests/gpu/test_micro.py \
  -k "not (test_logits and plain) and not unchanged"
