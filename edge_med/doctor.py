"""The state of this machine and installation, and cures for their problems.

Nothing in it is personal: no path, no name of a user or of the machine.
"""

from __future__ import annotations

import contextlib
import platform
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edge_med import __version__, _platform, native
from edge_med.config import LoadOptions
from edge_med.engine.llama import examination
from edge_med.engine.llama.cpu.code_levels import CodeVerdict
from edge_med.engine.llama.devices import Hardware, gpus_among
from edge_med.engine.llama.examination import Examination
from edge_med.engine.llama.gpu_help import Problem, faulty_code, why_no_gpu
from edge_med.errors import EdgeMedError
from edge_med.library import default_model, store
from edge_med.library.inventory import stored
from edge_med.library.registry import registry
from edge_med.native import NATIVE
from edge_med.planner.decode_speed import tokens_per_second
from edge_med.planner.machine import Machine, this_machine
from edge_med.planner.model_spec import spec_of
from edge_med.planner.placement import place
from edge_med.planner.placement_types import ModelSpec
from edge_med.units import GIB, show_size

BUSY = 0.5
"""Share of the cores that others may keep busy while speeds are measured."""

LEAST_DISK = 5 * GIB
"""Bytes; MedGemma 4B in Q4_K_M with its projector takes 3.1 GiB, and so does its next version."""


@dataclass(frozen=True, slots=True)
class Speed:
    """The most tokens of an answer that the CPU gives in a second."""

    model: str
    quant: str
    tokens_per_second: float


@dataclass(frozen=True, slots=True)
class MachineReport:
    """The report on machine and installation; sizes in bytes, None for what isn't known.

    Attributes:
        edge_med: version of edge-med.
        python: version of Python.
        system: kind of the system, and the processor's family.
        llama_cpp_python: version of the wheel; None if it can't be used.
        cpu_code: level of llama.cpp's code for the CPU, and whether that was tested;
            None if none is sound.
        copies: buffer types of ggml's that this code copies weights into.
        backends: backends that llama.cpp was built with.
        devices: devices that llama.cpp finds.
        graphics: makers of the graphics that are built in.
        cores: number of cores that compute.
        built_with: features of the processor that llama.cpp's code uses.
        unused: features that the processor has, and llama.cpp was built without.
        memory: size of the machine's memory.
        free_memory: size of the free memory.
        free_disk: free space on the disk of the models' folder.
        models: names in the models' folder.
        rates: bytes of weights that the CPU goes through in a second, by type.
        speeds: speeds of known models, each in its recommended quant.
        load: programs that wanted to compute before it measured, on average of a minute.
        findings: problems with their cures, the worst first.
    """

    edge_med: str
    python: str
    system: str
    llama_cpp_python: str | None
    cpu_code: str | None
    copies: tuple[str, ...]
    backends: tuple[str, ...]
    devices: tuple[Hardware, ...]
    graphics: tuple[str, ...]
    cores: int
    built_with: tuple[str, ...]
    unused: tuple[str, ...]
    memory: int | None
    free_memory: int | None
    free_disk: int | None
    models: tuple[str, ...]
    rates: Mapping[str, float]
    speeds: tuple[Speed, ...]
    load: float | None
    findings: tuple[Problem, ...]


def examine(*, measure: bool = True) -> MachineReport:
    """Look at everything; with `measure` it takes some two seconds."""
    load = _platform.load()
    found = examination.examine(measure=measure)
    features = _platform.cpu_features() or frozenset()
    machine = this_machine(gpus_among(found.devices))
    return MachineReport(
        edge_med=__version__,
        python=platform.python_version(),
        system=f"{_platform.SYSTEM} {_platform.MACHINE}",
        llama_cpp_python=found.version,
        cpu_code=_cpu_code(found.verdict),
        copies=(found.verdict and found.verdict.copies) or (),
        backends=found.backends,
        devices=found.devices,
        graphics=_platform.graphics(),
        cores=_platform.performance_cores(),
        built_with=tuple(sorted(found.features)),
        unused=tuple(sorted(features - found.features)) if found.version else (),
        memory=machine.memory if machine else None,
        free_memory=machine.free_memory if machine else None,
        free_disk=_free_disk(),
        models=tuple(one.name for one in stored()),
        rates=found.rates,
        speeds=tuple(_speeds(machine, found.rates)) if machine and found.rates else (),
        load=load,
        findings=(*_findings(found, features), *_circumstances(load if measure else None)),
    )


