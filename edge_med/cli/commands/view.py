"""`edge-med view`: what the model will see of an image, and how it came about."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from edge_med import _platform
from edge_med.artifacts.safe_text import safe_line
from edge_med.cli.commands import view_list
from edge_med.cli.render.wrapping import say
from edge_med.cli.shared.image_args import IMAGE, notices
from edge_med.cli.shared.image_flags import series_options
from edge_med.cli.shared.options import FIT, TYPES, context_option, model_option, threads_option
from edge_med.errors import InputError, UsageError
from edge_med.plain_json import plain

if TYPE_CHECKING:
    from edge_med.cli.shared.image_cost import VisionTarget
    from edge_med.imaging import Picture, Study


@click.command()
@click.argument("path", type=IMAGE)
@click.option(
    "--save",
    "out",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Save the image as the model will see it.",
)
@click.option(
    "--fit",
    type=TYPES["fit"],
    default="pad",
    show_default=True,
    help=FIT,
)
@series_options
@click.option(
    "--list", "as_list", is_flag=True, help="List the series of a folder or zip, and show no image."
)
@model_option
@context_option
@threads_option
@click.option("--force", is_flag=True, help="Let --save replace a file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def view(
    path: Path | bytes,
    *,
    out: Path | None,
    model: str | None,
    context: int,
    threads: int | None,
    force: bool,
    as_json: bool,
    as_list: bool,
    **options: Any,
) -> None:
    """Preview an image or CT as the model will see it, with the time it takes.

    PATH is a picture or DICOM file, or a folder or zip with the slices of a CT or MR. The time is
    what the model took for others on this machine. --list shows what a folder or zip holds, and
    what would be taken of it.
    """
    from edge_med import imaging
    from edge_med.cli.shared.image_cost import vision_target
    from edge_med.imaging.contact_sheet import png, sheet
    from edge_med.imaging.volume.study import all_pictures
    from edge_med.imaging.volume.unused_options import USED, check_used, unused_windows

    if as_list:
        _check_list()
        view_list.print_list(path, options["series"], as_json=as_json)
        return
    if out:
        _check(out, path, force=force)
    target = vision_target(model, threads)
    found = imaging.open(path, side=target.side, room=target.room(context), **options)
    check_used([found], **{name: options[name] for name in USED})
    pictures = all_pictures([found])
    pixels = sheet(pictures, labelled=getattr(found, "volume", False))
    if out:
        _write(out, png(pixels))
    if as_json:
        click.echo(json.dumps(plain(_facts(found, pictures, target)), indent=1))
    else:
        _preview(pixels)
        for line in _lines(found, pictures, target):
            click.echo(safe_line(line))
    for notice in filter(None, [unused_windows([found], options["windows"]), *notices(found)]):
        say(notice)


def _check_list() -> None:
    """Refuse flags about shown images together with `--list`, which shows none."""
    context = click.get_current_context()
    unused = [
        name
        for name in _OF_SHOWING
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if unused:
        flags = ", ".join("--save" if name == "out" else f"--{name}" for name in unused)
        raise UsageError(f"--list shows no image, so {flags} has no effect.", f"Leave out {flags}.")


_OF_SHOWING = ("out", "fit", "slices", "order", "windows", "frame", "force")
"""Parameters that say how an image is shown."""


def _preview(pixels: Any) -> None:
    """The picture itself, where somebody looks."""
    if sys.stdout.isatty():
        from rich.console import Console

        from edge_med.cli.render import image_preview

        image_preview.show(pixels, Console(no_color=bool(os.environ.get("NO_COLOR"))))


def _facts(
    found: Picture | Study, pictures: Sequence[Picture], target: VisionTarget
) -> dict[str, Any]:
    first, plan = pictures[0], getattr(found, "plan", None)
    tokens = plan.tokens if plan else target.tokens
    slices = [*plan.chosen] if plan and getattr(found, "volume", False) else None
    return {
        "size": first.original_size,
        "facts": dataclasses.asdict(first.about),
        "steps": first.provenance,
        "images": len(pictures),
        "tokens": tokens,
        "model": target.model,
        "seconds": target.seconds(len(pictures), tokens),
        "slices": None if slices is None else [index + 1 for index in slices],
        "series": getattr(found, "series", None) or None,
        "direction": getattr(found, "direction", None) or None,
        "order": getattr(found, "order", None) or None,
        "notices": [*notices(found)],
    }


def _lines(
    found: Picture | Study, pictures: Sequence[Picture], target: VisionTarget
) -> Iterator[str]:
    first, plan = pictures[0], getattr(found, "plan", None)
    tokens = plan.tokens if plan else target.tokens
    width, height = first.original_size
    yield f"{'original':<10} {width} x {height} pixels"
    known = [first.about.prompt_line(), _side(first.about.laterality)]
    if text := ", ".join(filter(None, known)):
        yield f"{'known':<10} {text}"
    for number, step in enumerate(first.provenance):
        yield f"{'steps' if not number else '':<10} {step}"
    if direction := getattr(found, "direction", ""):
        yield f"{'order':<10} {direction}"
    yield f"{'tokens':<10} {tokens:,}"
    yield f"{'time':<10} {target.time(len(pictures), tokens)}"


def _side(laterality: str | None) -> str:
    """Of the body, as the file has it: what is looked for first, and wrong most often."""
    words = {"R": " (right)", "L": " (left)", "B": " (both)"}
    return f"laterality {laterality}{words.get(laterality, '')}" if laterality else ""


def _check(out: Path, path: Path | bytes, *, force: bool) -> None:
    """Refuse a path that can't be written to, before anything is read."""
    if out.suffix.lower() != ".png":
        raise UsageError("The image is saved as a PNG file.", "Give a name ending in .png.")
    if isinstance(path, Path) and _is_of(out, path):
        raise UsageError("The original image is never replaced.", "Give another name.")
    if os.path.lexists(out) and (out.is_dir() or not force):
        raise UsageError("The file exists already.", "Give another name, or use --force.")


def _is_of(out: Path, path: Path) -> bool:
    """Whether a file is the shown one, or is in the shown folder."""
    there, shown = out.resolve(), path.resolve()
    return there.exists() and (there == shown or shown in there.parents)


def _write(out: Path, data: bytes) -> None:
    try:
        _platform.write_private(out, data)
    except OSError as error:
        raise InputError(
            f"The image can't be saved: {error.strerror}.",
            "Give a file in a folder that you may write to.",
        ) from None
