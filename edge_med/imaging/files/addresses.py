"""What a text stands for that is given as an image: a path, a `file:` or `data:` URL, or base64.

Whatever lies elsewhere is refused: nothing here opens a connection.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from pathlib import Path

from edge_med.errors import ImageError

OFFLINE = "edge-med works offline: it opens no connection"

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):/", re.IGNORECASE)
"""Of two letters or more: one is a drive of Windows. A `Path` has one slash left of two."""

_DATA = re.compile(r"data:([\w/+.;=-]*),", re.IGNORECASE)
"""RFC 2397."""

_FILE = re.compile(r"file:(?://(?:localhost)?)?(?=/(?!/))", re.IGNORECASE)
"""RFC 8089: the host is empty or this one."""

_BEFORE_DRIVE = re.compile(r"^/(?=[A-Za-z]:)")

_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")

_BASE64 = re.compile(r"(?!/(?!9j/))[A-Za-z0-9+/_\r\n-]{80,}={0,2}\s*")
"""Bytes without a name around them: the smallest PNG has 67 bytes, thus 92 letters. With a slash
first it is a path, or a JPEG, whose three first bytes are `/9j/`."""

_URL_SAFE = str.maketrans("-_", "+/")
"""RFC 4648, 5: the letters that Google's libraries write."""


def resolve(source: str | os.PathLike[str]) -> Path | bytes:
    """The path that a text names, or the bytes that it holds.

    Raises:
        ImageError: it names something that isn't here, nothing, or isn't base64.
    """
    text = os.fspath(source)
    if not text.strip():
        raise ImageError("The image's path is empty.", "Give the path of a file.")
    if os.path.lexists(text):
        return Path(text)
    if data := _DATA.match(text):
        if not isinstance(source, str):
            raise ImageError(
                "The image is a data: URL in a Path, which keeps one slash of two.",
                "Give it as a text.",
            )
        rest = text[data.end() :]
        return from_base64(rest) if data[1].lower().endswith(";base64") else unescaped(rest)
    path = from_url(text)
    if scheme := _SCHEME.match(path):
        raise ImageError(
            f"The image is at a {scheme[1]}: address, and {OFFLINE}.",
            "Save it, and give its path or its bytes.",
        )
    encoded = isinstance(source, str) and _BASE64.fullmatch(text)
    return from_base64(text) if encoded else Path(path)


def from_base64(text: str) -> bytes:
    """The bytes that base64 stands for, in either alphabet, with line breaks and padding or not.

    Raises:
        ImageError: it isn't base64.
    """
    letters = "".join(text.split()).rstrip("=").translate(_URL_SAFE)
    try:
        return base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ImageError(
            f"The image isn't base64: so many letters ({len(letters)}), or one of them, can't be.",
            "Give base64.b64encode(file).decode(), the file's bytes or its path.",
        ) from None


def from_url(text: str) -> str:
    """The path that a `file:` URL of this machine names; other texts stay as they are."""
    found = _FILE.match(text)
    if not found:
        return text
    path = unescaped(text[found.end() :]).decode(errors="replace")
    return _BEFORE_DRIVE.sub("", path)


def unescaped(text: str) -> bytes:
    """Without `%20` and the like."""
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), text.encode(errors="replace"))
