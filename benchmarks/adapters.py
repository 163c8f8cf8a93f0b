"""A conversion into which an adapter is merged, beside a plain one of the same base."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.convert import GIB, read_once, shown
from benchmarks.measure import Cost, measure
from benchmarks.report import Result, result
from edge_med._platform import usable_cores
from tests.checkpoints.medgemma import medgemma, write_adapter

RANK = 64
LAYERS, ALL = "all linear layers", "and embedding and head whole"


def run(checkpoint: Path, work: Path, runs: int) -> list[Result]:
    """Plain, with an adapter of all layers, and with one that has embedding and head as well.

    Args:
        checkpoint: of MedGemma 4B's shape.
        work: a folder with 15 GB to spare.
        runs: of each, in turns.
    """
    model = medgemma("4b")
    adapters = {
        LAYERS: write_adapter(model, work / "adapters/layers", RANK),
        ALL: write_adapter(model, work / "adapters/all", RANK, whole=True),
    }
    plain = ["edge-med", "convert", str(checkpoint), "--out", str(work / "out"), "--json"]
    plain += ["--quiet", "--quant=Q4_K_M", "--name=shape", "--threads", str(usable_cores())]
    steps = {"plain": plain}
    steps |= {name: [*plain, "--adapter", str(folder)] for name, folder in adapters.items()}
    read_once(checkpoint)
    rounds = [_round(steps, work / "out", number) for number in range(1, runs + 1)]
    lines = {name: shown(command, work) for name, command in steps.items()}
    return _results(rounds, lines)


def _round(steps: Mapping[str, list[str]], out: Path, number: int) -> dict[str, Cost]:
    costs = {}
    for name, command in steps.items():
        out.mkdir()
        costs[name] = cost = measure(command, out)
        for path in out.iterdir():
            path.unlink()
        out.rmdir()
        print(
            f"round {number}: {name}: {cost.seconds:.1f} s, {cost.memory / GIB:.2f} GiB", flush=True
        )
    return costs


def _results(rounds: list[dict[str, Cost]], lines: dict[str, str]) -> list[Result]:
    plain = [costs["plain"].seconds for costs in rounds]
    peaks = [costs[ALL].memory / GIB for costs in rounds]
    return [
        result(
            f"{name}, rank {RANK}, s",
            [costs[name].seconds for costs in rounds],
            plain,
            1.15,
            commands=[lines[name], lines["plain"]],
        )
        for name in (LAYERS, ALL)
    ] + [
        result(
            "peak memory with all of it, GiB, beside 1 GiB",
            peaks,
            [1.0] * len(peaks),
            1.0,
            commands=[lines[ALL]],
        )
    ]
