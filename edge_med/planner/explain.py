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

SMALLER = ("F32", "BF16", "F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_K_S", "Q4_0", "IQ4_XS")
"""Every quant from the largest to the smallest."""


@dataclass(frozen=True, slots=True)
class Advice:
    """A placement, explained.

    Attributes:
        subject: what was placed.
        machine: where.
        placement: the one that is taken.
        reasons: why each part is where it is.
        largest_context: tokens that fit without any part having to move; 0 if none do.
        smaller: the next smaller choice that fits, if there is one.
        tokens_per_second: of an answer, at the most; None if a memory's bandwidth isn't known.
        warning: what happens if it is loaded all the same; None where it fits.
    """

    subject: ModelSpec
    machine: Machine
    placement: Placement
    reasons: tuple[str, ...]
    largest_context: int
    smaller: Smaller | None
    tokens_per_second: float | None
    warning: str | None


@dataclass(frozen=True, slots=True)
class Smaller:
    """A smaller quant or model, what it takes in all, and how many layers go to devices."""

    name: str
    quant: str
    total: int
    gpu_layers: int


def advise(
    subject: ModelSpec, machine: Machine, options: LoadOptions, others: Sequence[ModelSpec] = ()
) -> Advice:
    """Place a model, and explain it; errors are those of `place`.

    `others` are smaller models, to be named where no quant of this one fits.
    """
    placement = place(subject, machine, options)
    return Advice(
        subject=subject,
        machine=machine,
        placement=placement,
        reasons=tuple(reasons(subject, machine, options, placement)),
        largest_context=largest_context(subject, machine, placement),
        smaller=_smaller(subject, machine, options, others),
        tokens_per_second=_speed(subject, machine, placement) if placement.fits else None,
        warning=warning(placement, machine),
    )


def largest_context(subject: ModelSpec, machine: Machine, placement: Placement) -> int:
    """The most tokens that fit where a placement has everything; if it doesn't fit, anyhow."""
    kept = placement.options if placement.fits else _free(placement.options)
    most = min(subject.text.integer("gemma3.context_length") or LONGEST_CONTEXT, LONGEST_CONTEXT)
    low, high = 0, most // CELLS
    while low < high:
        middle = (low + high + 1) // 2
        longer = dataclasses.replace(kept, context=middle * CELLS)
        if place(subject, machine, longer, shrink_kv=False).fits:
            low = middle
        else:
            high = middle - 1
    return low * CELLS


def _free(options: LoadOptions) -> LoadOptions:
    return dataclasses.replace(options, gpu_layers="auto", projector_device="auto")


def _smaller(
    subject: ModelSpec, machine: Machine, options: LoadOptions, others: Sequence[ModelSpec]
) -> Smaller | None:
    for one in (*_quants_below(subject), *others):
        found = place(one, machine, options)
        if found.fits:
            return Smaller(one.name, one.quant, found.total, found.gpu_layers)
    return None


def _quants_below(subject: ModelSpec) -> Iterator[ModelSpec]:
    if subject.quant in SMALLER:
        for quant in SMALLER[SMALLER.index(subject.quant) + 1 :]:
            yield in_quant(subject, quant)


def _speed(subject: ModelSpec, machine: Machine, placement: Placement) -> float | None:
    """By the time that it takes to read every layer once, each where it is."""
    bandwidths = {CPU: machine.bandwidth, **{d.name: d.bandwidth for d in machine.devices}}
    layers = iter(layers_of(subject.text, placement.options))
    *devices, cpu = placement.shares
    seconds = 0.0
    for share in (cpu, *devices):
        size = sum(layer.weights for layer in islice(layers, share.layers))
        bandwidth = bandwidths[share.device]
        if size and not bandwidth:
            return None
        seconds += size / (bandwidth or 1)
    return 1 / seconds


def reasons(
    subject: ModelSpec, machine: Machine, options: LoadOptions, taken: Placement
) -> Iterator[str]:
    """One sentence for each decision."""
    yield _layers_reason(machine, options, taken)
    if not taken.fits:
        return
    rejected = _before(subject, machine, options, taken)
    if taken.gpu_layers < taken.layers and (nearest := _with_more_layers(rejected, taken)):
        yield f"With {_layers(nearest.gpu_layers)} there: {_lack(nearest)}."
    eye = taken.options.projector_device
    if subject.projector and len(taken.shares) > 1:
        with_eye = [p for p in rejected if p.options.projector_device != CPU]
        if eye != CPU:
            yield f"The projector is on {eye} too."
        elif options.projector_device == "auto" and with_eye:
            beside = _layers(with_eye[0].gpu_layers)
            told = f"With it and {beside} on a GPU: {_lack(with_eye[0])}."
            yield f"The projector stays on the CPU. {told}"
    if taken.options.kv != options.kv:
        wider = min((p for p in rejected if p.options.kv == options.kv), key=lambda p: p.missing)
        yield (f"The KV cache is {taken.options.kv}. With {options.kv} at best: {_lack(wider)}.")


def _before(
    subject: ModelSpec, machine: Machine, options: LoadOptions, taken: Placement
) -> list[Placement]:
    """The placements that would have been better, and don't fit."""
    found = []
    for one in placements(subject, machine, options):
        if one == taken:
            break
        found.append(one)
    return found


def _layers_reason(machine: Machine, options: LoadOptions, taken: Placement) -> str:
    if len(taken.shares) == 1:
        why = "as asked" if machine.devices else "there is no GPU"
        return f"The CPU computes everything: {why}."
    where = ", ".join(f"{s.layers} on {s.device}" for s in taken.shares if s.layers)
    everything = taken.gpu_layers == taken.layers
    asked = "" if options.gpu_layers == "auto" else ", as asked"
    return f"{'All' if everything else 'Of'} {taken.layers} layers: {where}{asked}."


def _with_more_layers(rejected: list[Placement], taken: Placement) -> Placement | None:
    """The rejected one that has the fewest layers more on devices."""
    more = [p for p in rejected if p.gpu_layers > taken.gpu_layers]
    alike = [p for p in more if p.options.kv == taken.options.kv] or more
    on_cpu = [p for p in alike if p.options.projector_device == CPU] or alike
    return min(on_cpu, key=lambda p: p.gpu_layers, default=None)


def _layers(count: int) -> str:
    return f"{count} layer" if count == 1 else f"{count} layers"


def _lack(placement: Placement) -> str:
    """Which device lacks how much."""
    short = [share for share in placement.shares if share.missing]
    told = (f"{s.device} needs {gib(s.total)} and has {gib(max(0, s.room))}" for s in short)
    return ", and ".join(told)


def warning(placement: Placement, machine: Machine) -> str | None:
    """What happens if it is loaded all the same; None where it fits."""
    if placement.fits:
        return None
    *devices, cpu = placement.shares
    if any(share.missing for share in devices):
        return f"It can't be loaded so: {_lack(placement)}."
    if cpu.total <= machine.memory - _elsewhere(devices, machine):
        return f"This would swap: {_lack(placement)}, and other programs have the rest."
    return (
        f"This can't be held in memory: {_lack(placement)}. Weights would be read from the disk "
        "again for every token."
    )


def _elsewhere(devices: list[DevicePlan], machine: Machine) -> int:
    return sum(share.total for share in devices) if machine.unified else 0


def gib(size: float) -> str:
    """A size in GiB."""
    return f"{size / (1 << 30):.2f} GiB"
