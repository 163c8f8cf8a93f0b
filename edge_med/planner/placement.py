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
"""The types of cache that are tried, the requested one first."""


def place(
    spec: ModelSpec, machine: Machine, options: LoadOptions, *, shrink_kv: bool = True
) -> Placement:
    """The first placement that fits: all on devices, then projector, layers and cache give way.

    Args:
        spec: model that is placed.
        machine: machine that it is placed on.
        options: requested options; a value other than `auto` is fixed.
        shrink_kv: whether the cache may have a smaller type than requested.

    Returns:
        Where nothing fits, the placement with the smallest shortage, if possible on no device.

    Raises:
        UsageError: the machine has no device of a requested name.
        ArtifactError: a header lacks a number.
    """
    nearest = None
    for found in placements(spec, machine, options, shrink_kv=shrink_kv):
        if found.fits:
            return found
        if nearest is None or _shortage(found) < _shortage(nearest):
            nearest = found
    assert nearest is not None, "there is always the CPU"
    return nearest


def _shortage(placement: Placement) -> tuple[bool, int]:
    """How bad it is to load it anyway: a device fails, while the CPU's memory only swaps."""
    return any(share.missing for share in placement.devices[:-1]), placement.missing


def placements(
    spec: ModelSpec, machine: Machine, options: LoadOptions, *, shrink_kv: bool = True
) -> Iterator[Placement]:
    """Every possible placement, the best first.

    Raises:
        UsageError: the machine has no device of a requested name.
        ArtifactError: a header lacks a number.
    """
    wanted = dataclasses.replace(
        options,
        device=_device_name(machine, options.device),
        projector_device=_device_name(machine, options.projector_device),
    )
    devices = devices_for(machine, wanted)
    _check_layers(machine, devices, wanted)
    _check_split(devices, wanted)
    wanted = _with_names(devices, wanted)
    for kv in SMALLER_KV[options.kv] if shrink_kv else (options.kv,):
        decided = dataclasses.replace(wanted, kv=kv)
        parts = _Parts(spec, machine, decided)
        for layers, vision in _choices(len(parts.layers), devices, decided, spec):
            yield parts.placement(devices, layers, vision)


def devices_for(machine: Machine, options: LoadOptions) -> tuple[Device, ...]:
    """The devices that layers may go to.

    Raises:
        UsageError: the machine has no device of the requested name.
    """
    wanted = _device_name(machine, options.device)
    if wanted == "auto":
        return machine.devices
    return tuple(device for device in machine.devices if device.name == wanted)


def _check_layers(machine: Machine, devices: tuple[Device, ...], options: LoadOptions) -> None:
    if not devices and options.gpu_layers not in ("auto", 0):
        there = ", ".join(device.name for device in machine.devices)
        raise UsageError(
            f"There is no GPU for {options.gpu_layers} layers.",
            f"Leave out `device`, or name one of: {there}."
            if there
            else "Leave out `gpu_layers`, or describe a machine with a GPU: 16GB,gpu=12GB",
        )


def _check_split(devices: tuple[Device, ...], options: LoadOptions) -> None:
    if options.tensor_split and len(options.tensor_split) != len(devices):
        raise UsageError(
            f"`tensor_split` has {len(options.tensor_split)} parts for {len(devices)} devices.",
            f"Give one number for each of: {', '.join(one.name for one in devices) or 'none'}.",
        )


def _with_names(devices: tuple[Device, ...], options: LoadOptions) -> LoadOptions:
    """The options with overrides to devices that take part, as ggml writes their names."""
    names = {name.lower(): name for name in (CPU, *(device.name for device in devices))}
    if odd := [name for _, name in options.overrides if name.lower() not in names]:
        raise UsageError(
            f"No tensor can go to '{odd[0]}'.",
            f"Devices of this load: {', '.join(names.values())}.",
        )
    overrides = tuple(f"{pattern}={names[name.lower()]}" for pattern, name in options.overrides)
    return dataclasses.replace(options, tensor_overrides=overrides)


def _device_name(machine: Machine, wanted: str) -> str:
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
    count: int, devices: tuple[Device, ...], options: LoadOptions, spec: ModelSpec
) -> Iterator[tuple[int, str]]:
    """Numbers of layers on devices, and the projector's device, in the order of preference.

    A projector costs the GPU least and the CPU much, but only once for each image: it gives way
    before the layers, which every token needs.
    """
    wanted = options.gpu_layers
    counts = list(range(count, -1, -1)) if wanted == "auto" else [min(wanted, count)]
    most, *fewer = counts if devices else [0]
    names = [device.name for device in devices]
    if options.projector_device != "auto":
        names = [options.projector_device]
    elsewhere = [vision for vision in names if vision != CPU] if spec.projector else []
    yield from ((most, vision) for vision in elsewhere)
    if options.projector_device in ("auto", CPU) or not spec.projector:
        yield from ((layers, CPU) for layers in (most, *fewer))
    yield from ((layers, vision) for layers in fewer for vision in elsewhere)


