"""The one door: whatever is given, it becomes pictures for the model, or an error says why not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
from PIL import Image

from edge_med.artifacts.vision_facts import MEDGEMMA_SIDE
from edge_med.config import Fit
from edge_med.errors import ImageError, UsageError
from edge_med.imaging.file_limits import check_bytes
from edge_med.imaging.files import addresses, bundle, image_files
from edge_med.imaging.files.sniff import HEAD, is_zip
from edge_med.imaging.fit import FITS
from edge_med.imaging.hu_windows import DEFAULT, windows
from edge_med.imaging.photo.photo import Photo, from_array, from_pillow, load_image
from edge_med.imaging.picture import Picture, fitted
from edge_med.imaging.readers.reader_table import reader_for
from edge_med.imaging.sandbox.pool import POOL, Reply
from edge_med.imaging.volume import study
from edge_med.imaging.volume.contents import Contents
from edge_med.imaging.volume.slice_budget import SliceBudget
from edge_med.imaging.volume.slice_order import ORDERS, Order
from edge_med.imaging.volume.slice_selection import as_text
from edge_med.imaging.volume.study import Study
from edge_med.imaging.volume.unused_options import no_series

Bytes = bytes | bytearray | memoryview
Encoded = (str, os.PathLike, bytes, bytearray, memoryview)
"""What a process decodes."""

Source = (
    Picture | str | os.PathLike[str] | Bytes | image_files.Readable | Image.Image | npt.NDArray[Any]
)
"""What can be opened as one picture: a file's path, its bytes or the open file; an image of
Pillow's, an array, a picture."""


@overload
def open(
    source: Source, *, fit: Fit = ..., side: int = ..., frame: int | None = ..., windows: str = ...
) -> Picture: ...


@overload
def open(
    source: Source | Study,
    *,
    fit: Fit = ...,
    side: int = ...,
    frame: int | None = ...,
    windows: str = ...,
    slices: str | int | Sequence[int] | None = ...,
    series: int | str | None = ...,
    order: Order = ...,
    room: SliceBudget = ...,
) -> Picture | Study: ...


def open(
    source: Source | Study,
    *,
    fit: Fit = "pad",
    side: int = MEDGEMMA_SIDE,
    frame: int | None = None,
    windows: str = DEFAULT,
    slices: str | int | Sequence[int] | None = None,
    series: int | str | None = None,
    order: Order = "numbers",
    room: SliceBudget = SliceBudget(),  # noqa: B008 - frozen
) -> Picture | Study:
    """Open a picture for the model, or, where slices are asked for, a series of them.

    Args:
        source: path of a file, its `file:` or `data:` URL or its base64; its bytes; the file, open
            for reading bytes; an image of Pillow's; an array of uint8 or uint16, grey, RGB or RGBA;
            a folder, a zip or a file with the slices of a CT or an MR; or a picture or study, which
            is returned as it is.
        fit: fit into the model's square.
        side: side of that square, in pixels.
        frame: frame of a DICOM file with several, from 1 on; None for the slices of a CT or an MR,
            if slices are asked for, and for the first frame otherwise.
        windows: HU windows of a CT: a name, or numbers (`edge_med.imaging.hu_windows`).
        slices: choice of a series' slices: `auto`, `all`, a number, `first:last:step`, or a list of
            them; None where one picture alone will do.
        series: number of one of several series, as `contents` gives it, such as 2 or "2.1"; None
            for the one that is taken if nobody chooses.
        order: order of its slices: `numbers`, as the machine numbered them where that runs through
            the body; or `position`, along their normal.
        room: budget for a series' slices.

    Returns:
        a study, if slices are asked for and there are several images, else a picture.

    Raises:
        ImageError: it can't be read as it is meant; it is never left out.
        UsageError: there is no such fit, side, window, order, series or slice.
        ContextOverflowError: the slices that were asked for don't fit.
    """
    several = slices is not None or series is not None
    if isinstance(source, Picture) or (isinstance(source, Study) and several):
        return source
    if fit not in FITS or side < 1:
        raise UsageError(f"'{fit}' to {side} pixels isn't a fit.", "Use pad or stretch, and 896.")
    check_windows(windows)
    check_order(order)
    job: dict[str, Any] = {"fit": fit, "side": side, "windows": windows}
    source = _given(source)
    if not isinstance(source, Encoded):
        return _in_memory(source, fit, side)
    entries, chosen = _entries(source), None if series is None else str(series)
    wanted = as_text("auto" if slices is None and several else slices)
    single = len(entries) == 1 and chosen in (None, "1")
    if single and (wanted is None or frame is not None or not reader_for(entries[0]).slices):
        return _decoded(entries[0], frame or 1, job)
    if chosen is not None and len(entries) == 1 and not reader_for(entries[0]).slices:
        raise no_series(chosen)
    if wanted is None or frame is not None:
        raise _several()
    found = study.describe_files(entries)
    if single and not found.is_volume and not entries.skipped:
        return _decoded(entries[0], 1, job)
    return study.read(entries, found, wanted=wanted, series=chosen, order=order, room=room, **job)


def contents(source: str | os.PathLike[str] | Bytes) -> Contents:
    """The series of a folder, a zip or a file, with the numbers by which `open` takes them.

    Raises:
        ImageError: it holds no DICOM image that can be read.
    """
    entries = _entries(_given(source))
    found = study.describe_files(entries)
    if len(entries) == 1 and not (found.slices or found.unread):  # it may say itself why not
        _decoded(entries[0], 1, {"fit": "pad", "side": 1, "windows": DEFAULT})
        raise ImageError(
            "It is a single picture, so it has no series.", "Give a folder, a zip or a DICOM file."
        )
    return study.contents_of(entries, found)


