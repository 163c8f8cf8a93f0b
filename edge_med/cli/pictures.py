"""Images of the command line, opened for a model, and what the user should know of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_med.artifacts.safe_text import safe_line

if TYPE_CHECKING:
    from edge_med.api import MedGemma
    from edge_med.config import Options
    from edge_med.imaging import Picture, Room, Study

BURNED_IN = (
    "Letters in the pixels are likely, names among them: look before you show this to anyone."
)


def pictures_of(
    paths: Sequence[Path],
    model: MedGemma,
    options: Options,
    settings: Mapping[str, Any],
    *,
    quiet: bool,
) -> list[Picture | Study]:
    """Open images for a model; what is chosen or odd is told on stderr.

    Args:
        paths: files, folders or zips.
        model: that they are for.
        options: of the answer.
        settings: with `threads`, and with `slices`, `windows` and `frame` of `series_options`.
        quiet: tell nothing.
    """
    from edge_med import imaging

    room = model.room(options)
    how = {
        "fit": options.fit,
        "side": model.side,
        "slices": settings["slices"],
        "windows": settings["windows"],
        "frame": settings["frame"],
    }
    found: list[Picture | Study] = []
    for left, path in zip(range(len(paths), 0, -1), paths, strict=True):
        image = imaging.open(path, room=_share(room, left, found, settings["slices"]), **how)
        found.append(image)
    if not quiet:
        for notice in (notice for image in found for notice in notices(image)):
            click.echo(safe_line(notice), err=True)
    return found


def _share(room: Room, left: int, found: Sequence[Picture | Study], slices: str) -> Room:
    """The room of one of the images that are left, where nobody says how many slices it has."""
    if slices != "auto" or room.tokens is None:
        return room
    from edge_med.imaging.slices import AROUND

    each = room.image_tokens + AROUND
    plans = [getattr(image, "plan", None) for image in found]
    used = sum(plan.tokens if plan else each for plan in plans)
    return replace(room, tokens=max(0, room.tokens - used) // left)


def with_tags(prompt: str, images: Sequence[Picture | Study]) -> str:
    """A prompt below what its images' files say of modality, body part and view."""
    lines = [told for image in images if (told := image.about.told())]
    return "\n".join([*lines, "", prompt]) if lines else prompt


def notices(image: Picture | Study) -> Iterator[str]:
    """What the user should know of an image."""
    if plan := getattr(image, "plan", None):
        yield f"{plan}."
    yield from image.notices
    if image.about.burned_in:
        yield BURNED_IN
