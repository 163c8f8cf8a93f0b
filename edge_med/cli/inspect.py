"""`edge-med inspect`: the facts of a GGUF file."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from edge_med.artifacts.inspect import Facts
from edge_med.artifacts.inspect import inspect as read_facts
from edge_med.artifacts.published import window_words
from edge_med.artifacts.safe_text import safe_line
from edge_med.artifacts.turns import WORDS
from edge_med.cli.prose import say


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(file: Path, *, as_json: bool) -> None:
    """Show what a model file contains."""
    facts = read_facts(file)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(facts), indent=1))
        return
    for name, value in _lines(facts):
        click.echo(f"{name:<18} {safe_line(value)}")
    if facts.turns in WORDS:
        say(WORDS[facts.turns][1], first="note: ")
    window = window_words(facts.layers, facts.hidden, facts.window)
    if facts.role == "text" and window:
        say(window, first="note: ")


def _lines(facts: Facts) -> list[tuple[str, str]]:
    plain = {
        name: value
        for name, value in dataclasses.asdict(facts).items()
        if value is not None and name not in ("types", "size", "parameters")
    }
    numbers = {"size": f"{facts.size:,} bytes", "parameters": f"{facts.parameters:,}"}
    lines = [(name.replace("_", " "), str(value)) for name, value in (plain | numbers).items()]
    totals = [(t.type, f"{t.tensors} tensors, {t.bytes:,} bytes") for t in facts.types]
    return lines + totals
