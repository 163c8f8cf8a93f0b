"""A model's parts and the devices that they go to, as values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge_med.artifacts.gguf import Header
from edge_med.config import LoadOptions

CPU = "cpu"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What shall be placed: a model's files, or the drafts of them.

    Attributes:
        name: of the model.
        quant: of the text model.
        text: its header.
        projector: its header; None if no image will be seen.
    """

    name: str
    quant: str
    text: Header
    projector: Header | None = None


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """What goes to one device; sizes in bytes.

    Attributes:
        device: its name; `cpu` is the last.
        room: that it has.
        layers: of the text model, the output head being one.
        weights: of these, and on the CPU the embedding, and what copies of them take more.
        projector: its weights.
        kv: the layers' part of the cache.
        compute: buffers that it computes in.
        kept: budgets of what is kept for later.
    """

    device: str
    room: int
    layers: int
    weights: int
    projector: int
    kv: int
    compute: int
    kept: int = 0

    @property
    def total(self) -> int:
        """All of them together."""
        return self.weights + self.projector + self.kv + self.compute + self.kept

    @property
    def missing(self) -> int:
        """Bytes that there are too few."""
        return max(0, self.total - self.room)


@dataclass(frozen=True, slots=True)
class DeviceUsage:
    """What llama.cpp has put on a device, by its own account; sizes in bytes.

    Attributes:
        device: its name, or `cpu`.
        layers: of the text model, the output head being one.
        weights: of the text model, copies in another order included.
        projector: its weights, once it was needed.
        kv: the layers' part of the cache.
        compute: buffers that it computes in, and the first row of logits.
    """

    device: str
    layers: int
    weights: int
    projector: int
    kv: int
    compute: int


def devices_of(placed: Iterable[DeviceUsage]) -> str:
    """What computes texts: devices with layers or tensors of some, the CPU last, joined by `+`."""
    # The CPU always has the embedding, and computes with it alone if it has no layers.
    return "+".join(
        one.device for one in placed if one.layers or (one.weights and one.device != CPU)
    )


@dataclass(frozen=True, slots=True)
class Placement:
    """A model on a machine.

    Attributes:
        options: with which it is loaded: type of cache, layers and the projector's device decided.
        shares: the devices in llama.cpp's order, then the CPU.
    """

    options: LoadOptions
    shares: tuple[DevicePlan, ...]

    @property
    def fits(self) -> bool:
        """Whether every device has room for its share."""
        return not self.missing

    @property
    def missing(self) -> int:
        """Bytes that there are too few, over all devices."""
        return sum(share.missing for share in self.shares)

    @property
    def total(self) -> int:
        """Bytes of everything."""
        return sum(share.total for share in self.shares)

    @property
    def kept(self) -> int:
        """Of these, budgets that are filled in the course of time."""
        return sum(share.kept for share in self.shares)

    @property
    def gpu_layers(self) -> int:
        """How many layers are on devices, the output head being one."""
        return sum(share.layers for share in self.shares[:-1])

    @property
    def layers(self) -> int:
        """How many layers there are, the output head being one."""
        return sum(share.layers for share in self.shares)

    @property
    def where(self) -> str:
        """How many layers each device has, in words."""
        return ", ".join(f"{one.layers} on {one.device}" for one in self.shares if one.layers)

    @property
    def split(self) -> tuple[int, ...]:
        """For llama.cpp's `tensor_split`: so many layers go to each device, exactly."""
        return tuple(share.layers for share in self.shares[:-1])
