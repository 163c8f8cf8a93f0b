"""Hold what is planned for a device against what llama.cpp says it put there.

python -m scripts.compare_placement [FILE.gguf …] [--shape 4b 27b] [--device Vulkan0]

Every file is loaded with half of its layers on the device, and with all. Of MedGemma's sizes there
is only the header in front of a hole: llama.cpp loads the zeros in it as any weights, with as many
layers as fit. It prints a table in Markdown, and ends with 1 if a difference is larger than its
bar. The CPU's part is held against llama.cpp by devtools/compare_plan.py.

A device may refuse a matrix as large as the output head, which llama.cpp then leaves on the CPU
next to the embedding: Mesa's software device takes none above 128 MiB (maxStorageBufferRange). What
was planned is told without the head there.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from devtools.compare_plan import BARS, MIB, hollow_file
from devtools.make_checkpoint import write_hollow
from edge_med.artifacts.gguf import read_header
from edge_med.config import GpuLayers, LoadOptions
from edge_med.engine.engine import Engine
from edge_med.engine.llama.devices import gpus
from edge_med.planner import sizes
from edge_med.planner.machine import Device, this_machine
from edge_med.planner.placement import place
from edge_med.planner.placement_types import DevicePlan, DeviceUsage, ModelSpec

CONTEXTS = (8192, 2048)


@dataclass(frozen=True)
class Row:
    """A device's share of a model: what was planned, and what llama.cpp told after the load."""

    model: str
    options: LoadOptions
    planned: DevicePlan
    told: DeviceUsage
    head_refused: bool

    def sizes(self, part: str) -> tuple[float, float]:
        """Planned and told, in MiB: `weights`, `kv` or `compute`."""
        return getattr(self.planned, part) / MIB, getattr(self.told, part) / MIB

    @property
    def total(self) -> tuple[float, float]:
        """Of these three."""
        pairs = [self.sizes(part) for part in ("weights", "kv", "compute")]
        return sum(ours for ours, _ in pairs), sum(theirs for _, theirs in pairs)

    def wrong(self) -> list[str]:
        """The parts that are further off than their bar allows."""
        weights, kv, compute, total = (
            *(self.sizes(part) for part in ("weights", "kv", "compute")),
            self.total,
        )
        bad = {
            "layers": self.planned.layers != self.told.layers,
            "weights": abs(weights[0] - weights[1]) > BARS["weights"],
            "kv": abs(kv[0] - kv[1]) > BARS["kv"],
            "compute": abs(compute[0] - compute[1]) > BARS["compute"] * compute[1],
            "total": weights[1] + kv[1] > 0 and abs(total[0] - total[1]) > BARS["total"] * total[1],
        }
        return [part for part, off in bad.items() if off]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--device", help="llama.cpp's first if none is named")
    parser.add_argument("--shape", nargs="*", choices=("4b", "27b"), default=[])
    options = parser.parse_args()
    device = next((one for one in gpus() if options.device in (None, one.name)), None)
    if device is None:
        sys.exit("There is no such device; see: edge-med doctor")
    print(
        "| model | context | device | layers | weights, MiB | KV cache | computing | total | head |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    rows = chain(loaded(options.files, device), shapes(options.shape, device))
    wrong = [found for row in rows if (found := told(row))]
    sys.exit(f"Too far off: {wrong}" if wrong else 0)


def loaded(files: Sequence[Path], device: Device) -> Iterator[Row]:
    """Models that are there, each with half of its layers on the device, and with all."""
    for path in files:
        count = (read_header(path).integer("gemma3.block_count") or 0) + 1
        for context in CONTEXTS:
            for layers in (count // 2, count):
                yield compared(path, device, LoadOptions(context=context), layers)


def shapes(names: Sequence[str], device: Device) -> Iterator[Row]:
    """MedGemma of a size, as much of it on the device as fits."""
    for size in names:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / size
            source.mkdir()
            write_hollow(size, source)
            yield compared(hollow_file(source, "Q4_K_M"), device, LoadOptions(), "auto")


def compared(path: Path, device: Device, options: LoadOptions, layers: GpuLayers) -> Row:
    """Plan a text model for a device, load it so, and compare."""
    machine = this_machine((device,))
    assert machine is not None, "the system doesn't tell its memory"
    wanted = replace(options, device=device.name, gpu_layers=layers)
    header = read_header(path)
    placement = place(ModelSpec(path.stem, "", header), machine, wanted, shrink_kv=False)
    with closing(Engine(path, None, placement.options, placements=[placement])) as engine:
        told, *_cpu = engine.usage
    planned, _cpus = placement.devices
    head = sizes.embedding_bytes(header) if sizes.is_tied(header) else 0
    refused = head > 0 and abs(planned.weights - told.weights - head) <= MIB
    if refused:
        with_head, without = (
            sizes.graph_bytes(header, options, flash=True, head=one) for one in (True, False)
        )
        compute = planned.compute - with_head + without
        planned = replace(planned, weights=planned.weights - head, compute=compute)
    return Row(path.stem, placement.options, planned, told, refused)


def told(row: Row) -> list[str]:
    """Print a row; returns what is wrong with it."""
    cells = [f"{a:,.1f} / {b:,.1f}" for a, b in map(row.sizes, ("weights", "kv", "compute"))]
    ours, theirs = row.total
    layers = f"{row.planned.layers} / {row.told.layers}"
    print(
        f"| {row.model} | {row.options.context:,} | {row.planned.device} | {layers} "
        f"| {' | '.join(cells)} | {(ours - theirs) / theirs:+.1%} "
        f"| {'the CPU' if row.head_refused else 'there'} |",
        flush=True,
    )
    return row.wrong()
