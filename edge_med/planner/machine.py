"""A machine that a model will run on: this one, or one that is described in a line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from edge_med import _platform
from edge_med.errors import UsageError
from edge_med.units import GIB, SIZE, parse_size

Kind = Literal["gpu", "igpu"]

SYSTEM_RESERVE = 4 * GIB
"""Memory that stays for the system and programs of a described machine; Windows 11 asks for this
much (microsoft.com/windows/windows-11-specifications). Of a small machine a quarter."""

DEVICE_RESERVE = GIB
"""Memory of a device that stays free, for pools and the desktop: llama.cpp's own number (common.h,
fit_params_target). Of a small device an eighth."""

METAL_SHARES = ((36 * GIB, 2 / 3), (None, 3 / 4))
"""Share of its memory that a Mac lends to Metal, up to a size and beyond it
(`recommendedMaxWorkingSetSize`, as llama.cpp logs it: 10.7 of 16 GiB, 48 of 64)."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device that computes, besides the CPU.

    Attributes:
        name: name of the device in ggml, such as CUDA0.
        kind: `gpu` with memory of its own, or `igpu` with a part of the machine's memory.
        free: free memory in bytes.
        bandwidth: bandwidth of its memory in bytes a second; None if it isn't known.
    """

    name: str
    kind: Kind
    free: int
    bandwidth: float | None = None

    @property
    def budget(self) -> int:
        """Bytes that a model may take."""
        return self.free - min(DEVICE_RESERVE, self.free // 8)


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that a model can be placed on.

    Attributes:
        name: name of the machine in sentences.
        memory: size of the whole memory in bytes.
        free_memory: bytes that can be used without swapping.
        cores: number of cores that compute; None if it isn't known.
        bandwidth: bandwidth of the memory in bytes a second; None if it isn't known.
        devices: devices in llama.cpp's order.
        unified: whether the devices use the machine's memory.
    """

    name: str
    memory: int
    free_memory: int
    cores: int | None = None
    bandwidth: float | None = None
    devices: tuple[Device, ...] = ()
    unified: bool = False


def this_machine(
    devices: tuple[Device, ...] = (), bandwidth: float | None = None
) -> Machine | None:
    """The machine that this program runs on, with the given devices.

    None where the system doesn't report its memory.
    """
    free, memory = _platform.available_memory(), _platform.total_memory()
    if free is None:
        return None
    return Machine(
        name="this machine",
        memory=max(memory or free, free),
        free_memory=free,
        cores=_platform.performance_cores(),
        bandwidth=bandwidth,
        devices=devices,
        unified=any(device.kind == "igpu" for device in devices),
    )


_SPEED = re.compile(r"(\d+(?:\.\d+)?)\s*(?:GB/s|GB)?", re.IGNORECASE)
_HINT = "Examples: 16GB,gpu=12GB or 8GB,unified or 32GB,gpu=24GB,gpu=24GB,cores=8,bandwidth=60GB/s."


def parse_machine(text: str) -> Machine:
    """A machine from its description.

    Args:
        text: size of the memory, and after commas `gpu=SIZE` or `gpu=SIZE@GB/s` (once for each),
            `unified`, `cores=N`, `bandwidth=GB/s`. Memory is sold in powers of two: 16GB are
            16 GiB.

    Raises:
        UsageError: the description can't be read.
    """
    first, *rest = (part.strip() for part in text.split(","))
    memory = _size(first.removeprefix("memory="))
    fields = [(name.lower(), value) for name, _, value in (part.partition("=") for part in rest)]
    names = [name for name, _ in fields]
    if unknown := [part for part, (name, _) in zip(rest, fields, strict=True) if name not in _KEYS]:
        raise UsageError(f"'{unknown[0]}' isn't understood.", _hint_for(unknown[0]))
    single = {name: value for name, value in fields if name != "gpu"}
    once = {*single, "gpu"} if "unified" in single else {*single}
    if twice := [name for name in names if name in once and names.count(name) > 1]:
        raise UsageError(f"'{twice[0]}' is given more than once.", _HINT)
    if value := single.get("unified"):
        raise UsageError(
            f"'unified' takes no value, and has '{value}'.",
            "Give the GPU's part of the memory separately: 16GB,gpu=12GB,unified",
        )
    free = memory - min(SYSTEM_RESERVE, memory // 4)
    unified = "unified" in single
    cards = [value for name, value in fields if name == "gpu"]
    devices = [_gpu(number, value) for number, value in enumerate(cards)]
    bandwidth = _number(single["bandwidth"]) * 1e9 if "bandwidth" in single else None
    if unified:
        shared = devices[0].free if devices else int(memory * _metal_share(memory))
        devices = [Device("GPU0", "igpu", min(shared, memory), bandwidth)]
    return Machine(
        name=text,
        memory=memory,
        free_memory=free,
        cores=_whole(single["cores"]) if "cores" in single else None,
        bandwidth=bandwidth,
        devices=tuple(devices),
        unified=unified,
    )


_KEYS = {"gpu", "unified", "cores", "bandwidth"}


def _gpu(number: int, text: str) -> Device:
    size, at, speed = text.partition("@")
    bandwidth = _number(speed) * 1e9 if at else None
    return Device(f"GPU{number}", "gpu", _size(size), bandwidth)


def _metal_share(memory: int) -> float:
    return next(share for limit, share in METAL_SHARES if limit is None or memory <= limit)


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except UsageError as error:
        raise UsageError(error.message, _hint_for(text)) from None


def _number(text: str) -> float:
    found = _SPEED.fullmatch(text)
    if not found or float(found[1]) <= 0:
        raise UsageError(f"'{text}' isn't a number above 0.", _HINT)
    return float(found[1])


def _whole(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,4}", text):
        raise UsageError(f"'{text}' isn't a number of cores.", _HINT)
    return int(text)


def _hint_for(part: str) -> str:
    """The hint about a part of a description: the likely intention, and the form."""
    name, _, value = part.strip().partition(" ")
    if name.lower() in _KEYS and SIZE.fullmatch(value.strip()):
        return f"Write {name.lower()}={value.strip()}. {_HINT}"
    if SIZE.fullmatch(value.strip()):  # as in M2 16GB
        return f"Write {value.strip()}, or for a Mac {value.strip()},unified. {_HINT}"
    return _HINT
