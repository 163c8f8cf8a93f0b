"""Texts that name an image: where a text is wanted, nobody would see it."""

from __future__ import annotations

import re
from pathlib import Path

from edge_med.imaging.files.addresses import from_url

ENDINGS = frozenset(
    (
        *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp", ".gif"),
        *(".jp2", ".j2k", ".jxl", ".avif", ".heic", ".heif", ".svs", ".ndpi"),
        *(".dcm", ".dicom", ".ima", ".nii", ".nii.gz", ".zip"),
    )
)
"""Of files that have images in them, read or not."""

BEGINS = re.compile(r"""~[\\/]|\.{1,2}[\\/]|[A-Za-z]:[\\/]|\\\\|file://|/[^/]+/""")
"""Beginnings of paths whose files may be missing."""

LONGEST = 4096
"""Characters of a path (Linux: PATH_MAX)."""

_LOCAL = re.compile(r"(?:file:/|data:[\w/+.;=-]*,)\S*", re.IGNORECASE)
_WEB = re.compile(r"https?://\S+", re.IGNORECASE)

_AT = re.compile(r"@[^\s@]+\.[A-Za-z]\w{1,11}")
"""A file's name as curl and others take it, for what is in the file."""

_SHARES = ("\\\\", "//")
"""How Windows' names of what other computers share begin."""

_AROUND = ".,;:!?()[]{}<>\"'"

_MODEL = ".gguf"
"""Records of answers name such a file, and no image is in it."""


def ends_like_image(word: str) -> bool:
    """Whether a word ends as the names of images' files do."""
    name = re.split(r"[\\/]", word)[-1].lower()
    return any(name.endswith(end) and len(name) > len(end) for end in ENDINGS)


def is_there(name: str) -> bool:
    """Whether there is a file of that name, or a folder, as of a CT.

    What can't be a name is none, nor is a folder at the very top: that may be meant as a command.
    """
    try:
        path = Path(name).expanduser()
        folder = path.is_dir() and not (path.is_absolute() and len(path.parts) < 3)
        return bool(name) and (folder or path.is_file())
    except (OSError, ValueError, RuntimeError):  # too long, with a NUL, of a user who isn't there
        return False


def is_near(name: str) -> bool:
    """The same without looking at another computer: a text is data, and asks for no connection."""
    return not name.startswith(_SHARES) and is_there(name)


def names_image(text: str) -> bool:
    """Whether a text is nothing but what an image may be given as: its file's path, its address.

    A word that is the name of a file, but has neither a dot nor a slash, is a word.
    """
    word = text.strip()
    if not word or len(word) > LONGEST or "\n" in word:
        return _LOCAL.fullmatch(word) is not None
    bare = word.strip(_AROUND)
    if " " not in word and ends_like_image(re.split("[?#]", bare)[0]):
        return True
    path = from_url(word)
    named = BEGINS.match(path) or Path(path).suffix.lower() not in ("", _MODEL)
    return _LOCAL.fullmatch(word) is not None or bool(named and is_near(path))


def is_name_alone(text: str) -> bool:
    """Whether a text says nothing: it is the name of a file or an address."""
    word = text.strip()
    alone = len(word) <= LONGEST and (_WEB.fullmatch(word) or _AT.fullmatch(word) or _is_file(word))
    return bool(alone) or names_image(text)


def _is_file(word: str) -> bool:
    try:
        return bool(word) and not word.startswith(_SHARES) and Path(word).is_file()
    except (OSError, ValueError):
        return False
