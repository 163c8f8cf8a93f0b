"""Files of pictures: read whole, within a limit, and never named in an error.

Names of files are often patients'.
"""

from __future__ import annotations

import inspect
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from edge_med.errors import ImageError
from edge_med.imaging.file_limits import MAX_BYTES, check_bytes

FilePath = str | os.PathLike[str]

_BUFFER = 1 << 16
"""Bytes that are read at a time of a file that is read in parts."""


class Readable(Protocol):
    """A file that is open for reading bytes, or something like one."""

    def read(self, size: int, /) -> bytes:
        """So many bytes at the most."""


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


@contextmanager
def opened(source: bytes | str) -> Iterator[BinaryIO]:
    """A file's bytes or its path, as a file that is read in parts, however large it is.

    Raises:
        ImageError: it is no file, or can't be read.
    """
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    path = check(source)
    if path.is_dir():
        raise ImageError("The image isn't a file.", "Give the path of a file.")
    try:
        with path.open("rb", _BUFFER) as file:
            made_up = not os.fstat(file.fileno()).st_size  # as in `read`
            yield io.BytesIO() if made_up else file
    except OSError as error:
        raise unreadable(error) from None


def contents(file: Readable) -> bytes:
    """All bytes of an open file, from its beginning where it can go back there.

    Raises:
        ImageError: it gives none, or too many.
    """
    if inspect.iscoroutinefunction(file.read):
        raise ImageError(
            "The image is a file that asyncio reads.",
            "Read it first: await it.read(); of an UploadFile give its .file.",
        )
    if getattr(file, "closed", False) is True:
        raise ImageError(
            "The image can't be read: its file is closed.", "Give it while it is open."
        )
    back: Any = getattr(file, "seek", None)
    try:
        if _for_writing(file):
            raise ImageError("The image's file isn't open for reading.", "Open it with 'rb'.")
        if back and getattr(file, "seekable", lambda: True)():
            back(0)
        data: object = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ImageError(
            f"The image's file can't be read: {reason}.", "Open it with 'rb', and give it again."
        ) from None
    if not isinstance(data, bytes):
        raise ImageError("The image's file doesn't give bytes.", "Open it with 'rb'.")
    check_bytes(len(data))
    return data


def _for_writing(file: Any) -> bool:
    """Whether a file can be written to and not be read; many that are like one say neither."""
    return hasattr(file, "readable") and not file.readable() and file.writable()


def unreadable(error: Exception) -> ImageError:
    """The text about a file that the system doesn't give."""
    reason = getattr(error, "strerror", None) or "Not a path"
    several = _SEVERAL.search(str(getattr(error, "filename", "")))
    hint = "Check its path; several images are given one by one." if several else "Check its path."
    return ImageError(f"The image can't be read: {reason}.", hint)


_SEVERAL = re.compile(r"[,;*?|]|\.\w{3,4}\s")
"""What a path has in it that stands for several: a list, or a pattern that no shell has read."""