def split(parts: Sequence[float], layers: int) -> list[int]:
    """How many layers each device gets by proportions, as llama.cpp rounds them (load_tensors)."""
    ends = [math.ceil(layers * (sum(parts[: n + 1]) / sum(parts))) for n in range(len(parts))]
    return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]


class _Parts:
    """The parts of a model that are placed, with one type of cache."""

    def __init__(self, spec: ModelSpec, machine: Machine, options: LoadOptions) -> None:
        self._text, self._machine, self._options = spec.text, machine, options
        self.layers = list(sizes.layers(spec.text, options))
        self._override_bytes: dict[str, int] = {}  # bytes of tensors that are sent to a device
        self._largest_override = 0  # to the CPU
        for layer, size, device in sizes.matching(spec.text, options.overrides):
            here = self.layers[layer]
            self.layers[layer] = dataclasses.replace(here, weights=here.weights - size)
            self._override_bytes[device] = self._override_bytes.get(device, 0) + size
            if device == CPU:
                self._largest_override = max(self._largest_override, size)
        self._embedding = sizes.embedding_bytes(spec.text)
        self._tied_bytes = self._embedding if sizes.is_tied(spec.text) else 0
        projector = spec.projector
        self._projector = sizes.tensor_bytes(projector) if projector else 0
        self._image = sizes.image_compute_bytes(projector) if projector else 0
        sees = projector is not None
        self._cache_budget = sizes.cache_budget_bytes(spec.text, options, sees=sees)
        self._cpu_flash = sizes.flash_attention(spec.text, options)

    def placement(self, devices: tuple[Device, ...], count: int, vision: str) -> Placement:
        """A number of layers on devices, which are filled one after the other."""
        plans: list[DevicePlan] = []
        start = at = len(self.layers) - count
        parts = split(self._options.tensor_split, count)
        for number, device in enumerate(devices[:-1]):
            if parts:
                plan = self._device_plan(device, at, start, vision, parts[number])
            else:
                plan = self._filled_plan(device, at, start, vision)
            plans.append(plan)
            at += plan.layers
        if devices:  # what is left
            plans.append(self._device_plan(devices[-1], at, start, vision, len(self.layers) - at))
        others = (device for device in self._machine.devices if device not in devices)
        seeing = (device for device in others if device.name == vision)
        plans += (self._device_plan(one, at, start, vision) for one in seeing)
        plans.append(self._cpu_plan(start, vision, sum(share.total for share in plans)))
        options = dataclasses.replace(self._options, gpu_layers=count, projector_device=vision)
        return Placement(options, tuple(plans))

    def _filled_plan(self, device: Device, at: int, start: int, vision: str) -> DevicePlan:
        """As many layers as fit a device, from layer `at` on."""
        plan = self._device_plan(device, at, start, vision)
        while plan.layers + at < len(self.layers):
            more = self._device_plan(device, at, start, vision, plan.layers + 1)
            if more.missing:
                break
            plan = more
        return plan

    def _device_plan(
        self, device: Device, at: int, start: int, vision: str, count: int = 0
    ) -> DevicePlan:
        """`count` layers on a device, from layer `at` on; `start` is the first on any device."""
        layers, end = self.layers[at : at + count], at + count
        sees = vision == device.name
        compute = self._image if sees else 0
        if count:
            head = end == len(self.layers)
            compute += self._graph(flash=True, blocks=count > head, head=head)
        if count and at == start:
            # Large batches of the CPU's layers are computed on the first device, which is given
            # their matrices one at a time (ggml-backend.cpp, op_offload).
            on_cpu = (layer.largest for layer in self.layers[:start])
            compute += max(on_cpu, default=self._largest_override)
        return DevicePlan(
            device=device.name,
            budget=device.budget,
            layers=count,
            weights=sum(one.weights for one in layers) + self._override_bytes.get(device.name, 0),
            projector=self._projector if sees else 0,
            kv=sum(layer.kv for layer in layers),
            compute=compute,
        )

    def _cpu_plan(self, count: int, vision: str, elsewhere: int) -> DevicePlan:
        """The first layers and what never leaves the CPU."""
        head = count == len(self.layers)
        layers = self.layers[:count]
        weights = sum(layer.weights + layer.excess for layer in layers) + self._embedding
        weights += self._override_bytes.get(CPU, 0)
        flash = self._cpu_flash or not head
        compute = self._graph(flash=flash, blocks=count > 0, head=head)
        compute += sizes.output_bytes(self._text, self._options)
        compute += 0 if flash else sizes.work_bytes(self._text, self._options)
        return DevicePlan(
            device=CPU,
            budget=self._machine.free_memory - (elsewhere if self._machine.unified else 0),
            layers=count,
            weights=weights - (self._tied_bytes if head else 0),
            projector=self._projector if vision == CPU else 0,
            kv=sum(layer.kv for layer in layers),
            compute=compute + (self._image if vision == CPU else 0),
            cache_budget=self._cache_budget,
        )

    def _graph(self, *, flash: bool, blocks: bool, head: bool) -> int:
        return sizes.graph_bytes(self._text, self._options, flash=flash, blocks=blocks, head=head)
