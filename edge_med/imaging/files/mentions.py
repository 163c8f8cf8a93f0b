"""What a text names that nobody opens: files, addresses, images in Markdown."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from edge_med.imaging.files.addresses import from_url
from edge_med.imaging.files.image_names import (
    BEGINS,
    ENDINGS,
    LONGEST,
    ends_like_image,
    is_near,
    is_there,
)

FILES = ENDINGS | {
    *(".nrrd", ".nhdr", ".mha", ".mhd", ".mgz", ".hdr", ".img", ".npy", ".npz", ".mp4", ".avi"),
    *(".7z", ".gz", ".tgz", ".tar", ".rar", ".gguf", ".safetensors"),
    *(".pdf", ".txt", ".json", ".jsonl", ".csv", ".doc", ".docx", ".xlsx", ".pptx", ".rtf"),
}
"""Endings of files that people have at hand, wherever they are named. `.md` isn't one: a doctor's
name may end so."""

PIECE = re.compile(r"""\s*("[^"\n]*"|'[^'\n]*'|(?:\\\s|\S)+)""")
"""A word, or several in quotes or with backslashes."""

ADDRESS = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+://\S+", re.IGNORECASE)

PUNCTUATION = ".,;:!?)]}>»”\"'`"

OPENING = "([{<«“\"'`@"
"""What stands before a name; many programs take `@` for one."""

_SHOWN = re.compile(
    r"!\[[^\[\]\n]*\]\(\s*<?([^)>\s]+)(?:[^)\n]{0,200}\))?|"
    r"<img\b[^<>\n]*?\bsrc\s*=\s*[\"']?([^\"'>\s]+)",
    re.IGNORECASE,
)
"""An image in Markdown or HTML, and its address; whatever is given, it is tried in a moment."""

_MOST_ENDS = 16
"""Blanks that are looked at for the end of a path with blanks in it."""


def bare(word: str) -> str:
    """Without brackets, quotes and the like around it."""
    return word.lstrip(OPENING).rstrip(PUNCTUATION)


def looks_like_file(word: str) -> bool:
    """Whether a word is meant as a file: by how it begins or ends, or since it is there."""
    path = Path(word)
    suffix, rest = path.suffix.lower(), path.stem.lower()
    named = suffix in FILES and bool(rest) and rest not in FILES  # `.nii.gz` names a format
    maybe = bool(suffix) or "/" in word
    return named or bool(BEGINS.match(word)) or (maybe and is_there(word))


def mentioned(text: str) -> Iterator[str]:
    """What a text names, and isn't opened: files that are there, `file:` and images' addresses.

    A text of several lines was pasted, and may name what it likes within a line; a line that is
    nothing but a name was meant as what it names.
    """
    lines = text.strip().splitlines()
    if len(lines) == 1:
        yield from (from_url(found[1] or found[2]) for found in _SHOWN.finditer(text))
        named: Iterator[str] = _names(lines[0])
    else:
        named = (bare(_SHOWN.sub(r"\1\2", line.strip())) for line in lines if len(line) < LONGEST)
    yield from (from_url(word) for word in named if _is_unopened(word))


def _names(line: str) -> Iterator[str]:
    """The words of a line, and paths with blanks in them."""
    for piece in PIECE.finditer(line):
        yield (word := bare(piece[1]))
        if not BEGINS.match(word) or is_near(word):
            continue
        rest = line[piece.end() - len(piece[1].lstrip(OPENING)) :][:LONGEST]
        ends = itertools.islice(re.finditer(r"\s|$", rest), 1, _MOST_ENDS + 1)
        yield from (bare(rest[: end.start()]) for end in ends)


def _is_unopened(word: str) -> bool:
    if ADDRESS.match(word):
        return " " not in word and ends_like_image(re.split("[?#]", word)[0])
    if word.lower().startswith("file:/"):
        return " " not in word
    return bool(Path(word).suffix or "/" in word or "\\" in word) and is_near(word)
