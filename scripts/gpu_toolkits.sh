# What CMake must be shown of CUDA and of Vulkan, for scripts/gpu_trial.sh, which reads this in.
# Both add to `flags`, and may set variables for the build and for what it makes.

# Where a shared library is: by the loader's list, else where containers have the driver.
library() {
  ldconfig -p | sed -n "s/.*\b$1 .*x86-64.* => //p" | first \
    || find /usr/local/nvidia/lib64 /usr/lib/wsl/lib -name "$1" 2> /dev/null | first
}

cuda_flags() {
  local top stubs driver blas
  if ! command -v nvcc > /dev/null; then
    say "" "nvcc isn't here: nothing was built."
    exit 1
  fi
  # nvcc may be a script that calls another; what it would run names the toolkit.
  top=$(nvcc --dryrun -x cu /dev/null 2>&1 | sed -n 's/^#\$ TOP=//p')
  top=$(cd "$top" && pwd -P)
  [ -n "$arch" ] || arch=$(card compute_cap | tr -d .)
  if [ -z "$arch" ]; then
    say "" "nvidia-smi names no card; --arch 90 builds for one that isn't here."
    exit 1
  fi
  flags+=(-DGGML_CUDA=ON "-DCMAKE_CUDA_ARCHITECTURES=$arch-real" -DGGML_CUDA_FA_ALL_QUANTS=OFF
    -DGGML_CUDA_NCCL=OFF "-DCMAKE_CUDA_COMPILER=$top/bin/nvcc" "-DCUDAToolkit_ROOT=$top"
    -DCMAKE_EXE_LINKER_FLAGS=-Wl,--allow-shlib-undefined)

  # cuBLAS may be missing in the toolkit, and lie in a package of Python's.
  if [ -z "$(find -L "$top/include" "$top"/targets/*/include -name cublas_v2.h 2> /dev/null)" ]; then
    blas=$("$machine_python" -c 'import glob, sys
print(next((found for folder in sys.path
  for found in glob.glob(folder + "/nvidia/*/include/cublas_v2.h")), ""))')
    blas=${blas%/include/*}
    say "" "cuBLAS: ${blas:-not found}"
    mkdir -p "$work/cublas" && ln -sf "$blas"/include/cublas*.h "$work/cublas"
    flags+=("-DCMAKE_CUDA_FLAGS=-I$work/cublas"
      "-DCUDA_cublas_LIBRARY=$(ls "$blas"/lib/libcublas.so.* | first)"
      "-DCUDA_cublasLt_LIBRARY=$(ls "$blas"/lib/libcublasLt.so.* | first)")
    export LD_LIBRARY_PATH=$blas/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  fi

  # The driver's library: by the toolkit's stub, else itself, else without its virtual memory.
  stubs=$(find -L "$top/lib64/stubs" "$top"/targets/*/lib/stubs -name libcuda.so 2> /dev/null | first)
  driver=$(library libcuda.so.1)
  if [ -z "$stubs" ] && [ -n "$driver" ]; then
    flags+=("-DCUDA_cuda_driver_LIBRARY=$driver")
  elif [ -z "$stubs" ]; then
    flags+=(-DGGML_CUDA_NO_VMM=ON)
  fi
}

vulkan_flags() {
  local there=$work/vulkan one include=/usr/include headers=
  rm -rf "$there"
  [ -f "$bundle/vulkan.tar.xz" ] && unpack "$bundle/vulkan.tar.xz" "$there"
  if [ -d "$there/newer/usr/include/vulkan" ]; then
    include=$there/newer/usr/include
    headers=$(dirname "$(find "$there/newer" -name SPIRV-HeadersConfig.cmake | first)")
  fi
  flags+=(-DGGML_VULKAN=ON "-DVulkan_INCLUDE_DIR=$include")
  [ -n "$headers" ] && flags+=("-DSPIRV-Headers_DIR=$headers")

  # The newest shader compiler that runs on this system.
  for one in newer older; do
    if LD_LIBRARY_PATH=$there/$one/usr/lib/x86_64-linux-gnu "$there/$one/usr/bin/glslc" --version \
      > /dev/null 2>&1; then
      printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$there/$one/usr/lib/x86_64-linux-gnu" \
        "$there/$one/usr/bin/glslc" > "$there/glslc"
      chmod +x "$there/glslc"
      flags+=("-DVulkan_GLSLC_EXECUTABLE=$there/glslc")
      say "" "Shader compiler: $("$there/glslc" --version | first)"
      break
    fi
  done

  # The loader of this system, which knows where its drivers are; else the packed one.
  one=$(library libvulkan.so.1)
  if [ -z "$one" ]; then
    one=$(find "$there/older" -name libvulkan.so.1)
    export LD_LIBRARY_PATH=${one%/*}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  fi
  flags+=("-DVulkan_LIBRARY=$one")

  # Containers have NVIDIA's driver where no loader looks.
  one=/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json
  if [ -z "${VK_DRIVER_FILES:-}" ] && [ -z "$(drivers)" ] && [ -f "$one" ]; then
    export VK_DRIVER_FILES=$one
    say "" "Driver: $one"
  fi
}
