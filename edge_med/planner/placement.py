"""Where the parts of a model go on a machine, decided before anything is loaded.

The rule is llama.cpp's (llama-model.cpp, load_tensors): the last layers go to devices first, the
output head is one of them, the embedding stays on the CPU, and a head that is the embedding too is
loaded twice. A layer's part of the KV cache is where the layer is (llama-kv-cache.cpp).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

from edge_med.config import KV, LoadOptions
from edge_med.errors import UsageError
from edge_med.planner import sizes
from edge_med.planner.machine import Device, Machine
from edge_med.planner.placement_types import CPU, DevicePlan, ModelSpec, Placement

SMALLER_KV: dict[KV, tuple[KV, ...]] = {"f16": ("f16", "q8_0"), "q8_0": ("q8_0",)}
"""The types of cache that are tried, the wanted one first."""


def place(
    subject: ModelSpec, machine: Machine, options: LoadOptions, *, shrink_kv: bool = True
) -> Placement:
    """The first placement that fits: all on devices, then projector, layers and cache give way.

    Args:
        subject: the model.
        machine: that it goes to.
        options: the wanted ones; what isn't `auto` there is kept.
        shrink_kv: whether the cache may be of a smaller type than wanted.

    Returns:
        Where nothing fits, the placement that lacks the least, if possible none on a device.

    Raises:
        UsageError: the machine hasn't got a device that is asked for.
        ArtifactError: a header doesn't tell enough.
    """
    nearest = None
    for found in placements(subject, machine, options, shrink_kv=shrink_kv):
        if found.fits:
            return found
        if nearest is None or _harm(found) < _harm(nearest):
            nearest = found
    assert nearest is not None, "there is always the CPU"
    return nearest


def _harm(placement: Placement) -> tuple[bool, int]:
    """What comes of loading it all the same: a device fails, while the CPU's memory swaps."""
    return any(share.missing for share in placement.shares[:-1]), placement.missing


def placements(
    subject: ModelSpec, machine: Machine, options: LoadOptions, *, shrink_kv: bool = True
) -> Iterator[Placement]:
    """Every placement that could be wanted, the best first.

    Raises:
        UsageError: the machine hasn't got a device that is asked for.
        ArtifactError: a header doesn't tell enough.
    """
    wanted = dataclasses.replace(
        options,
        device=_found(machine, options.device),
        projector_device=_found(machine, options.projector_device),
    )
    devices = devices_for(machine, wanted)
    _check_layers(machine, devices, wanted)
    _check_split(devices, wanted)
    wanted = _with_names(devices, wanted)
    for kv in SMALLER_KV[options.kv] if shrink_kv else (options.kv,):
        decided = dataclasses.replace(wanted, kv=kv)
        parts = _Parts(subject, machine, decided)
        for layers, eye in _choices(len(parts.layers), devices, decided, subject):
            yield parts.placed(devices, layers, eye)


def devices_for(machine: Machine, options: LoadOptions) -> tuple[Device, ...]:
    """The devices that layers may go to.

    Raises:
        UsageError: the machine hasn't got the one that is asked for.
    """
    wanted = _found(machine, options.device)
    if wanted == "auto":
        return machine.devices
    return tuple(device for device in machine.devices if device.name == wanted)


def _check_layers(machine: Machine, devices: tuple[Device, ...], options: LoadOptions) -> None:
    if not devices and options.gpu_layers not in ("auto", 0):
        there = ", ".join(device.name for device in machine.devices)
        raise UsageError(
            f"There is no device for {options.gpu_layers} layers.",
            f"Leave out `device`, or name one of: {there}."
            if there
            else "Leave out `gpu_layers`, or describe a machine with a GPU: 16GB,gpu=12GB",
        )


def _check_split(devices: tuple[Device, ...], options: LoadOptions) -> None:
    if options.tensor_split and len(options.tensor_split) != len(devices):
        raise UsageError(
            f"The split has {len(options.tensor_split)} parts for {len(devices)} devices.",
            f"Give one for each of: {', '.join(one.name for one in devices) or 'none'}.",
        )


def _with_names(devices: tuple[Device, ...], options: LoadOptions) -> LoadOptions:
    """The options with overrides to devices that take part, as ggml writes their names."""
    names = {name.lower(): name for name in (CPU, *(device.name for device in devices))}
    if odd := [name for _, name in options.overrides if name.lower() not in names]:
        raise UsageError(
            f"No tensor can go to '{odd[0]}'.",
            f"Devices of this load: {', '.join(names.values())}.",
        )
    told = tuple(f"{pattern}={names[name.lower()]}" for pattern, name in options.overrides)
    return dataclasses.replace(options, tensor_overrides=told)


def _found(machine: Machine, wanted: str) -> str:
    """`auto`, `cpu` or a device's name, however it is written."""
    names = [device.name for device in machine.devices]
    for name in ("auto", CPU, *names):
        if name.lower() == wanted.lower():
            return name
    raise UsageError(
        f"{machine.name[:1].upper()}{machine.name[1:]} has no device '{wanted}'.",
        f"It has: {', '.join([CPU, *names])}. See: edge-med doctor",
    )


