"""The load plan: what goes where on this machine, before a model is loaded."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from edge_med import _platform
from edge_med.answers import Notice
from edge_med.artifacts.adapters.gguf_adapter import GgufAdapter
from edge_med.config import LoadOptions
from edge_med.engine.llama import devices
from edge_med.engine.llama.bindings import verdict
from edge_med.engine.llama.gpu_help import require_gpus
from edge_med.errors import MemoryShortError
from edge_med.planner import explain, memory_plan
from edge_med.planner.machine import Device, Machine, this_machine
from edge_med.planner.placement import place
from edge_med.planner.placement_types import CPU, ModelSpec, Placement

LOGGER = logging.getLogger(__name__)

ENDLESS = 1 << 60
"""Bytes of memory where the system says nothing of it: then the CPU's part always fits."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """How a model is loaded.

    Attributes:
        options: the load options, with a decision on everything that the user left open.
        plan: the memory plan.
        cpu_code: how much of llama.cpp's code for the CPU is used (`engine.llama.cpu.code_levels`).
        placements: what goes where, and what if that fails; none if the CPU computes everything.
        notices: notices about what had to give way, and why.
    """

    options: LoadOptions
    plan: memory_plan.MemoryPlan
    cpu_code: str
    placements: tuple[Placement, ...] = ()
    notices: tuple[Notice, ...] = ()


def plan_load(
    subject: ModelSpec, options: LoadOptions, adapters: Sequence[GgufAdapter] = ()
) -> LoadPlan:
    """Decide where a model goes, and do what `options.memory` says if it doesn't fit.

    Args:
        subject: the model.
        options: the wanted ones; what isn't `auto` there is kept, but for the cache's type where
            a GPU is used and nothing else fits.
        adapters: the adapters that are loaded with it.

    Raises:
        UsageError: a GPU is asked for that isn't there.
        MemoryShortError: the rule is `plan`, and the memory doesn't suffice.
        ArtifactError: a header doesn't say enough.
        EngineError: llama-cpp-python is missing, of another version, or can't compute here.
    """
    code = verdict()
    if options.copies is None:
        options = dataclasses.replace(options, copies=code.copies)
    require_gpus(options)
    found = () if _cpu_alone(options) else devices.gpus()
    if not found:
        plan = memory_plan.plan(subject.text, options, subject.projector, adapters)
        memory_plan.check(plan, options.memory, _platform.available_memory())
        return LoadPlan(options, plan, code.level.name, notices=code.notices)
    machine = _machine(found, sum(adapter.size for adapter in adapters))
    taken = place(subject, machine, options)
    _check(taken, machine, options)
    return LoadPlan(
        options=taken.options,
        plan=memory_plan.plan_of(taken, adapters),
        cpu_code=code.level.name,
        placements=(taken, *_back_off(subject, machine, options, taken)),
        notices=(*code.notices, *_notices(subject, machine, options, taken)),
    )


def _cpu_alone(options: LoadOptions) -> bool:
    """Whether the options leave no device anything to do."""
    sent = any(device.lower() != CPU for _, device in options.overrides)
    no_layers = options.device.lower() == CPU or (options.gpu_layers == 0 and not sent)
    eye = options.projector_device.lower()
    return no_layers and (eye == CPU or (eye == "auto" and options.device.lower() == CPU))


def _machine(found: tuple[Device, ...], reserved: int) -> Machine:
    """This machine, with so many bytes set aside wherever adapters may go with their layers."""
    machine = this_machine(found) or Machine("this machine", ENDLESS, ENDLESS, devices=found)
    less = tuple(dataclasses.replace(one, free=max(0, one.free - reserved)) for one in found)
    free_memory = max(0, machine.free_memory - reserved)
    return dataclasses.replace(machine, free_memory=free_memory, devices=less)


def _check(taken: Placement, machine: Machine, options: LoadOptions) -> None:
    message = explain.warning(taken, machine)
    if message is None or options.memory == "ignore":
        return
    if options.memory == "warn":
        LOGGER.warning("%s", message)
        return
    raise MemoryShortError(
        message,
        "Use fewer `gpu_layers`, a smaller `context` or a smaller quant, or close other programs; "
        'edge-med plan says what would fit, and `memory="ignore"` tries it all the same.',
    )


def _back_off(
    subject: ModelSpec, machine: Machine, options: LoadOptions, taken: Placement
) -> tuple[Placement, ...]:
    """Where the model goes if loading fails: as if each device had half of what it says.

    What a driver reports as free may not be had in one piece, or be taken meanwhile.
    """
    halved = [dataclasses.replace(one, free=one.free // 2) for one in machine.devices]
    less = dataclasses.replace(machine, devices=tuple(halved))
    second = place(subject, less, options)
    possible = second.fits or options.memory != "plan"
    return (second,) if possible and second.gpu_layers < taken.gpu_layers else ()


def _notices(
    subject: ModelSpec, machine: Machine, options: LoadOptions, taken: Placement
) -> list[Notice]:
    """That not everything is on a device as it could have been, if it isn't by wish."""
    layers = options.gpu_layers == "auto" and taken.gpu_layers < taken.layers
    eye = options.projector_device == "auto" and taken.options.projector_device == CPU
    moved = (layers or (eye and subject.projector is not None)) and options.device.lower() != CPU
    if not moved and taken.options.kv == options.kv:
        return []
    return [Notice("placement", " ".join(explain.reasons(subject, machine, options, taken)))]
