"""The one form in which a benchmark says what it found."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from edge_med._platform import usable_cores


@dataclass(frozen=True, slots=True)
class Result:
    """One figure beside the rival's: docs/reference/contract.md has the form.

    Attributes:
        name: what was measured, with its unit.
        ours: our median.
        peer: the rival's median.
        ratio: ours divided by peer.
        bar: the ratio that must be kept.
        goal: the ratio that we want.
        ok: whether the bar is kept.
        runs: how often each was run.
        spread: the smallest and largest ratio of a single round.
        machine: where.
        commands: the command lines, ours and the rival's.
    """

    name: str
    ours: float
    peer: float
    ratio: float
    bar: float
    goal: float
    ok: bool
    runs: int
    spread: tuple[float, float]
    machine: str
    commands: tuple[str, ...]


def result(
    name: str,
    ours: Sequence[float],
    peer: Sequence[float],
    bar: float,
    goal: float | None = None,
    commands: Sequence[str] = (),
) -> Result:
    """Put the figures of several rounds side by side."""
    our_median, peer_median = median(ours), median(peer)
    ratio = our_median / peer_median
    rounds = [a / b for a, b in zip(ours, peer, strict=True)]
    return Result(
        name=name,
        ours=round(our_median, 3),
        peer=round(peer_median, 3),
        ratio=round(ratio, 3),
        bar=round(bar, 3),
        goal=round(bar if goal is None else goal, 3),
        ok=ratio <= bar,
        runs=len(ours),
        spread=(round(min(rounds), 3), round(max(rounds), 3)),
        machine=machine(),
        commands=tuple(commands),
    )


def as_data(results: Sequence[Result]) -> list[dict[str, object]]:
    """For JSON."""
    return [dataclasses.asdict(result) for result in results]


def table(results: Sequence[Result]) -> str:
    """For people and docs."""
    head = "| | ours | peer | ratio | bar | goal | rounds | |\n|---|---|---|---|---|---|---|---|"
    rows = [
        f"| {r.name} | {r.ours:g} | {r.peer:g} | {r.ratio:.3f} | {r.bar:g} | {r.goal:g} "
        f"| {r.spread[0]:.3f}-{r.spread[1]:.3f} | {'ok' if r.ok else 'FAILS'} |"
        for r in results
    ]
    return "\n".join([head, *rows])


def machine() -> str:
    """Processor, cores and memory."""
    cpu, memory = platform.machine(), ""
    if (path := Path("/proc/cpuinfo")).exists():
        names = [line for line in path.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].partition(": ")[2] if names else cpu
        kib = int(Path("/proc/meminfo").read_text().split()[1])
        memory = f", {round(kib / 2**20)} GB"
    return f"{cpu}, {usable_cores()} cores{memory}, {platform.system()}"