def _cpu_code(verdict: CodeVerdict | None) -> str | None:
    if verdict is None:
        return None
    return verdict.level.name if verdict.tried else f"{verdict.level.name}, not tested"


def _findings(found: Examination, features: frozenset[str]) -> Iterator[Problem]:
    yield from (Problem(fault.message, fault.hint) for fault in found.faults)
    if found.version is None:
        return
    if found.verdict and (code := faulty_code(found.verdict)):
        yield code
    if beyond := _beyond(found.features, features):
        yield Problem(
            f"llama.cpp was built for a processor with {', '.join(sorted(beyond))}, which this one "
            "lacks: it may crash.",
            native.rebuilt(NATIVE),
        )
    yield from why_no_gpu(found.backends, found.devices, _platform.graphics())
    if unused := features - found.features:
        yield Problem(
            f"llama.cpp was built without {', '.join(sorted(unused))}, which this processor has.",
            native.rebuilt(NATIVE),
        )
    free = _free_disk()
    if free is not None and free < LEAST_DISK:
        yield Problem(
            f"Only {show_size(free)} are free on the disk of the models' folder.",
            "Free some space, or set EDGE_MED_HOME to a folder on another disk.",
        )


def _circumstances(load: float | None) -> Iterator[Problem]:
    """What isn't the installation's fault: nothing to run, or no peace to measure."""
    cores = _platform.performance_cores()
    if load is not None and load > BUSY * cores:
        yield Problem(
            f"Other programs were busy (load {load:.1f} on {_counted(cores)}): the speeds are too "
            "low.",
            "Run it again when the machine is idle.",
        )
    if not store.default_model() and not {*store.names()} - {default_model.MICRO}:
        yield Problem(
            "There is no MedGemma on this machine.",
            "How you get and convert it: docs/guide/first-answer.md. Or give the path of a GGUF "
            "file: edge-med chat --model FILE",
        )


def _counted(cores: int) -> str:
    return f"{cores} core" if cores == 1 else f"{cores} cores"


def _beyond(built: frozenset[str], known: frozenset[str]) -> frozenset[str]:
    """Features that the code uses and the processor lacks; some systems report few or none."""
    checked = (names for first, names in _CHECKED.items() if first in known)
    return built & frozenset().union(*checked) - known


_CHECKED = {"AVX": {"AVX2", "AVX512"}, "NEON": {"DOTPROD"}}
"""A system that reports the first reports the others (Windows since 10, version 2004)."""


def _speeds(machine: Machine, rates: Mapping[str, float]) -> Iterator[Speed]:
    """Models that fit here, each in the quant to try first; what is stored comes as it is."""
    known = (one for one in registry().values() if one.hub)
    drafts = (spec_of(one, one.quant_for(machine.memory)) for one in known)
    for one in (*_stored_specs(), *drafts):
        with contextlib.suppress(EdgeMedError):
            if place(one, machine, LoadOptions()).fits:
                yield Speed(one.name, one.quant, round(tokens_per_second(one.text, rates), 1))


def _stored_specs() -> Iterator[ModelSpec]:
    for name in store.names():
        with contextlib.suppress(EdgeMedError):
            found = store.find(store.models_folder() / name)
            yield ModelSpec(name, found.quant, found.header, found.projector_header)


def _free_disk() -> int | None:
    """Of the disk that the models' folder is on, or would be."""
    folder = store.models_folder()
    for place_ in (folder, *folder.parents):
        with contextlib.suppress(OSError):
            return shutil.disk_usage(place_).free
    return None
