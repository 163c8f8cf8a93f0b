"""`edge-med convert --as-gguf`: adapters as files for llama.cpp, and what they leave out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from converters.as_gguf import AdapterPlan, AdapterRequest, plan_adapters, write_adapters
from edge_med.artifacts.manifest import FileEntry
from edge_med.artifacts.safe_text import safe_line
from edge_med.errors import UsageError
from edge_med.units import show_size

_NAMES = {
    "source": "base",
    "folder": "folder",
    "adapters": "adapters",
    "name": "name",
    "source_id": "source_id",
    "force": "force",
}
"""Options of `convert` that count here, and what `AdapterRequest` calls them."""


def convert_adapters(
    options: Mapping[str, Any],
    given: Mapping[str, str],
    *,
    dry_run: bool,
    as_json: bool,
    verbose: bool,
) -> None:
    """Make the files, or only plan them, and say what is in them.

    Args:
        options: options of `edge-med convert`, by name.
        given: options on the command line, with their flags.
        dry_run: whether nothing is written.
        as_json: whether JSON is printed.
        verbose: whether every tensor is listed.

    Raises:
        UsageError: an option has no meaning here.
        EdgeMedError: as `plan_adapters` and `write_adapters`.
    """
    request = _request(options, given)
    plans = plan_adapters(request)
    written = [] if dry_run else write_adapters(plans, request)
    if as_json:
        click.echo(json.dumps(_as_data(request, plans, written), indent=1))
        return
    for plan in plans:
        _print(plan, request, verbose=verbose)
    if dry_run:
        click.echo("Nothing was written.", err=True)
    for notice in dict.fromkeys(plan.notice for plan in plans):
        click.echo(notice, err=True)


def _request(options: Mapping[str, Any], given: Mapping[str, str]) -> AdapterRequest:
    known = {*_NAMES, "checkpoint", "quants", "as_gguf", "dry_run", "as_json", "quiet", "verbose"}
    if unused := sorted(given.keys() - known):
        flag = given[unused[0]]
        raise UsageError(f"{flag} has no meaning for an adapter's file.", f"Leave {flag} out.")
    kinds = options["quants"] or ("F32",)
    if len(kinds) > 1:
        raise UsageError("An adapter's file has one type.", "Give --quant once, or leave it out.")
    values = {theirs: options[ours] for ours, theirs in _NAMES.items()}
    return AdapterRequest(kind=kinds[0], **values)


def _print(plan: AdapterPlan, request: AdapterRequest, *, verbose: bool) -> None:
    count, left = len(plan.division.tensors), plan.division.left
    path = safe_line(str(request.folder / plan.file.name))
    of = f" of {count + len(left)}" if left else ""
    strength = plan.adapter.strength
    strong = "" if strength == 1 else f", {strength:g} times as strong"
    click.echo(f"{show_size(plan.file.size)}  {path}  {count}{of} tensors{strong}")
    for name in plan.division.tensors if verbose else ():
        click.echo(f"  {name}")
    for one in left if verbose else ():
        click.echo(f"  {one.name:<32} left out: {one.reason}")
    for warning in plan.warnings:
        click.echo(f"note: {safe_line(warning.text)}", err=True)


def _as_data(
    request: AdapterRequest, plans: tuple[AdapterPlan, ...], written: list[FileEntry]
) -> dict[str, Any]:
    hashes = {entry.path: entry.sha256 for entry in written}
    return {
        "folder": str(request.folder),
        "files": [
            {
                "path": plan.file.name,
                "role": plan.file.role,
                "quant": plan.file.quant,
                "size": plan.file.size,
                "sha256": hashes.get(plan.file.name),
                "strength": plan.adapter.strength,
                "tensors": list(plan.division.tensors),
                "left_out": [
                    {"name": one.name, "reason": one.reason, "of_text": one.of_text}
                    for one in plan.division.left
                ],
            }
            for plan in plans
        ],
        "notice": plans[0].notice,
        "warnings": [{"code": t.code, "text": t.text} for plan in plans for t in plan.warnings],
    }
