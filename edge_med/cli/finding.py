"""`edge-med ask --save-box`: find something in an image, and draw it there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_med.artifacts.safe_text import safe_line
from edge_med.errors import SchemaError, UsageError

if TYPE_CHECKING:
    from edge_med.answers import Answer
    from edge_med.imaging import Picture, Study
    from edge_med.imaging.boxes import Placed


@dataclass(frozen=True, slots=True)
class Found:
    """What was found: boxes in pixels of the original, and what had to be mended to read them."""

    boxes: tuple[Placed, ...]
    quirks: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """A line a box."""
        for box in self.boxes:
            across = f"x {box.x0:.0f} to {box.x1:.0f}"
            yield f"{safe_line(box.label)}: {across}, y {box.y0:.0f} to {box.y1:.0f}"


class Search:
    """A search in one image, whose result is saved."""

    def __init__(self, what: str, images: Sequence[Path], target: Path, force: bool) -> None:  # noqa: FBT001
        """Check what can be checked before the model is loaded.

        Raises:
            UsageError: it isn't one image, or the result can't be saved there.
            InputError: nothing is named that should be found, or there is no such folder.
        """
        from edge_med.imaging import boxes

        if len(images) != 1:
            raise UsageError(
                f"--save-box looks for something in one image, and {len(images)} are given.",
                "Give one with --image.",
            )
        self.prompt = boxes.locate_prompt(what)
        (self._image,) = images
        if self._image.is_dir():
            raise UsageError(
                "--save-box looks for something in one image, and a folder is given.",
                "Give one of its files with --image.",
            )
        self._target, self._force = target, force
        boxes.check_target(self._image, target, force=force)

    def one(self, images: Sequence[Picture | Study]) -> Picture:
        """The image that is searched.

        Raises:
            UsageError: the file is a volume.
        """
        (image,) = images
        if hasattr(image, "plan"):
            raise UsageError(
                "--save-box looks for something in one image, and the file has many slices.",
                "Choose one of them with --frame.",
            )
        return image

    def found(self, answer: Answer, picture: Picture) -> Found:
        """The boxes of an answer about the image as it was fitted."""
        from edge_med.imaging import boxes

        parsed = boxes.parse(answer.text)
        return Found(tuple(boxes.place(box, picture) for box in parsed.boxes), parsed.quirks)

    def save(self, found: Found, *, frame: int, quiet: bool) -> None:
        """Save that frame of the image with its boxes.

        Raises:
            SchemaError: there is no box.
        """
        from edge_med.imaging import boxes

        if not found.boxes:
            raise SchemaError(
                "The model gave no box, so nothing is saved.",
                "Name a structure that the image shows, such as: right clavicle",
            )
        boxes.save(self._image, found.boxes, self._target, frame=frame, force=self._force)
        if not quiet:
            click.echo(f"Saved: {safe_line(str(self._target))}", err=True)
