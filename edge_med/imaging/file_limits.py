"""What a picture's file says around its pixels, and the limits that hold before any is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from edge_med.errors import ImageError

MAX_BYTES = 256 << 20
"""Of a file: an uncompressed photo of the most pixels."""

MAX_PIXELS = 89_478_485
"""Where Pillow begins to call a picture a decompression bomb: 256 MB of RGB. A chest X-ray has 12
million, a good camera's photo 50."""

MAX_SIDE = 20_000
"""Pixels. `pad` needs memory and time for a strip of the longer side."""

MAX_PARTS = 100_000
"""Chunks or segments of a file; its size allows for 32,768 of the 8 KiB that libpng writes."""

DAMAGED = "Copy the image again from its source, or save it again."


@dataclass(frozen=True, slots=True)
class Container:
    """A file that has been walked through, part by part.

    Attributes:
        kind: name of its format, or of its other source.
        data: bytes of the file without names, places, comments and profiles.
        orientation: orientation by EXIF, 1 to 8; None if its EXIF block can't be read.
        depth: number of bits of a channel.
        negative: whether zero is white and Pillow doesn't invert it.
        steps: descriptions of what was done up to here.
    """

    kind: str
    data: bytes
    orientation: int | None = 1
    depth: int = 8
    negative: bool = False
    steps: tuple[str, ...] = ()


def check_size(width: int, height: int) -> None:
    """Hold a picture's size against the limits.

    Raises:
        ImageError: it has no pixels, or too many.
    """
    if min(width, height) < 1:
        raise ImageError("The image has no pixels.", DAMAGED)
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise ImageError(
            f"The image is too large: {width} x {height} pixels.",
            f"Crop or shrink it: at most {MAX_SIDE:,} pixels a side and {MAX_PIXELS // 10**6} "
            "megapixels are allowed.",
        )


def check_bytes(size: int) -> None:
    """Hold a file's size against the limit.

    Raises:
        ImageError: it is too large.
    """
    if size > MAX_BYTES:
        raise ImageError(
            f"The image's file has more than {MAX_BYTES >> 20} MiB.",
            "Save it smaller, or as PNG. From a whole-slide image, export one region. DICOM "
            "may have any size where it is given by its own path.",
        )


def damaged(kind: str) -> ImageError:
    """A file that breaks the rules of its format."""
    return ImageError(f"The {kind} image is damaged.", DAMAGED)


def cut_off(kind: str) -> ImageError:
    """A file whose end is missing."""
    return ImageError(f"The end of the {kind} image is missing.", DAMAGED)


def several(kind: str) -> ImageError:
    """A file with pages or an animation."""
    return ImageError(
        f"The {kind} image holds several pictures.",
        "Save the one that you need as a separate file.",
    )
