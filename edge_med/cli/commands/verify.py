"""`edge-med verify`: check hashes, structure and pairing, and try the model if that is wanted."""

from __future__ import annotations

import dataclasses
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_med.artifacts import verification as checks
from edge_med.artifacts.file_names import MANIFEST, PENDING
from edge_med.artifacts.safe_text import safe_line
from edge_med.artifacts.upgrade import upgrade as upgrade_manifest
from edge_med.artifacts.verification import Verdict
from edge_med.cli.render.progress import byte_progress
from edge_med.cli.render.wrapping import say
from edge_med.errors import EdgeMedError, IntegrityError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_med.engine.tasks.selftest import SelfTest
    from edge_med.library.known_hashes import Facts

_UPGRADE = {
    True: f"upgraded  {MANIFEST}: it has today's form now",
    False: f"ok        {MANIFEST}: it had today's form before",
}
"""What is said of the manifest, by whether it was rewritten."""


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--run",
    is_flag=True,
    help="Also load each text model, and try it with a text and a test picture.",
)
@click.option(
    "--upgrade",
    is_flag=True,
    help="Also rewrite the manifest of an undamaged folder in today's form. No model file changes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def verify(path: Path, *, run: bool, upgrade: bool, as_json: bool, quiet: bool) -> None:
    """Check that a model's files are complete and undamaged.

    PATH is a model folder, or one file of it.
    """
    if upgrade and path.is_file():
        raise UsageError("A single file has no manifest to upgrade.", "Give the model's folder.")
    verdict = _verdict(path, quiet=quiet)
    tried = _try(path) if run and verdict.sound else {}
    upgraded = upgrade and verdict.sound and upgrade_manifest(path)
    if as_json:
        _print_json(verdict, tried, {"upgraded": upgraded} if upgrade else {})
    else:
        _print(verdict)
        for name, one in tried.items():
            _print_run(name, one)
        if upgrade and verdict.sound:
            click.echo(_UPGRADE[upgraded])
        elif upgrade:
            click.echo("The manifest was not rewritten, because the folder is damaged.", err=True)
    if (path / PENDING).exists():
        click.echo(
            "A conversion into this folder was interrupted; the next one finishes it.", err=True
        )
    if not verdict.sound or not all(one.sound for one in tried.values()):
        raise click.exceptions.Exit(IntegrityError.exit_code)


def _verdict(path: Path, *, quiet: bool) -> Verdict:
    """The verdict on a folder or a file, noted for later loads."""
    from edge_med.library import known_hashes as seen

    facts = seen.all_facts(path.glob("*.gguf") if path.is_dir() else [path])
    with byte_progress("verifying", checks.total_bytes(path), hidden=quiet) as advance:
        verdict = checks.verify(path, advance)
    _remember(path if path.is_dir() else path.parent, verdict, facts)
    return verdict


def _remember(folder: Path, verdict: Verdict, facts: Mapping[Path, Facts]) -> None:
    """Note what was read and is as its manifest says: so that nobody has to read it again.

    What no manifest lists counts as intended from now on.
    """
    from edge_med.artifacts import manifest as manifests
    from edge_med.library.known_hashes import SeenFiles

    sound = {file.file for file in verdict.files if file.listed and not file.problems}
    with suppress(EdgeMedError):  # without a home for our state nothing is noted
        found, seen = manifests.load(folder), SeenFiles()
        for file in verdict.files:
            if not file.listed and not file.problems:
                seen.forget(folder / file.file)
        for entry in found.files if found else ():
            if entry.path in sound and (before := facts.get(folder / entry.path)):
                seen.note(folder / entry.path, before, entry.sha256)


def _try(path: Path) -> dict[str, SelfTest]:
    """Every text model that is there, by the name of its file."""
    from edge_med.artifacts.gguf_facts import inspect
    from edge_med.engine.llama import devices
    from edge_med.engine.tasks import selftest
    from edge_med.library import store
    from edge_med.load_model import of_pair
    from edge_med.planner.placement_types import CPU

    device = next((one.name for one in devices.gpus()), CPU)
    tried = {}
    for text in store.text_models(path):
        found = store.find(text)
        side = inspect(found.projector).image_size if found.projector else None
        notes = tuple(notice.text for notice in of_pair(found))
        one = selftest.run(found.text, found.projector, side or 0, device)
        tried[text.name] = dataclasses.replace(one, notes=notes)
    return tried


def _print_json(verdict: Verdict, tried: dict[str, SelfTest], more: dict[str, bool]) -> None:
    data = {"sound": verdict.sound, **dataclasses.asdict(verdict), **more}
    if tried:
        runs = [{"file": name, **dataclasses.asdict(one)} for name, one in tried.items()]
        data["run"] = runs
    click.echo(json.dumps(data, indent=1))


def _print_run(name: str, tried: SelfTest) -> None:
    file = safe_line(name)
    if not tried.finite:
        click.echo(f"fails     {file}: its output after a text isn't numbers")
    elif not tried.logits_differ:
        click.echo(
            f"fails     {file}: after a text all tokens are equally likely, so its "
            f"weights are damaged"
        )
    else:
        click.echo(f"runs      {file}: a text is read")
    if tried.fault:
        click.echo(f"fails     {file}: for a picture the projector gives {tried.fault}")
    for note in tried.notes:
        say(f"{file}: {note}", first="note: ")
    if tried.cosine is not None and tried.error is not None:
        state, how = _seen(tried)
        say(
            f"{file}: {how} (cosine {tried.cosine:.6f}, largest error {tried.error:.2%})",
            err=False,
            first=f"{state:<9} ",
            indent=" " * 10,
        )


def _seen(tried: SelfTest) -> tuple[str, str]:
    """The result of a picture that was encoded twice: on the CPU alone, or there and elsewhere."""
    from edge_med.planner.placement_types import CPU

    if not tried.sound:
        return "fails", f"a test picture has another result on {tried.device} than on the CPU"
    if tried.device == CPU:
        how = "on the CPU, with the same result each time"
    else:
        how = f"on {tried.device}, with the same result as on the CPU"
    return "encodes", f"a test picture {how}; its meaning isn't checked"


def _print(verdict: Verdict) -> None:
    for file in verdict.files:
        state = "damaged" if file.problems else "ok" if file.listed else "unlisted"
        click.echo(f"{state:<9} {safe_line(file.file)}")
        for problem in file.problems:
            click.echo(f"          {safe_line(problem)}")
        for note in file.notes:
            say(f"{file.file}: {note}", first="note: ")
    for problem in verdict.problems:
        click.echo(f"mismatch  {safe_line(problem)}")
    if any(not file.listed for file in verdict.files):
        click.echo("An unlisted file has no hashes: only its structure was checked.", err=True)
    if not verdict.sound:
        click.echo("Copy or convert the damaged files again.", err=True)
