"""Why llama.cpp has no GPU here, and the line that builds it for one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edge_med import _platform, native
from edge_med.config import LoadOptions
from edge_med.engine.llama import devices
from edge_med.engine.llama.cpu.code_levels import WITHOUT_AMX, CodeVerdict
from edge_med.engine.llama.cpu.probe import sound_build
from edge_med.engine.llama.devices import Hardware
from edge_med.errors import UsageError
from edge_med.planner.placement_types import CPU

BUILDS = {
    "nvidia": ("CUDA", native.GPUS["cuda"], "NVIDIA's driver, the CUDA toolkit"),
    "apple": ("Metal", native.GPUS["metal"], "Xcode's command line tools"),
    "amd": ("Vulkan", native.GPUS["vulkan"], "AMD's driver, the Vulkan SDK"),
    "intel": ("Vulkan", native.GPUS["vulkan"], "Intel's driver, the Vulkan SDK"),
}
"""Of each maker's GPUs: ggml's backend, CMake's flags for it, and what building it needs besides a
C++ compiler (llama.cpp docs/build.md). NVIDIA's come before those that a processor brings."""

_MAKERS = {"cuda": "nvidia", "mtl": "apple", "metal": "apple", "vulkan": "amd"}
"""Whose build has devices of such names; Vulkan's is the same for all makers."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could be better, and the line or sentence that makes it so."""

    problem: str
    cure: str


def why_no_gpu(
    backends: tuple[str, ...], found: tuple[Hardware, ...], graphics: tuple[str, ...]
) -> Iterator[Problem]:
    """Why no GPU is used, and the line that would change it; nothing where one is used or none is.

    Args:
        backends: names of the backends that llama.cpp was built with.
        found: devices that it finds.
        graphics: makers of the graphics that are built in.
    """
    if any(one.kind in ("gpu", "igpu") for one in found):
        return
    maker = next((name for name in BUILDS if name in graphics), None)
    if maker is None:
        return
    backend, flags, needed = BUILDS[maker]
    if backend.lower() in (name.lower() for name in backends):
        yield Problem(
            f"llama.cpp was built with {backend}, but finds no device of {maker}.",
            f"Install or update what it needs: {needed.partition(',')[0]}.",
        )
        return
    yield Problem(
        f"This machine has a GPU of {maker}, but llama.cpp was built without {backend}. "
        f"Building it needs {needed} and a C++ compiler.",
        native.built_with(flags),
    )


def faulty_code(verdict: CodeVerdict) -> Problem | None:
    """That the code for the CPU isn't used as it was built, and the line that builds it sound."""
    if verdict.fault is None:
        return None
    if not verdict.tried:
        what = f"llama.cpp couldn't be tested here: {verdict.fault}. So AMX is switched off."
        return Problem(what, "Run edge-med doctor again when the machine is idle.")
    cure = sound_build(verdict.fault)
    if verdict.level is WITHOUT_AMX and _platform.SYSTEM == "linux":
        cure = native.rebuilt(native.NATIVE)
    return Problem(f"{verdict.words} Building it needs a C++ compiler and some minutes.", cure)


def require_gpus(options: LoadOptions) -> None:
    """Refuse options that ask for a GPU where llama.cpp has none, and say how it gets one.

    Raises:
        UsageError: they ask for one.
        EngineError: llama-cpp-python is missing or of another version.
    """
    sent = [device.lower() for _, device in options.overrides]
    names = [options.device.lower(), options.projector_device.lower(), *sent]
    layers = options.gpu_layers not in ("auto", 0) or bool(options.tensor_split)
    if names[0] == CPU and (layers or any(name != CPU for name in sent)):
        raise UsageError(
            "`device` is cpu, and `gpu_layers` asks for layers on a GPU.",
            "Leave out `device`, or `gpu_layers`, `tensor_split` and `tensor_overrides`.",
        )
    asked = next((name for name in names if name not in ("auto", CPU)), None)
    if (asked is None and not layers) or devices.gpus():
        return
    what = "a GPU" if asked is None else f"the device '{asked}'"
    raise _no_gpu(what, asked or "", devices.backends(), _platform.graphics())


def _no_gpu(
    what: str, asked: str, backends: tuple[str, ...], graphics: tuple[str, ...]
) -> UsageError:
    maker = next((maker for name, maker in _MAKERS.items() if asked.startswith(name)), None)
    maker = maker or next((name for name in BUILDS if name in graphics), "amd")
    backend, flags, needed = BUILDS[maker]
    if backend.lower() in (name.lower() for name in backends):
        driver = needed.partition(",")[0]
        return UsageError(
            f"You asked for {what}, and llama.cpp, built with {backend}, finds none here.",
            f"Install or update {driver}, or leave the option out to compute on the CPU.",
        )
    return UsageError(
        f"You asked for {what}, and this llama.cpp was built for the CPU alone.",
        f"Build it with {backend}: {native.built_with(flags)}",
    )