def open_all(
    sources: Sequence[Source | Study],
    *,
    slices: str | int | Sequence[int] = "auto",
    room: SliceBudget = SliceBudget(),  # noqa: B008 - frozen
    **how: Any,
) -> list[Picture | Study]:
    """Open several; with `auto` they share the tokens, and the first leaves the rest its part.

    Args:
        sources: images, as in `open`.
        slices: choice of slices of each series.
        room: budget for all of them.
        how: options `fit`, `side`, `frame`, `windows`, `series` and `order` of `open`; beside a
            folder or a zip, `series` isn't for single files.

    Raises:
        EdgeMedError: as `open`, of the first that can't be opened.
    """
    found: list[Picture | Study] = []
    of_files = {**how, "series": None} if any(map(_holds_several, sources)) else how
    check_windows(how.get("windows", DEFAULT))  # what is wrong with all isn't said of the first
    check_order(how.get("order", ORDERS[0]))
    for left, source in zip(range(len(sources), 0, -1), sources, strict=True):
        part = _part(room, found, left) if slices == "auto" else room
        options = how if _holds_several(source) else of_files
        try:
            found.append(open(source, slices=slices, room=part, **options))
        except (ImageError, UsageError) as error:
            if len(sources) == 1:
                raise
            which = f"It is image {len(found) + 1} of {len(sources)}."
            raise type(error)(f"{error.message} {which}", error.hint) from None
    return found


def _holds_several(source: object) -> bool:
    """Whether it is a folder or a zip; False too for what can't be read, which `open` will say."""
    if not isinstance(source, Encoded):
        return False
    try:
        file = _given(source)
        if isinstance(file, (str, os.PathLike)):
            return Path(file).is_dir() or is_zip(image_files.read(file, HEAD))
        return is_zip(bytes(file[:HEAD]))
    except (ImageError, OSError, ValueError):
        return False


def _part(room: SliceBudget, found: Sequence[Picture | Study], left: int) -> SliceBudget:
    """The room of the next of so many that are left."""
    if room.tokens is None:
        return room
    each = room.each
    used = sum(image.plan.tokens if isinstance(image, Study) else each for image in found)
    tokens = max(0, room.tokens - used) // left
    return replace(room, tokens=tokens, beside=room.beside + room.tokens - tokens)


def check_windows(name: str) -> None:
    """Refuse windows that there aren't, before anything is read."""
    windows(name)


def check_order(name: str) -> None:
    """Refuse an order that there isn't."""
    if name not in ORDERS:
        raise UsageError(f"There is no order {name!r}.", f"Use {' or '.join(ORDERS)}.")


def upright(source: Source, frame: int = 1, windows: str = DEFAULT) -> Image.Image:
    """The whole original in RGB, upright, before any fit; the rest is as in `open`."""
    source = _given(source)
    if not isinstance(source, Encoded):
        return _photo(source, "pad").image.convert("RGB")
    check_windows(windows)
    entries = _entries(source)
    if len(entries) > 1:
        raise _several()
    reply, (pixels,) = _run("upright", entries[0], frame, windows=windows)
    (facts,) = reply["pictures"]
    return Image.frombytes(facts["mode"], facts["size"], bytes(pixels)).convert("RGB")


def loaded(source: Any) -> Any:
    """An image of Pillow's as transformers' `load_image` makes it; all else as it is."""
    return load_image(source) if isinstance(source, Image.Image) else source


def _given(source: Any) -> Any:
    """What was given; of an open file and of a URL, its bytes."""
    if isinstance(source, (str, os.PathLike)):
        return addresses.resolve(source)
    if isinstance(source, Encoded) or not callable(getattr(source, "read", None)):
        return source
    return image_files.contents(source)


def _several() -> ImageError:
    return ImageError(
        "A frame is chosen in a single file, but this folder or zip holds several images.",
        "Give one of its files, or ask for `slices`.",
    )


def _in_memory(source: object, fit: Fit, side: int) -> Picture:
    photo = _photo(source, fit)
    pixels = np.asarray(FITS[fit](photo.image, side))
    return Picture(pixels, photo.image.size, fit, (*photo.steps, fitted(fit, side)))


def _photo(source: object, fit: Fit) -> Photo:
    """What needs no decoder."""
    match source:
        case Image.Image():
            return from_pillow(source, fit)
        case np.ndarray():
            return from_array(source)
    raise ImageError(
        f"A value of type {type(source).__name__} isn't an image.",
        "Give a path, a file's bytes, an open file, an image of Pillow's or an array.",
    )


def _decoded(entry: bundle.Entry, frame: int, job: dict[str, Any]) -> Picture:
    reply, (pixels,) = _run("prepare", entry, frame, **job)
    return Picture.from_reply(reply["pictures"][0], pixels, job["fit"], job["side"])


def _run(name: str, entry: bundle.Entry, frame: int, **job: Any) -> Reply:
    """Have a frame of a file decoded."""
    return POOL.run(name, [entry], kind=reader_for(entry).name, frames=[(0, frame - 1)], **job)


def _entries(source: str | os.PathLike[str] | Bytes) -> bundle.Entries:
    """The files of a folder or a zip, or the one file that is given."""
    entry = _entry(source)
    if isinstance(entry, bytes):
        return bundle.of_zip(entry) if is_zip(entry) else bundle.Entries([entry])
    path = Path(entry)
    if path.is_dir():
        return bundle.of_folder(path)
    return bundle.of_zip(path) if is_zip(image_files.read(path, HEAD)) else bundle.Entries([entry])


def _entry(source: str | os.PathLike[str] | Bytes) -> bundle.Entry:
    """A file's path, or its bytes within the limit."""
    if isinstance(source, (str, os.PathLike)):
        return str(image_files.check(source).absolute())
    check_bytes(len(source))
    return bytes(source)
