"""The llama-cpp-python that edge-med is bound to: version, libraries, the line that builds it.

Engine and converters share this; nothing here opens a library.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path

from edge_med import _platform
from edge_med.errors import EngineError

LLAMA_CPP_PYTHON = "0.3.36"
"""The one version of llama-cpp-python whose struct layouts and quantized bytes we know."""

NATIVE = "-DGGML_NATIVE=on"
"""CMake's flag for a llama.cpp for the very processor that builds it (ggml/CMakeLists.txt)."""

GENERIC = "-DGGML_NATIVE=off"
"""The flag that builds it for any processor with AVX2, or for any ARM of 64 bits."""

GPUS = {"cuda": "-DGGML_CUDA=on", "vulkan": "-DGGML_VULKAN=on", "metal": "-DGGML_METAL=on"}
"""The flag for each of ggml's libraries that compute on a GPU, by the library's name."""

WHOLE_STORES = "-DCMAKE_CXX_FLAGS=-fno-dse"
"""Keeps GCC from leaving out stores that it takes for useless: GCC 12.2 does so with most of AMX's
configuration (GCC bug 114098)."""

LIBRARY_NAMES = {"win32": "{}.dll", "darwin": "lib{}.dylib"}
"""How a shared library's file is called; everywhere else it is `lib{}.so`."""


REDIRECTIONS = ("LLAMA_CPP_LIB_PATH", "LLAMA_CPP_LIB", "MTMD_CPP_LIB", "GGML_BACKEND_PATH")
"""Variables that would make the bindings load another library than the package's own."""


def require_llama_cpp_python() -> None:
    """Check the installed llama-cpp-python before any of its structs or functions is touched.

    Raises:
        EngineError: it is missing or of another version than `LLAMA_CPP_PYTHON`.
    """
    hint = f'Install it with: pip install "llama-cpp-python=={LLAMA_CPP_PYTHON}"'
    try:
        found = importlib.metadata.version("llama-cpp-python")
    except importlib.metadata.PackageNotFoundError:
        raise EngineError("llama-cpp-python isn't installed.", hint) from None
    if found != LLAMA_CPP_PYTHON:
        raise EngineError(
            f"llama-cpp-python {found} is installed, but this version of edge-med works "
            f"with {LLAMA_CPP_PYTHON} only.",
            hint,
        )


def native_library(name: str) -> Path:
    """Where llama-cpp-python keeps one of its shared libraries, without importing it.

    Args:
        name: the library's name without prefix and suffix, such as `ggml-base`.

    Raises:
        EngineError: the package or the library is missing, or of another version.
    """
    require_llama_cpp_python()
    package = importlib.util.find_spec("llama_cpp")
    if package is None or package.origin is None:
        raise EngineError("llama-cpp-python is installed, but can't be found.", "Install it again.")
    file_name = LIBRARY_NAMES.get(_platform.SYSTEM, "lib{}.so").format(name)
    path = Path(package.origin).parent / "lib" / file_name
    if not path.is_file():
        raise EngineError(
            f"llama-cpp-python has no {file_name}.",
            "Install it again: "
            f'pip install --force-reinstall "llama-cpp-python=={LLAMA_CPP_PYTHON}"',
        )
    return path


def rebuilt(flags: str) -> str:
    """The line that installs it from source anew, with the GPUs that it was built for, and flags.

    Args:
        flags: CMake's flags, besides those of the GPUs.

    Raises:
        EngineError: it is missing or of another version.
    """
    amx = "AMX_INT8" in (_platform.cpu_features() or ())
    if flags == NATIVE and amx and _platform.SYSTEM == "linux":
        flags = f"{flags} {WHOLE_STORES}"
    names = [path.name for path in native_library("llama").parent.iterdir()]
    gpus = [flag for kind, flag in GPUS.items() if any(f"ggml-{kind}" in name for name in names)]
    return built_with(" ".join([flags, *gpus]))


def built_with(flags: str) -> str:
    """The line that installs llama-cpp-python from source, built with flags of CMake's."""
    install = (
        "pip install --force-reinstall --no-deps --no-cache-dir --no-binary llama-cpp-python "
        f'"llama-cpp-python=={LLAMA_CPP_PYTHON}"'
    )
    if _platform.SYSTEM == "win32":  # PowerShell
        return f'$env:CMAKE_ARGS="{flags}"; {install}'
    return f'CMAKE_ARGS="{flags}" {install}'
