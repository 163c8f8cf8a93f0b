"""The devices that ggml was built for and finds here, and what its CPU code was built with."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from edge_med import _platform, native
from edge_med.engine.llama.bindings import llama_cpp
from edge_med.errors import EngineError
from edge_med.planner.machine import Device
from edge_med.planner.placement_types import CPU

Kind = Literal["cpu", "gpu", "igpu", "accel", "meta"]

_KINDS: tuple[Kind, ...] = ("cpu", "gpu", "igpu", "accel", "meta")
"""`enum ggml_backend_dev_type` (ggml-backend.h)."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """A device as ggml describes it.

    Attributes:
        name: such as CPU, CUDA0 or Vulkan0.
        description: what its maker calls it.
        kind: `cpu`, `gpu`, `igpu` with a part of the machine's memory, or a helper of the CPU.
        free: bytes of memory that can be taken now.
        memory: all bytes.
    """

    name: str
    description: str
    kind: Kind
    free: int
    memory: int


def hardware() -> tuple[Hardware, ...]:
    """Every device, in ggml's order.

    Raises:
        EngineError: llama-cpp-python is missing or of another version.
    """
    llama_cpp()  # loads the backends
    ggml, base = _libraries()
    count = ggml.ggml_backend_dev_count()
    return tuple(_described(base, ggml.ggml_backend_dev_get(index)) for index in range(count))


def gpus() -> tuple[Device, ...]:
    """Those that a model can go to, as llama.cpp chooses them; errors are of `hardware`."""
    return gpus_among(hardware())


def gpus_among(hardware: Iterable[Hardware]) -> tuple[Device, ...]:
    """The devices that a model can go to.

    Integrated ones are only used where there is no other (llama.cpp, llama_prepare_model_devices).
    """
    found = [Device(one.name, kind, one.free) for one in hardware if (kind := _kind(one))]
    own = tuple(device for device in found if device.kind == "gpu")
    return own or tuple(found)


def handle(name: str) -> int:
    """The pointer that ggml has to a device.

    Raises:
        EngineError: it isn't there, or llama-cpp-python is missing or of another version.
    """
    llama_cpp()
    ggml, base = _libraries()
    for device in map(ggml.ggml_backend_dev_get, range(ggml.ggml_backend_dev_count())):
        if base.ggml_backend_dev_name(device) == name.encode():
            found: int = device
            return found
    raise EngineError(f"ggml finds no device {name}.", "See: edge-med doctor")


def buffer_type(name: str) -> int:
    """The pointer that ggml has to a device's kind of memory, or to the CPU's for `cpu`.

    Raises:
        EngineError: it isn't there, or llama-cpp-python is missing or of another version.
    """
    device = handle(next(o.name for o in hardware() if o.kind == "cpu") if name == CPU else name)
    _ggml, base = _libraries()
    found: int = base.ggml_backend_dev_buffer_type(device)
    return found


def _kind(one: Hardware) -> Literal["gpu", "igpu"] | None:
    """Apple's GPUs share the machine's memory, though ggml doesn't call them integrated."""
    if one.kind == "gpu" and "apple" in _platform.graphics():
        return "igpu"
    return one.kind if one.kind in ("gpu", "igpu") else None


def backends() -> tuple[str, ...]:
    """What this build of ggml can compute with, such as CPU and CUDA, found here or not.

    Raises:
        EngineError: llama-cpp-python is missing or of another version.
    """
    llama_cpp()
    ggml, base = _libraries()
    found = map(ggml.ggml_backend_reg_get, range(ggml.ggml_backend_reg_count()))
    return tuple(base.ggml_backend_reg_name(one).decode("utf-8", "replace") for one in found)


def features() -> dict[str, bool]:
    """What the CPU's code was built with, such as AVX2, by ggml's names.

    Raises:
        EngineError: llama-cpp-python is missing or of another version.
    """
    text: str = llama_cpp().llama_print_system_info().decode("utf-8", "replace")
    pairs = (part.rpartition(":")[2].split("=") for part in text.split("|") if "=" in part)
    return {name.strip(): value.strip() == "1" for name, value in pairs}


def _described(base: Any, device: int) -> Hardware:
    free, memory = ctypes.c_size_t(0), ctypes.c_size_t(0)
    base.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(memory))
    kind: int = base.ggml_backend_dev_type(device)
    return Hardware(
        name=base.ggml_backend_dev_name(device).decode("utf-8", "replace"),
        description=base.ggml_backend_dev_description(device).decode("utf-8", "replace"),
        kind=_KINDS[kind] if kind < len(_KINDS) else "accel",
        free=free.value,
        memory=memory.value,
    )


@functools.cache
def _libraries() -> tuple[Any, Any]:
    """The two of ggml's libraries that llama.cpp has loaded; the bindings leave these out."""
    ggml, base = (ctypes.CDLL(str(native.native_library(name))) for name in ("ggml", "ggml-base"))
    for kind in ("dev", "reg"):
        getattr(ggml, f"ggml_backend_{kind}_count").restype = ctypes.c_size_t
        get = getattr(ggml, f"ggml_backend_{kind}_get")
        get.argtypes, get.restype = [ctypes.c_size_t], ctypes.c_void_p
    for name in ("dev_name", "dev_description", "reg_name"):
        read = getattr(base, f"ggml_backend_{name}")
        read.argtypes, read.restype = [ctypes.c_void_p], ctypes.c_char_p
    base.ggml_backend_dev_buffer_type.argtypes = [ctypes.c_void_p]
    base.ggml_backend_dev_buffer_type.restype = ctypes.c_void_p
    base.ggml_backend_dev_type.argtypes = [ctypes.c_void_p]
    base.ggml_backend_dev_memory.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    return ggml, base
