"""Conversion against llama.cpp's own two tools, on a checkpoint of MedGemma 4B's shape."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.measure import Cost, measure
from devtools.reference import ENVIRONMENT, convert_command, quantize_command, require_tools
from devtools.report import Result, result
from edge_med._platform import usable_cores

GIB = 1 << 30
THREE = ("Q4_K_M", "Q8_0", "Q4_0")

OURS = {
    "ours Q4_K_M": ("Q4_K_M",),
    "ours Q8_0": ("Q8_0",),
    "ours Q4_0": ("Q4_0",),
    "ours, three at once": THREE,
}
THEIR_Q4 = ("convert to BF16", "llama-quantize Q4_K_M", "convert the projector")
THEIR_Q8 = (
    ("convert to Q8_0", "convert the projector"),
    ("convert to BF16", "llama-quantize Q8_0", "convert the projector"),
)
ORDER = (
    "ours Q4_K_M",
    *THEIR_Q4,
    "ours Q8_0",
    "llama-quantize Q8_0",
    "ours Q4_0",
    "convert to Q8_0",
    "ours, three at once",
)
"""Ours and theirs take turns, so that both meet the same hours of the machine."""

SEVERAL = ("ours Q4_0", "ours, three at once")
"""Only for the row of three types at once; a third of a round's time."""

Round = dict[str, Cost]


def commands(checkpoint: Path, work: Path) -> dict[str, list[str]]:
    """Every step's command line; all use the same number of threads."""
    threads = usable_cores()
    ours, theirs = work / "ours", work / "theirs"
    start = ["edge-med", "convert", str(checkpoint), "--out", str(ours), "--json", "--quiet"]
    steps = {
        name: [*start, "--threads", str(threads), *(f"--quant={quant}" for quant in quants)]
        for name, quants in OURS.items()
    }
    middle = theirs / "bf16.gguf"
    steps["convert to BF16"] = convert_command(checkpoint, "bf16", middle)
    steps["convert to Q8_0"] = convert_command(checkpoint, "q8_0", theirs / "q8_0.gguf")
    if "vision_config" in json.loads((checkpoint / "config.json").read_text("utf-8")):
        projector = theirs / "mmproj-f16.gguf"
        steps["convert the projector"] = convert_command(checkpoint, "f16", projector, mmproj=True)
    for quant in ("Q4_K_M", "Q8_0"):
        target = theirs / f"quantized-{quant}.gguf"
        steps[f"llama-quantize {quant}"] = quantize_command(middle, target, quant, threads=threads)
    return steps


def run(checkpoint: Path, work: Path, runs: int, several: bool = True) -> list[Result]:
    """Measure, round after round; `several` says whether three types at once are, too.

    Raises:
        RuntimeError: a command failed, or the rival is missing.
    """
    require_tools()
    steps = commands(checkpoint, work)
    if not several:
        steps = {name: command for name, command in steps.items() if name not in SEVERAL}
    read_once(checkpoint)
    rounds = [_round(steps, work, number) for number in range(1, runs + 1)]
    _print_stages(rounds)
    return _results(rounds, {name: shown(command, work) for name, command in steps.items()})


def shown(command: list[str], work: Path) -> str:
    """A command line as anybody could type it."""
    return shlex.join(command).replace(str(work), "WORK").replace(sys.executable, "python")


def read_once(checkpoint: Path) -> None:
    """The warm-up: afterwards everybody finds the checkpoint in the system's cache alike."""
    for path in checkpoint.glob("*.safetensors"):
        with path.open("rb") as file:
            while file.read(16 << 20):
                pass


def _round(steps: dict[str, list[str]], work: Path, number: int) -> Round:
    costs: Round = {}
    theirs = work / "theirs"
    theirs.mkdir(parents=True)
    for name in filter(steps.__contains__, ORDER):
        (work / "ours").mkdir(parents=True)
        costs[name] = cost = measure_step(name, steps[name], work)
        shutil.rmtree(work / "ours")
        print(
            f"round {number}: {name}: {cost.seconds:.1f} s, CPU {cost.user:.1f} + "
            f"{cost.system:.1f} s, {cost.memory / GIB:.2f} GiB",
            flush=True,
        )
    shutil.rmtree(theirs)
    return costs


