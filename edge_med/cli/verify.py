"""`edge-med verify`: check hashes, structure and pairing."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from edge_med.artifacts import verify as checks
from edge_med.artifacts.naming import PENDING
from edge_med.artifacts.safe_text import safe_line
from edge_med.artifacts.verify import Verdict
from edge_med.cli.progress import byte_progress
from edge_med.errors import IntegrityError


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def verify(path: Path, *, as_json: bool, quiet: bool) -> None:
    """Check a model folder, or one FILE of it, against its manifest."""
    with byte_progress("verifying", checks.total_bytes(path), hidden=quiet) as advance:
        verdict = checks.verify(path, advance)
    if as_json:
        data = {"sound": verdict.sound, **dataclasses.asdict(verdict)}
        click.echo(json.dumps(data, indent=1))
    else:
        _print(verdict)
    if (path / PENDING).exists():
        click.echo(
            "A conversion into this folder was interrupted; the next one finishes it.", err=True
        )
    if not verdict.sound:
        raise click.exceptions.Exit(IntegrityError.exit_code)


def _print(verdict: Verdict) -> None:
    for file in verdict.files:
        state = "damaged" if file.problems else "ok" if file.listed else "unlisted"
        click.echo(f"{state:<9} {safe_line(file.file)}")
        for problem in file.problems:
            click.echo(f"          {safe_line(problem)}")
    for problem in verdict.problems:
        click.echo(f"mismatch  {safe_line(problem)}")
    if any(not file.listed for file in verdict.files):
        click.echo("An unlisted file has no hashes: only its structure was checked.", err=True)
    if not verdict.sound:
        click.echo("Copy or convert the damaged files again.", err=True)