def _choices(
    count: int, devices: tuple[Device, ...], options: LoadOptions, subject: ModelSpec
) -> Iterator[tuple[int, str]]:
    """Numbers of layers on devices, and the projector's device, in the order of preference.

    A projector costs the GPU least and the CPU much, but only once for each image: it gives way
    before the layers, which every token needs.
    """
    wanted = options.gpu_layers
    counts = list(range(count, -1, -1)) if wanted == "auto" else [min(wanted, count)]
    most, *fewer = counts if devices else [0]
    eyes = [device.name for device in devices]
    if options.projector_device != "auto":
        eyes = [options.projector_device]
    elsewhere = [eye for eye in eyes if eye != CPU] if subject.projector else []
    yield from ((most, eye) for eye in elsewhere)
    if options.projector_device in ("auto", CPU) or not subject.projector:
        yield from ((layers, CPU) for layers in (most, *fewer))
    yield from ((layers, eye) for layers in fewer for eye in elsewhere)


def split(parts: Sequence[float], layers: int) -> list[int]:
    """How many layers each device gets by proportions, as llama.cpp rounds them (load_tensors)."""
    ends = [math.ceil(layers * (sum(parts[: n + 1]) / sum(parts))) for n in range(len(parts))]
    return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]


class _Parts:
    """What there is to be placed, with one type of cache."""

    def __init__(self, subject: ModelSpec, machine: Machine, options: LoadOptions) -> None:
        self._text, self._machine, self._options = subject.text, machine, options
        self.layers = list(sizes.layers(subject.text, options))
        self._sent: dict[str, int] = {}  # bytes of tensors that are sent to a device
        self._largest_sent = 0  # to the CPU
        for layer, size, device in sizes.matching(subject.text, options.overrides):
            here = self.layers[layer]
            self.layers[layer] = dataclasses.replace(here, weights=here.weights - size)
            self._sent[device] = self._sent.get(device, 0) + size
            if device == CPU:
                self._largest_sent = max(self._largest_sent, size)
        self._embedding = sizes.embedding_bytes(subject.text)
        self._twice = self._embedding if sizes.is_tied(subject.text) else 0
        eye = subject.projector
        self._projector = sizes.tensor_bytes(eye) if eye else 0
        self._image = sizes.image_compute_bytes(eye) if eye else 0
        self._kept = sizes.kept_bytes(subject.text, options, sees=eye is not None)
        self._plain = sizes.flash_attention(subject.text, options)

    def placed(self, devices: tuple[Device, ...], count: int, eye: str) -> Placement:
        """So many layers on devices, filled one after the other."""
        shares: list[DevicePlan] = []
        start = at = len(self.layers) - count
        parts = split(self._options.tensor_split, count)
        for number, device in enumerate(devices[:-1]):
            if parts:
                mine = self._share(device, at, start, eye, parts[number])
            else:
                mine = self._filled(device, at, start, eye)
            shares.append(mine)
            at += mine.layers
        if devices:  # what is left
            shares.append(self._share(devices[-1], at, start, eye, len(self.layers) - at))
        seeing = (device for device in self._machine.devices if device.name == eye)
        shares += (self._share(one, at, start, eye) for one in seeing if one not in devices)
        shares.append(self._on_cpu(start, eye, sum(share.total for share in shares)))
        options = dataclasses.replace(self._options, gpu_layers=count, projector_device=eye)
        return Placement(options, tuple(shares))

    def _filled(self, device: Device, at: int, start: int, eye: str) -> DevicePlan:
        """As many layers as a device has room for, from one on."""
        mine = self._share(device, at, start, eye)
        while mine.layers + at < len(self.layers):
            more = self._share(device, at, start, eye, mine.layers + 1)
            if more.missing:
                break
            mine = more
        return mine

    def _share(self, device: Device, at: int, start: int, eye: str, count: int = 0) -> DevicePlan:
        """Some layers on a device, from one on; the model's devices begin at `start`."""
        layers, end = self.layers[at : at + count], at + count
        sees = eye == device.name
        compute = self._image if sees else 0
        if count:
            head = end == len(self.layers)
            compute += self._graph(flash=True, blocks=count > head, head=head)
        if count and at == start:
            # Large batches of the CPU's layers are computed on the first device, which is given
            # their matrices one at a time (ggml-backend.cpp, op_offload).
            on_cpu = (layer.largest for layer in self.layers[:start])
            compute += max(on_cpu, default=self._largest_sent)
        return DevicePlan(
            device=device.name,
            room=device.room,
            layers=count,
            weights=sum(layer.weights for layer in layers) + self._sent.get(device.name, 0),
            projector=self._projector if sees else 0,
            kv=sum(layer.kv for layer in layers),
            compute=compute,
        )

    def _on_cpu(self, count: int, eye: str, elsewhere: int) -> DevicePlan:
        """The first layers and what never leaves the CPU."""
        head = count == len(self.layers)
        layers = self.layers[:count]
        weights = sum(layer.weights + layer.excess for layer in layers) + self._embedding
        weights += self._sent.get(CPU, 0)
        flash = self._plain or not head
        compute = self._graph(flash=flash, blocks=count > 0, head=head)
        compute += sizes.output_bytes(self._text, self._options)
        compute += 0 if flash else sizes.work_bytes(self._text, self._options)
        return DevicePlan(
            device=CPU,
            room=self._machine.room - (elsewhere if self._machine.unified else 0),
            layers=count,
            weights=weights - (self._twice if head else 0),
            projector=self._projector if eye == CPU else 0,
            kv=sum(layer.kv for layer in layers),
            compute=compute + (self._image if eye == CPU else 0),
            kept=self._kept,
        )

    def _graph(self, *, flash: bool, blocks: bool, head: bool) -> int:
        return sizes.graph_bytes(self._text, self._options, flash=flash, blocks=blocks, head=head)