def measure_step(name: str, command: list[str], work: Path) -> Cost:
    """Measure one of `commands`; llama.cpp's need an environment of their own."""
    return measure(command, work, None if name in OURS else ENVIRONMENT)


def _stages(cost: Cost) -> dict[str, float]:
    stages: dict[str, float] = json.loads(cost.output)["seconds"]
    return stages


def _print_stages(rounds: Sequence[Round]) -> None:
    print("\nwhere our time goes, seconds of work in all threads, medians:")
    for name in filter(rounds[0].__contains__, OURS):
        all_stages = [_stages(costs[name]) for costs in rounds]
        parts = [f"{stage} {median(s[stage] for s in all_stages):.1f}" for stage in all_stages[0]]
        print(f"  {name}: {', '.join(parts)}")
    print()


def _seconds(rounds: Sequence[Round], steps: Sequence[str]) -> list[float]:
    """The steps of one way one after another, in each round."""
    return [sum(costs[name].seconds for name in steps if name in costs) for costs in rounds]


def _results(rounds: Sequence[Round], lines: dict[str, str]) -> list[Result]:
    q8_ways = [_seconds(rounds, steps) for steps in THEIR_Q8]
    faster = min(range(len(q8_ways)), key=lambda way: median(q8_ways[way]))
    memory = [max(costs[name].memory for name in OURS if name in costs) / GIB for costs in rounds]
    their_memory = [max(costs[name].memory for name in THEIR_Q4[:2]) / GIB for costs in rounds]
    return [
        result(
            "Q4_K_M and projector, s",
            _seconds(rounds, ["ours Q4_K_M"]),
            _seconds(rounds, THEIR_Q4),
            0.72,
            0.68,
            [lines[name] for name in ("ours Q4_K_M", *THEIR_Q4) if name in lines],
        ),
        result(
            "quantizing to Q4_K_M, CPU s",
            [_quantizing(costs["ours Q4_K_M"]) for costs in rounds],
            [costs["llama-quantize Q4_K_M"].user for costs in rounds],
            1.02,
            commands=[lines["ours Q4_K_M"], lines["llama-quantize Q4_K_M"]],
        ),
        result(
            "Q8_0 and projector, s",
            _seconds(rounds, ["ours Q8_0"]),
            q8_ways[faster],
            0.45,
            commands=[lines[name] for name in ("ours Q8_0", *THEIR_Q8[faster]) if name in lines],
        ),
        *(_three_at_once(rounds, lines) if SEVERAL[-1] in lines else []),
        result("peak memory, GiB", memory, their_memory, 1 / median(their_memory)),
        result(
            "disk besides the result, GB",
            [_extra_disk(costs["ours Q4_K_M"]) for costs in rounds],
            [costs["convert to BF16"].disk / 1e9 for costs in rounds],
            0.0,
        ),
    ]


def _three_at_once(rounds: Sequence[Round], lines: dict[str, str]) -> list[Result]:
    separate = ("ours Q4_K_M", "ours Q8_0", "ours Q4_0")
    reads = [_stages(costs["ours Q8_0"])["read"] for costs in rounds]
    sums = _seconds(rounds, separate)
    return [
        result(
            "three types at once, s, against one after another less two reads",
            _seconds(rounds, ["ours, three at once"]),
            [total - 2 * read for total, read in zip(sums, reads, strict=True)],
            1.05,
            commands=[lines[name] for name in ("ours, three at once", *separate)],
        )
    ]


def _quantizing(cost: Cost) -> float:
    """Widening counts: llama-quantize does it as well."""
    stages = _stages(cost)
    return stages["widen"] + stages["quantize"]


def _extra_disk(cost: Cost) -> float:
    """By how many GB the folder was ever larger than the files that stayed in it."""
    files = json.loads(cost.output)["files"]
    manifest = 1_000_000  # bytes that it takes at the most, with its lock; not what is meant
    return max(0, cost.disk - sum(int(file["size"]) for file in files) - manifest) / 1e9
