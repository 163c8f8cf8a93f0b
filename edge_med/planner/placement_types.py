"""A model's parts and the devices that they go to, as values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge_med.artifacts.gguf import Header
from edge_med.config import LoadOptions

CPU = "cpu"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model to place: the headers of its files, or drafts of them.

    Attributes:
        name: name of the model.
        quant: quant of the text model.
        text: header of the text model.
        projector: header of the projector; None if no image will be seen.
    """

    name: str
    quant: str
    text: Header
    projector: Header | None = None


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """The plan for one device; sizes in bytes.

    Attributes:
        device: name of the device; `cpu` is the last.
        budget: memory that the model may take there.
        layers: number of layers of the text model; the output head counts as one.
        weights: weights of these layers; on the CPU also the embedding, and the additional size
            of copies.
        projector: weights of the projector.
        kv: these layers' part of the KV cache.
        compute: compute buffers.
        cache_budget: upper bound of the caches that grow with use.
    """

    device: str
    budget: int
    layers: int
    weights: int
    projector: int
    kv: int
    compute: int
    cache_budget: int = 0

    @property
    def total(self) -> int:
        """The sum of all parts."""
        return self.weights + self.projector + self.kv + self.compute + self.cache_budget

    @property
    def missing(self) -> int:
        """The number of bytes above the budget."""
        return max(0, self.total - self.budget)


@dataclass(frozen=True, slots=True)
class DeviceUsage:
    """The memory that llama.cpp uses on a device, as it reports it; sizes in bytes.

    Attributes:
        device: name of the device, or `cpu`.
        layers: number of layers of the text model; the output head counts as one.
        weights: weights of the text model, with copies in another order.
        projector: weights of the projector, once it is loaded.
        kv: these layers' part of the KV cache.
        compute: compute buffers, and the first row of logits.
    """

    device: str
    layers: int
    weights: int
    projector: int
    kv: int
    compute: int


def devices_of(usage: Iterable[DeviceUsage]) -> str:
    """The names of the devices that compute texts, joined by `+`, the CPU last."""
    # The CPU always has the embedding, and computes with it alone if it has no layers.
    return "+".join(
        one.device for one in usage if one.layers or (one.weights and one.device != CPU)
    )


@dataclass(frozen=True, slots=True)
class Placement:
    """A model on a machine.

    Attributes:
        options: options of the load, with type of cache, layers and projector's device decided.
        devices: plans of the devices in llama.cpp's order, then of the CPU.
    """

    options: LoadOptions
    devices: tuple[DevicePlan, ...]

    @property
    def fits(self) -> bool:
        """Whether no device is above its budget."""
        return not self.missing

    @property
    def missing(self) -> int:
        """The number of bytes above the budgets of all devices."""
        return sum(share.missing for share in self.devices)

    @property
    def total(self) -> int:
        """The sum over all devices, in bytes."""
        return sum(share.total for share in self.devices)

    @property
    def cache_budget(self) -> int:
        """The part of the total that is filled only with use, in bytes."""
        return sum(share.cache_budget for share in self.devices)

    @property
    def gpu_layers(self) -> int:
        """The number of layers on devices; the output head counts as one."""
        return sum(share.layers for share in self.devices[:-1])

    @property
    def layers(self) -> int:
        """The number of layers; the output head counts as one."""
        return sum(share.layers for share in self.devices)

    @property
    def where(self) -> str:
        """The number of layers of each device, in words."""
        return ", ".join(f"{one.layers} on {one.device}" for one in self.devices if one.layers)

    @property
    def split(self) -> tuple[int, ...]:
        """The exact number of layers of each device, for llama.cpp's `tensor_split`."""
        return tuple(share.layers for share in self.devices[:-1])
