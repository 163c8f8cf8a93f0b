"""What was loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_med.artifacts.inspect import Facts
from edge_med.config import LoadOptions
from edge_med.models import memory
from edge_med.models.adapters import FoundAdapter
from edge_med.models.shares import Placed, devices_of


@dataclass(frozen=True, slots=True)
class Info:
    """What was loaded.

    Attributes:
        model: facts of the text model's file.
        projector: facts of the projector's; None for a model that can't see.
        options: it was loaded with; those of devices as they were decided.
        plan: of the memory.
        placement: what llama.cpp has put where; the projector is there once an image was seen.
        cpu_code: how much of llama.cpp's code for the CPU is used: `as built`, or what is left out.
        others: files of the same model in its folder, of other quants, that weren't taken.
        adapters: that calls may apply.
    """

    model: Facts
    projector: Facts | None
    options: LoadOptions
    plan: memory.Plan
    placement: tuple[Placed, ...]
    cpu_code: str
    others: tuple[Path, ...] = ()
    adapters: tuple[FoundAdapter, ...] = ()

    @property
    def device(self) -> str:
        """What computes texts: `cpu` or a device's name, or several joined by `+`."""
        return devices_of(self.placement)
