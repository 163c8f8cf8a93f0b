"""What a placement means to a user: why it is so, how far it goes, and what would be smaller."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from edge_med.config import LONGEST_CONTEXT, LoadOptions
from edge_med.planner.machine import Machine
from edge_med.planner.model_spec import in_quant
from edge_med.planner.placement import place, placements
from edge_med.planner.placement_types import CPU, DevicePlan, ModelSpec, Placement
from edge_med.planner.sizes import CELLS
from edge_med.planner.sizes import layers as layers_of
from edge_med.units import show_size

QUANTS_BY_SIZE = (
    *("F32", "BF16", "F16", "Q8_0", "Q6_K"),
    *("Q5_K_M", "Q4_K_M", "Q4_K_S", "Q4_0", "IQ4_XS"),
)
"""Every quant from the largest to the smallest."""


@dataclass(frozen=True, slots=True)
class Advice:
    """A placement with its explanation.

    Attributes:
        spec: model that the plan is for.
        machine: machine that the plan is for.
        placement: placement that is chosen.
        reasons: sentences that explain where each part goes.
        largest_context: number of tokens that fit while every part stays where it is; 0 if none.
        smaller: next smaller quant or model that fits; None if there is none.
        tokens_per_second: upper bound of the speed of an answer; None if the bandwidth of a
            memory isn't known.
        warning: what happens if the model is loaded anyway; None where it fits.
    """

    spec: ModelSpec
    machine: Machine
    placement: Placement
    reasons: tuple[str, ...]
    largest_context: int
    smaller: Smaller | None
    tokens_per_second: float | None
    warning: str | None


@dataclass(frozen=True, slots=True)
class Smaller:
    """A smaller quant or model, its memory in bytes, and its number of layers on devices."""

    name: str
    quant: str
    total: int
    gpu_layers: int


def advise(
    spec: ModelSpec, machine: Machine, options: LoadOptions, others: Sequence[ModelSpec] = ()
) -> Advice:
    """Place a model, and explain it; errors are those of `place`.

    Args:
        spec: model that the plan is for.
        machine: machine that the plan is for.
        options: options of the load.
        others: smaller models, which are offered where no quant of this model fits.
    """
    placement = place(spec, machine, options)
    return Advice(
        spec=spec,
        machine=machine,
        placement=placement,
        reasons=tuple(reasons(spec, machine, options, placement)),
        largest_context=largest_context(spec, machine, placement),
        smaller=_smaller(spec, machine, options, others),
        tokens_per_second=_speed(spec, machine, placement) if placement.fits else None,
        warning=warning(placement, machine),
    )


def largest_context(spec: ModelSpec, machine: Machine, placement: Placement) -> int:
    """The most tokens that fit while every part stays; in any placement if this one doesn't fit."""
    fixed = placement.options if placement.fits else _unbound(placement.options)
    most = min(spec.text.integer("gemma3.context_length") or LONGEST_CONTEXT, LONGEST_CONTEXT)
    low, high = 0, most // CELLS
    while low < high:
        middle = (low + high + 1) // 2
        longer = dataclasses.replace(fixed, context=middle * CELLS)
        if place(spec, machine, longer, shrink_kv=False).fits:
            low = middle
        else:
            high = middle - 1
    return low * CELLS


def _unbound(options: LoadOptions) -> LoadOptions:
    return dataclasses.replace(options, gpu_layers="auto", projector_device="auto")


def _smaller(
    spec: ModelSpec, machine: Machine, options: LoadOptions, others: Sequence[ModelSpec]
) -> Smaller | None:
    for one in (*_quants_below(spec), *others):
        found = place(one, machine, options)
        if found.fits:
            return Smaller(one.name, one.quant, found.total, found.gpu_layers)
    return None


def _quants_below(spec: ModelSpec) -> Iterator[ModelSpec]:
    if spec.quant in QUANTS_BY_SIZE:
        for quant in QUANTS_BY_SIZE[QUANTS_BY_SIZE.index(spec.quant) + 1 :]:
            yield in_quant(spec, quant)


