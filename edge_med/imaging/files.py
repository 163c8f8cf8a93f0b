"""Files of pictures: read whole, within a limit, and never named in an error.

Names of files are often patients'.
"""

from __future__ import annotations

import os
from pathlib import Path

from edge_med.errors import ImageError
from edge_med.imaging.container import MAX_BYTES, check_bytes

FilePath = str | os.PathLike[str]


def check(source: FilePath) -> Path:
    """A path that may be read from: a file or a folder, or nothing yet.

    Raises:
        ImageError: it is a pipe or a device, which may never end, or no path.
    """
    try:
        path = Path(source)
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise ImageError("The image isn't a file.", "Give the path of a file.")
    except (OSError, ValueError) as error:
        raise unreadable(error) from None
    return path


def read(source: FilePath, most: int | None = None) -> bytes:
    """A file's bytes, or so many of its first.

    Raises:
        ImageError: it is no file, can't be read, or is too large.
    """
    path = check(source)
    try:
        if path.is_dir():
            raise ImageError("The image isn't a file.", "Give the path of a file.")
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if not size:  # so are those that the system makes up, and some never end: /proc/kmsg
                return b""
            if most is None:
                check_bytes(size)
            return file.read(MAX_BYTES + 1 if most is None else most)
    except (OSError, ValueError) as error:
        raise unreadable(error) from None


def unreadable(error: Exception) -> ImageError:
    """What is said of a file that the system doesn't give."""
    reason = getattr(error, "strerror", None) or "Not a path"
    return ImageError(f"The image can't be read: {reason}.", "Check its path.")
