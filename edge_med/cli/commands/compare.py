"""`edge-med compare`: what a file loses compared with another, along a text."""

from __future__ import annotations

import dataclasses
import json
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_med.artifacts.safe_text import safe_line
from edge_med.cli.render.progress import step_progress
from edge_med.cli.render.streaming import interruptible
from edge_med.cli.shared.logs import shown_log
from edge_med.cli.shared.options import memory_option, threads_option
from edge_med.config import MemoryRule
from edge_med.errors import InputError
from edge_med.plain_json import plain

if TYPE_CHECKING:
    from edge_med.engine.divergence import Estimate
    from edge_med.engine.model_comparison import Comparison

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("base", metavar="A", type=FILE)
@click.argument("other", metavar="B", type=FILE)
@click.option(
    "--text",
    required=True,
    type=FILE,
    metavar="FILE",
    help="Text file that both models read, in UTF-8.",
)
@memory_option
@threads_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option("--verbose", is_flag=True, help="Show llama.cpp's log.")
def compare(
    base: Path,
    other: Path,
    *,
    text: Path,
    memory: MemoryRule,
    threads: int | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Measure how much a smaller (quantized) model differs from the original.

    Perplexity of both, and KL divergence of B from A, along a text, in chunks of 512 tokens.
    """
    from edge_med import _platform
    from edge_med.engine import model_comparison as engine
    from edge_med.planner.memory_plan import check

    content = _read(text)
    check(engine.memory(base, other), memory, _platform.available_memory())
    stopped = threading.Event()

    def stop() -> bool:
        stopped.set()
        return True

    with (
        shown_log(verbose),
        interruptible(stop),
        closing(engine.ModelPair(base, other, threads)) as pair,
    ):
        ids = pair.tokenize(content)
        chunks = len(ids) // engine.CHUNK
        with step_progress("comparing", chunks, hidden=quiet) as advance:
            found = pair.compare(ids, advance, stopped.is_set)
    if as_json:
        names = {"base": base.name, "other": other.name}
        click.echo(json.dumps(plain(names | dataclasses.asdict(found)), indent=1))
    else:
        _print(base.name, other.name, found)


def _read(text: Path) -> str:
    try:
        return text.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{text.name} isn't a text in UTF-8.", "Convert it to UTF-8.") from None


def _print(base: str, other: str, found: Comparison) -> None:
    spread = found.divergence
    rows = (
        ("A", safe_line(base)),
        ("B", safe_line(other)),
        ("positions", f"{found.positions:,} in {found.chunks} chunks of 512 tokens"),
        ("perplexity of A", _number(found.base_perplexity, 4)),
        ("perplexity of B", _number(found.perplexity, 4)),
        ("ln(B / A)", _number(found.log_ratio)),
        ("KL divergence", _number(spread.mean)),
        ("  median", f"{spread.median:.6f}"),
        ("  99 %", f"{spread.percentile_99:.6f}"),
        ("  maximum", f"{spread.maximum:.6f}"),
        ("  in 16 bits", f"{_number(found.stored_divergence)}, as llama-perplexity computes it"),
        ("same top token", f"{found.same_top.value:.3%} ± {found.same_top.error:.3%}"),
    )
    for name, value in rows:
        click.echo(f"{name:<16} {value}")


def _number(estimate: Estimate, digits: int = 6) -> str:
    return f"{estimate.value:.{digits}f} ± {estimate.error:.{digits}f}"
