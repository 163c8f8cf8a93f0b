"""`edge-med ask --save-box`: find something in an image, and draw it there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_med.artifacts.safe_text import safe_line
from edge_med.cli.render.wrapping import say
from edge_med.errors import SchemaError, UsageError

if TYPE_CHECKING:
    from edge_med.answers import Answer
    from edge_med.imaging import Picture, Study
    from edge_med.imaging.boxes import PixelBox
    from edge_med.imaging.volume.study import Origin


@dataclass(frozen=True, slots=True)
class FoundBoxes:
    """What was found.

    Attributes:
        boxes: boxes in pixels of the original.
        quirks: descriptions of what was repaired to read them.
        remarks: sentences for people: quirks, and boxes of something else.
    """

    boxes: tuple[PixelBox, ...]
    quirks: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """A line a box."""
        for box in self.boxes:
            across = f"x {box.x0:.0f} to {box.x1:.0f}"
            yield f"{safe_line(box.label)}: {across}, y {box.y0:.0f} to {box.y1:.0f}"


class Search:
    """A search in one image, whose result is saved."""

    def __init__(
        self,
        what: str,
        images: Sequence[Path | bytes],
        target: Path,
        force: bool,  # noqa: FBT001
    ) -> None:
        """Check what can be checked before the model is loaded.

        Raises:
            UsageError: it isn't one image, or the result can't be saved there.
            InputError: nothing is named that should be found, or there is no such folder.
        """
        from edge_med.imaging import boxes

        if len(images) != 1:
            raise UsageError(
                f"--save-box needs one image, but {len(images)} are given.",
                "Give one with --image.",
            )
        self.prompt = boxes.locate_prompt(what)
        self._what = what
        (self._image,) = images
        self._origin: Origin | None = None
        self._target, self._force = target, force
        boxes.check_target(self._image, target, force=force)

    def searched_image(self, images: Sequence[Picture | Study]) -> Picture:
        """The image that is searched, which may be one slice of a series.

        Raises:
            UsageError: there are several slices.
        """
        from edge_med import imaging

        (image,) = images
        if isinstance(image, imaging.Picture):
            return image
        if len(image.pictures) > 1:
            raise UsageError(
                f"--save-box needs one image, but there are {len(image.pictures)} slices.",
                "Choose one of them, as with --slices 12:12; or of a file's frames with --frame.",
            )
        (self._origin,) = image.origins
        return image.pictures[0]

    def boxes_of(self, answer: Answer, picture: Picture) -> FoundBoxes:
        """The boxes of an answer about the image as it was fitted."""
        from edge_med.imaging import boxes

        parsed = boxes.parse(answer.text)
        pixel_boxes = tuple(boxes.place(box, picture) for box in parsed.boxes)
        remarks = [f"In the model's answer: {quirk}." for quirk in parsed.remarks]
        other = boxes.other_than(self._what, parsed.boxes)
        return FoundBoxes(pixel_boxes, parsed.quirks, (*remarks, *filter(None, [other])))

    def save(self, found: FoundBoxes, settings: Mapping[str, Any], *, quiet: bool) -> None:
        """Save the slice or the frame that was searched, with its boxes.

        Args:
            found: boxes of the answer.
            settings: values of `frame` and `windows`, of `series_options`.
            quiet: whether nothing is said.

        Raises:
            SchemaError: there is no box.
        """
        from edge_med.imaging import boxes

        if not found.boxes:
            raise SchemaError(
                f"{boxes.NOTHING} No image is saved.",
                "Name a structure that the image shows, such as: right clavicle",
            )
        source, frame = self._origin or (self._image, settings["frame"] or 1)
        boxes.save(
            source,
            found.boxes,
            self._target,
            frame=frame,
            windows=settings["windows"],
            force=self._force,
        )
        if not quiet:
            say(f"Saved: {self._target}")