def _speed(spec: ModelSpec, machine: Machine, placement: Placement) -> float | None:
    """Tokens a second, by the time in which every layer is read once from its own memory."""
    bandwidths = {CPU: machine.bandwidth, **{d.name: d.bandwidth for d in machine.devices}}
    layers = iter(layers_of(spec.text, placement.options))
    *devices, cpu = placement.devices
    seconds = 0.0
    for share in (cpu, *devices):
        size = sum(layer.weights for layer in islice(layers, share.layers))
        bandwidth = bandwidths[share.device]
        if size and not bandwidth:
            return None
        seconds += size / (bandwidth or 1)
    return 1 / seconds


def reasons(
    spec: ModelSpec, machine: Machine, options: LoadOptions, placement: Placement
) -> Iterator[str]:
    """One sentence for each decision."""
    yield _layers_reason(machine, options, placement)
    if not placement.fits:
        return
    rejected = _better_placements(spec, machine, options, placement)
    more = _with_more_layers(rejected, placement)
    if more and placement.gpu_layers < placement.layers:
        yield f"With {_layers(more.gpu_layers)} there: {_shortage(more)}."
    vision_device = placement.options.projector_device
    if spec.projector and len(placement.devices) > 1:
        with_projector = [p for p in rejected if p.options.projector_device != CPU]
        if vision_device != CPU:
            yield f"The projector is on {vision_device} too."
        elif options.projector_device == "auto" and with_projector:
            best = with_projector[0]
            shortage = f"With it and {_layers(best.gpu_layers)} on a GPU: {_shortage(best)}."
            yield f"The projector stays on the CPU. {shortage}"
    if placement.options.kv != options.kv:
        wider = min((p for p in rejected if p.options.kv == options.kv), key=lambda p: p.missing)
        shortage = f"With {options.kv} at best: {_shortage(wider)}."
        yield f"The KV cache is {placement.options.kv}. {shortage}"


def _better_placements(
    spec: ModelSpec, machine: Machine, options: LoadOptions, placement: Placement
) -> list[Placement]:
    """The placements that are better than the chosen one, and don't fit."""
    found = []
    for one in placements(spec, machine, options):
        if one == placement:
            break
        found.append(one)
    return found


def _layers_reason(machine: Machine, options: LoadOptions, placement: Placement) -> str:
    if len(placement.devices) == 1:
        reason = "as requested" if machine.devices else "there is no GPU"
        return f"The CPU computes everything: {reason}."
    where = ", ".join(f"{s.layers} on {s.device}" for s in placement.devices if s.layers)
    everything = placement.gpu_layers == placement.layers
    requested = "" if options.gpu_layers == "auto" else ", as requested"
    return f"{'All' if everything else 'Of'} {placement.layers} layers: {where}{requested}."


def _with_more_layers(rejected: list[Placement], placement: Placement) -> Placement | None:
    """The rejected placement that has the fewest additional layers on devices."""
    more = [p for p in rejected if p.gpu_layers > placement.gpu_layers]
    alike = [p for p in more if p.options.kv == placement.options.kv] or more
    on_cpu = [p for p in alike if p.options.projector_device == CPU] or alike
    return min(on_cpu, key=lambda p: p.gpu_layers, default=None)


def _layers(count: int) -> str:
    return f"{count} layer" if count == 1 else f"{count} layers"


def _shortage(placement: Placement) -> str:
    """Which devices are too small, with their need and their budget."""
    short = [share for share in placement.devices if share.missing]
    return ", and ".join(
        f"{one.device} needs {show_size(one.total)} and has {show_size(max(0, one.budget))}"
        for one in short
    )


def warning(placement: Placement, machine: Machine) -> str | None:
    """What happens if the model is loaded anyway; None where it fits."""
    if placement.fits:
        return None
    *devices, cpu = placement.devices
    if any(share.missing for share in devices):
        return f"It can't be loaded this way: {_shortage(placement)}."
    if cpu.total <= machine.memory - _device_bytes(devices, machine):
        return f"This would swap: {_shortage(placement)}, and other programs use the rest."
    return (
        f"This is more than the memory: {_shortage(placement)}. Weights would be read from the "
        "disk again for every token."
    )


def _device_bytes(devices: list[DevicePlan], machine: Machine) -> int:
    return sum(share.total for share in devices) if machine.unified else 0
