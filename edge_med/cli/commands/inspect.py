"""`edge-med inspect`: the facts of a GGUF file, or of an adapter's folder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_med.artifacts.adapters.gguf_adapter import KIND, read_adapter
from edge_med.artifacts.adapters.peft_folder import merge_command, peft_adapter
from edge_med.artifacts.chat_template import WORDS
from edge_med.artifacts.gguf_facts import Facts
from edge_med.artifacts.gguf_facts import inspect as read_facts
from edge_med.artifacts.published import window_words
from edge_med.artifacts.safe_text import safe_line
from edge_med.artifacts.tensor_names import counted
from edge_med.cli.render.wrapping import say
from edge_med.errors import ArtifactError

if TYPE_CHECKING:
    from edge_med.artifacts.adapters.folder_facts import PeftFacts
    from edge_med.artifacts.adapters.peft_folder import PeftAdapter


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(file: Path, *, as_json: bool) -> None:
    """Show what a model file contains.

    FILE is a GGUF file, or the folder of a LoRA adapter of PEFT's.
    """
    adapter = peft_adapter(file)
    if adapter:
        _inspect_peft(adapter, as_json=as_json)
        return
    facts = read_facts(file)
    notes = [*_notes(file, facts)]
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(facts) | {"notes": notes}, indent=1))
        return
    _print(_lines(facts))
    for note in notes:
        say(note, first="note: ")


def _notes(file: Path, facts: Facts) -> Iterator[str]:
    """What the user should know besides."""
    if facts.turns in WORDS:
        yield WORDS[facts.turns][1]
    window = window_words(facts.layers, facts.hidden, facts.window)
    if facts.role == "text" and window:
        yield window
    if facts.role == KIND:
        from edge_med.artifacts.adapters.gguf_comparison import lacking

        try:
            yield from lacking(file, read_adapter(file))
        except ArtifactError as error:  # it can be looked at all the same
            yield f"{error.message} {error.hint}"


def _print(lines: list[tuple[str, str]]) -> None:
    for name, value in lines:
        click.echo(f"{name:<18} {safe_line(value)}")


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


def _inspect_peft(adapter: PeftAdapter, *, as_json: bool) -> None:
    from edge_med.artifacts.adapters.folder_facts import peft_facts

    facts = peft_facts(adapter)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(facts), indent=1))
        return
    _print(_peft_lines(facts))
    for line in _left_out(facts):
        click.echo(f"  {line}")
    if facts.mergeable:
        say(f"Merge it: {merge_command(adapter.folder)}", first="note: ")


def _left_out(facts: PeftFacts) -> Iterator[str]:
    """What a GGUF adapter leaves out, by reasons; --json has each tensor."""
    by_reason: dict[str, list[str]] = {}
    for one in facts.left_out:
        by_reason.setdefault(one.reason, []).append(one.name)
    for why, names in by_reason.items():
        yield f"{names[0] if len(names) == 1 else counted(names)}: {why}"


def _peft_lines(facts: PeftFacts) -> list[tuple[str, str]]:
    """What is in an adapter's folder; what it hasn't got isn't spoken of."""
    lines: list[tuple[str, Any]] = [
        ("folder", facts.folder),
        ("role", f"PEFT adapter ({facts.kind})" if facts.kind else "PEFT adapter"),
        ("base", facts.base),
        ("peft version", facts.peft_version),
        ("size", f"{facts.size:,} bytes"),
        ("sha256", facts.sha256),
        ("merges", "" if facts.problem is None else f"no: {facts.problem}"),
        ("rank", _listed(facts.ranks)),
        ("alpha", _listed(facts.alphas)),
        ("scale", _listed(facts.scales)),
        ("rslora", "yes" if facts.rslora else ""),
        ("dora", "yes" if facts.dora else ""),
        ("changes", facts.changes),
        ("replaced completely", ", ".join(facts.whole)),
        ("trained tokens", facts.trained_tokens or ""),
        ("gguf files", ", ".join(facts.files)),
    ]
    if facts.mergeable:
        left = "; left out:" if facts.left_out else ""
        lines.append(("as gguf", f"{facts.gguf} tensors{left}"))
    return [(name, str(value)) for name, value in lines if value]


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.6g}" for value in values)
