"""How images are opened: the flags of the same names, behind `/image` and `/load`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from edge_med.chat.dropped_paths import split
from edge_med.errors import UsageError
from edge_med.imaging import Picture, Study
from edge_med.imaging.files.image_names import is_there
from edge_med.imaging.hu_windows import DEFAULT
from edge_med.imaging.volume.slice_order import Order

_FLAG = re.compile(
    r"""\s+--(slices|windows|frame|tags|series|order)(?:[\s=]+(["']?)([^\s"']+)\2)?\s*$"""
)


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """How images are opened.

    Attributes:
        slices: choice of slices of a series.
        windows: HU windows of a CT.
        frame: frame of a DICOM file with several.
        tags: whether the prompt names modality, body part and view.
        series: number of the series, if there are several.
        order: order of a series' slices.
    """

    slices: str = "auto"
    windows: str = DEFAULT
    frame: int | None = None
    tags: bool = False
    series: str | None = None
    order: Order = "numbers"

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """The options among a command's flags, by name."""
        return cls(**{field.name: settings[field.name] for field in fields(cls)})

    @property
    def open_arguments(self) -> dict[str, Any]:
        """What `imaging.open` takes of it."""
        opened = ("slices", "windows", "frame", "series", "order")
        return {name: getattr(self, name) for name in opened}


@dataclass(frozen=True, slots=True)
class PictureOrigin:
    """Where a picture is from.

    Attributes:
        file: path of the file, or its bytes.
        frame: frame of the file, from 1 on.
        windows: HU windows of a CT.
        name: name of what the user gave.
    """

    file: Path | bytes | str
    frame: int
    windows: str
    name: str


class PictureOrigins:
    """Where pictures are from; of one opened elsewhere, where its pixels were seen last."""

    def __init__(self) -> None:
        self._own: dict[
            int, tuple[Picture, PictureOrigin]
        ] = {}  # a picture that is kept keeps its id
        self._seen: dict[str, PictureOrigin] = {}

    def add(self, path: Path | bytes, image: Picture | Study, image_options: ImageOptions) -> None:
        """Note each picture of an image that was opened."""
        name = path.name or str(path) if isinstance(path, Path) else ""
        if isinstance(image, Picture):
            file = path.absolute() if isinstance(path, Path) else path
            self._note(
                image, PictureOrigin(file, image_options.frame or 1, image_options.windows, name)
            )
            return
        for picture, (origin, frame) in zip(image.pictures, image.origins, strict=True):
            self._note(picture, PictureOrigin(origin, frame, image_options.windows, name))

    def _note(self, picture: Picture, source: PictureOrigin) -> None:
        self._own[id(picture)] = picture, source
        self._seen[picture.sha256] = source

    def of(self, picture: Picture) -> PictureOrigin | None:
        """The origin of a picture; None if not known."""
        _, source = self._own.get(id(picture), (picture, None))
        return source or self._seen.get(picture.sha256)


def with_flags(argument: str, usual: ImageOptions) -> tuple[str, ImageOptions]:
    """The text before the flags at an argument's end, and the options by these flags.

    Args:
        argument: argument of a command; the name of an existing file is never split.
        usual: options without flags.

    Raises:
        UsageError: a flag isn't at the end, isn't known, or has no valid value.
    """
    options: dict[str, Any] = {}
    while not is_there(argument) and (found := _FLAG.search(argument)):
        name, value = found[1], found[3]
        if name in options or (value is None) != (name == "tags"):
            break
        options[name] = _value(name, value)
        argument = argument[: found.start()]
    parts = [] if is_there(argument) else split(argument)
    if wrong := [part for part in parts if part.startswith("--") and not is_there(part)]:
        raise UsageError(
            f"{wrong[0]} isn't a flag of this command, is before the path, or has no value.",
            "Put flags last, as in: /image ct-folder --slices 2:10:2 --windows brain",
        )
    return argument, replace(usual, **options)


def _value(name: str, value: str | None) -> str | int | bool:
    """What a flag asks for."""
    if name == "tags":
        return True
    assert value is not None
    if name != "frame":
        return value
    if not value.isdecimal() or int(value) < 1:
        raise UsageError(
            f"--frame must be a whole number of 1 or more, not {value}.", "As in: --frame 3"
        )
    return int(value)
