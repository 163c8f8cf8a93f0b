"""How a model is spread over a device and the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from edge_med.artifacts.gguf import read_header
from edge_med.config import LoadOptions
from edge_med.engine.engine import Engine
from edge_med.planner.machine import Device, this_machine
from edge_med.planner.placement import place
from edge_med.planner.placement_types import CPU, ModelSpec, Placement

Open = Callable[[Path, Path | None, LoadOptions], Engine]


@dataclass(frozen=True, slots=True)
class Offload:
    """So many layers on the device, the output head being the last; and where images are seen."""

    layers: Literal["no", "half", "all"]
    eye: Literal["cpu", "gpu"] = "cpu"

    def __str__(self) -> str:
        return f"{self.layers} layers, projector on the {self.eye}"

    def options(self, text: Path, device: Device, options: LoadOptions) -> LoadOptions:
        """With what a model is loaded so."""
        count = (read_header(text).integer("gemma3.block_count") or 0) + 1
        return replace(
            options,
            device=device.name,
            gpu_layers={"no": 0, "half": count // 2, "all": count}[self.layers],
            projector_device=CPU if self.eye == "cpu" else device.name,
        )

    def placement(
        self, text: Path, projector: Path | None, device: Device, options: LoadOptions
    ) -> Placement:
        """What is planned of it."""
        machine = this_machine((device,))
        assert machine is not None
        headers = read_header(text), read_header(projector) if projector else None
        subject = ModelSpec(text.stem, "", *headers)
        return place(subject, machine, self.options(text, device, options), shrink_kv=False)

    def on(self, device: Device) -> Open:
        """Opens an engine so."""

        def opened(text: Path, projector: Path | None, options: LoadOptions) -> Engine:
            placement = self.placement(text, projector, device, options)
            return Engine(text, projector, options, placements=[placement])

        return opened


TEXT = [Offload("no"), Offload("half"), Offload("all")]
ALL = [*TEXT, *(Offload(one.layers, "gpu") for one in TEXT)]
