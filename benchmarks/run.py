"""Running a model against llama.cpp's own programs: reading, writing, starting, following up."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Cost, measure
from benchmarks.ours import CONTEXT, LONG_PROMPT, MEASURED, PROMPT
from devtools.reference import BIN, require_tools
from devtools.report import Result, result
from edge_med._platform import usable_cores
from edge_med.artifacts.gguf import read_header
from edge_med.config import LoadOptions
from edge_med.planner.sizes import flash_attention

NEW = {"270m": 96}
"""Tokens written; where a token takes milliseconds more of them are needed."""

FEW = 48
MIB, GIB = 1 << 20, 1 << 30

CHECKPOINTS = LoadOptions().checkpoint_bytes
"""What we may take more than llama.cpp's program, which can't go back to an earlier turn."""


def run(models: Sequence[Path], work: Path, runs: int) -> list[Result]:
    """Reading, writing and starting of each model.

    Args:
        models: GGUF text models.
        work: an empty folder.
        runs: rounds, after one that warms up.

    Raises:
        RuntimeError: a command failed, or the rival is missing.
    """
    require_tools()
    work.mkdir(parents=True)
    return [found for model in models for found in (*speed(model, runs), _first(model, runs))]


def ours(what: str, model: Path, *more: str) -> list[str]:
    """The command line of our side."""
    command = [sys.executable, "-m", "benchmarks.ours", what, str(model)]
    return [*command, "--threads", str(usable_cores()), *more]


def speed(
    model: Path, runs: int, *, new: int | None = None, read: int = MEASURED, told: str = ""
) -> list[Result]:
    """Reading and writing, each side in a process of its own, by turns.

    Args:
        model: a GGUF text model.
        runs: rounds, after one that warms up.
        new: tokens written; by the model's size if None.
        read: tokens read.
        told: how it is run, for the results' names.
    """
    new = new or next((n for name, n in NEW.items() if name in model.name), FEW)
    sizes = ["--new", str(new), "--read", str(read)]
    mine = ours("speed", model, *sizes)
    bench = [str(BIN / "llama-bench"), "-m", str(model), "-p", str(read), "-n", str(new)]
    theirs = [*bench, "-r", "1", "-t", str(usable_cores()), "-fa", _attention(model), "-o", "json"]
    rounds = [(_json(mine), _benched(theirs)) for _ in range(runs + 1)][1:]
    lines = [shlex.join(mine), shlex.join(theirs)]
    return [
        result(
            f"{model.stem}: {what}{told}, s for 1,000 tokens",
            [1000 / a[what] for a, _ in rounds],
            [1000 / b[what] for _, b in rounds],
            1 / 0.97,
            1.0,
            lines,
        )
        for what in ("read", "decode")
    ]


def _attention(model: Path) -> str:
    """Our kind of attention, for llama-bench: the more exact one (docs/evidence/fidelity.md)."""
    return str(int(flash_attention(read_header(model), LoadOptions(context=CONTEXT))))


def _benched(command: list[str]) -> dict[str, float]:
    found = json.loads(_cost(command).output)
    return {"read" if row["n_prompt"] else "decode": row["avg_ts"] for row in found}


def _json(command: list[str]) -> dict[str, float]:
    found: dict[str, float] = json.loads(_cost(command).output)
    return found


def _first(model: Path, runs: int) -> Result:
    """From the start of the process to its end, with one token written in between."""
    mine = ours("first", model)
    theirs = _completion(model, _as_read(model, PROMPT), 1, 8192)
    rounds = [(_cost(mine).seconds, _cost(theirs).seconds) for _ in range(runs + 1)][1:]
    return result(
        f"{model.stem}: load, first token, end, s",
        [a for a, _ in rounds],
        [b for _, b in rounds],
        1.05,
        1.0,
        [shlex.join(mine), shlex.join(theirs)],
    )


def _as_read(model: Path, question: str) -> str:
    """What our side reads of a question: a model with a chat template gets a turn."""
    if read_header(model).text("tokenizer.chat_template") is None:
        return question
    turn = f"<start_of_turn>user\n{question}<end_of_turn>\n"
    return f"{turn}<start_of_turn>model\n"


def _completion(model: Path, prompt: str, new: int, context: int, *more: str) -> list[str]:
    command = [str(BIN / "llama-completion"), "-m", str(model), "-p", prompt, "-n", str(new)]
    command += ["--no-warmup", "-no-cnv", "-c", str(context), "-t", str(usable_cores())]
    return [*command, *more]


def _cost(command: list[str]) -> Cost:
    return measure(command, Path.cwd() / "benchmarks")


MemoryCase = tuple[int, str]
CASES: tuple[MemoryCase, ...] = ((8192, "f16"), (8192, "q8_0"), (131_072, "f16"), (131_072, "q8_0"))


def memory(models: Sequence[Path], _work: Path, _runs: int) -> list[Result]:
    """The largest resident set at several contexts, against that of llama.cpp's own program."""
    require_tools()
    return [_peak(model, context, kv) for model in models for context, kv in CASES]


def _peak(model: Path, context: int, kv: str) -> Result:
    mine = ours("memory", model, "--context", str(context), "--kv", kv)
    theirs = _completion(model, LONG_PROMPT, 4, context, "-ctk", kv, "-ctv", kv)
    a, b = _cost(mine), _cost(theirs)
    planned = json.loads(a.output)["kv"] / MIB
    return result(
        f"{model.stem}: {context:,} tokens, {kv}, KV of {planned:,.0f} MiB: peak, GiB",
        [a.memory / GIB],
        [b.memory / GIB],
        1 + CHECKPOINTS / b.memory,
        1.0,
        commands=[shlex.join(mine), shlex.join(theirs)],
    )
