"""What llama.cpp reports of itself and of this machine, in a child process.

A driver or a build that ends the program ends the child alone, and what it has reported until then
is used. It reports each thing as soon as it is known.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edge_med import _platform, native
from edge_med._platform import children
from edge_med.engine.llama.cpu import probe
from edge_med.engine.llama.cpu.code_levels import AS_BUILT, CodeVerdict
from edge_med.engine.llama.devices import Hardware
from edge_med.errors import EdgeMedError, EngineError

SECONDS = 120
"""After which the child is ended; a GPU's driver may take some of them to start."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found out.

    Attributes:
        version: the version of llama-cpp-python; None if it can't be loaded.
        backends: names of the backends that llama.cpp was built with.
        devices: the devices that llama.cpp finds.
        features: names of the processor's features that llama.cpp's code uses.
        rates: bytes of weights that the CPU goes through in a second, by type.
        verdict: which code for the CPU is sound; None if none is.
        faults: what went wrong, the worst first: what it was, and what to do.
    """

    version: str | None = None
    backends: tuple[str, ...] = ()
    devices: tuple[Hardware, ...] = ()
    features: frozenset[str] = frozenset()
    rates: Mapping[str, float] = field(default_factory=dict)
    verdict: CodeVerdict | None = None
    faults: tuple[EngineError, ...] = ()


def examine(*, measure: bool) -> Examination:
    """Try the CPU's code anew, and ask what there is; with `measure` it takes some two seconds."""
    faults: list[EngineError] = []
    verdict: CodeVerdict | None = None
    try:
        verdict = probe.verdict(anew=True)
    except EngineError as error:
        faults.append(error)
    report, fault = _report_of_child(measure=measure and verdict is not None)
    if fault and not faults:  # else it is the same fault once more
        faults.append(fault)
    return Examination(
        version=report.get("version"),
        backends=tuple(report.get("backends", ())),
        devices=tuple(Hardware(**one) for one in report.get("devices", ())),
        features=frozenset(name for name, used in report.get("features", {}).items() if used),
        rates=report.get("rates", {}),
        verdict=verdict,
        faults=tuple(faults),
    )


def _report_of_child(*, measure: bool) -> tuple[dict[str, Any], EngineError | None]:
    """What the child has reported, and what ended it."""
    command = children.command(__name__, measure=measure)
    try:
        done = children.run(command, probe.ENVIRONMENT, SECONDS)
    except subprocess.TimeoutExpired:
        fault = f"llama.cpp didn't say within {SECONDS} seconds what it finds here."
        return {}, EngineError(fault, "Try again when the machine is idle.")
    except (OSError, subprocess.SubprocessError) as error:
        fault = f"No process can be started to examine llama.cpp: {type(error).__name__}."
        return {}, EngineError(fault, "Close other programs, and try again.")
    report = children.reports(done.stdout)
    if "error" in report:
        return report, EngineError(*report["error"])
    ended = children.fault(done.returncode) or (done.returncode and f"code {done.returncode}")
    if not ended and "devices" in report:
        return report, None
    if "devices" in report:
        what = f"llama.cpp ends with {ended} when this processor is measured."
        return report, EngineError(what, f"Install it again: {native.rebuilt(native.NATIVE)}")
    what = f"llama.cpp ends with {ended or 'no word'} when it looks for devices."
    return report, EngineError(what, "If there is a graphics card, update its driver.")


def main(*, measure: bool) -> None:
    """Say what there is; the child of `examine`."""
    from edge_med.engine.llama import cpu_benchmark, devices
    from edge_med.engine.llama.bindings import load

    _platform.forgo_core_dumps()
    try:
        load(CodeVerdict(AS_BUILT, tried=False))  # nothing that is asked here needs more
        children.report(version=native.LLAMA_CPP_PYTHON, features=devices.features())
        children.report(backends=devices.backends())
        children.report(devices=[asdict(one) for one in devices.hardware()])
        if measure:
            children.report(rates=cpu_benchmark.measure())
    except EdgeMedError as error:
        children.report(error=[error.message, error.hint])
