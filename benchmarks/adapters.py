"""A conversion into which an adapter is merged, against a plain one of as many weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.convert import GIB, read_once, shown
from benchmarks.measure import Cost, measure
from devtools.checkpoints.medgemma import medgemma, with_head, write_adapter
from devtools.report import Result, result
from edge_med._platform import usable_cores

RANK = 64
LAYERS, ALL = "all linear layers", "embedding and head whole as well"
PLAIN, HEAD = "plain", "plain, with a head of its own"
PEERS = {LAYERS: PLAIN, ALL: HEAD}
"""An adapter that has a head gives the model one: a matrix more to quantize, whoever merges it."""


def run(checkpoint: Path, work: Path, runs: int) -> list[Result]:
    """Plain, with an adapter of all layers, and with one that has embedding and head as well.

    Args:
        checkpoint: of MedGemma 4B's shape.
        work: a folder with 12 GB to spare.
        runs: of each, in turns.
    """
    model = medgemma("4b")
    adapters = {
        LAYERS: write_adapter(model, work / "adapters/layers", RANK),
        ALL: write_adapter(model, work / "adapters/all", RANK, whole=True),
    }
    plain = _command(checkpoint, work / "out")
    untied = with_head(model, checkpoint, work / "untied")
    steps = {PLAIN: plain, HEAD: _command(untied, work / "out")}
    steps |= {name: [*plain, "--adapter", str(folder)] for name, folder in adapters.items()}
    read_once(checkpoint)
    rounds = [_round(steps, work / "out", number) for number in range(1, runs + 1)]
    lines = {name: shown(command, work) for name, command in steps.items()}
    return _results(rounds, lines)


def _command(checkpoint: Path, out: Path) -> list[str]:
    options = ["--json", "--quiet", "--quant=Q4_K_M", "--name=shape"]
    threads = ["--threads", str(usable_cores())]
    return ["edge-med", "convert", str(checkpoint), "--out", str(out), *options, *threads]


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
    peaks = [costs[ALL].memory / GIB for costs in rounds]
    return [
        result(
            f"{name}, rank {RANK}, s",
            [costs[name].seconds for costs in rounds],
            [costs[peer].seconds for costs in rounds],
            1.15,
            commands=[lines[name], lines[peer]],
        )
        for name, peer in PEERS.items()
    ] + [
        result(
            "peak memory with all of it, GiB, against 1 GiB",
            peaks,
            [1.0] * len(peaks),
            1.0,
            commands=[lines[ALL]],
        )
    ]
