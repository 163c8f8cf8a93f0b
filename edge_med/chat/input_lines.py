"""What was entered: files, a question, or both. What looks like a file isn't a question."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from edge_med.chat import dropped_paths
from edge_med.errors import UsageError
from edge_med.imaging.files.image_names import BEGINS, LONGEST, is_there
from edge_med.imaging.files.mentions import (
    ADDRESS,
    PIECE,
    PUNCTUATION,
    bare,
    looks_like_file,
    mentioned,
)

_ENDING = re.compile(r"(?!(?:[A-Z]\.|(?:[A-Za-z]\.){2,})[A-Za-z]+$).+\.[A-Za-z][A-Za-z0-9]{1,11}")
"""A word that is nothing but a file's name with any ending; `b.i.d`, `3.5mg`, `E.coli` and
`v.a.Pneumonie` are none."""

_NUMBERED = re.compile(r"DICOMDIR|[A-Za-z_-]*0\d{3,}|[A-Za-z_-]+\d{5,}")
"""Names that scanners, cameras and DICOM's media give; `HER2` and `BRCA1` are none."""

_UID = re.compile(r"(?:[A-Za-z]{1,4}\.)?[0-2](?:\.\d+){4,}")
"""A unique identifier of DICOM's (PS3.5 9), by which archives name files."""

_NESTED = re.compile(r"(?=.*[A-Za-z])[\w.-]+(?:/[\w.-]+){2,}/?")
"""A path of three names or more, if it is alone; with a question mark it may be words."""

TEXTS = frozenset((".txt", ".text", ".md", ".csv"))
"""Endings of files that are dropped as texts; everything else is taken for an image."""

_SHOWING = frozenset(
    (
        *("add", "attach", "display", "file", "files", "here", "image", "images", "import", "load"),
        *("look", "open", "please", "see", "send", "show", "use", "view", "öffne", "zeig", "zeige"),
        *("a", "and", "at", "e", "et", "in", "is", "my", "o", "oder", "on", "or", "ou", "the"),
        *("this", "to", "u", "und", "vs", "with", "y"),
    )
)
"""Words next to files that ask nothing: the files are shown, and the question comes."""

_FLAG = re.compile(r"(?:^|\s)(--(?!(?:images?|files?)$)[a-z][\w-]*)")
"""A flag, which isn't read here; but `--image` before a file says no more than `image`."""

_PAGE = re.compile(r"[a-z]+://[^/\s]+/\S", re.IGNORECASE)
"""An address that names more than a host."""


def files_and_question(line: str) -> tuple[list[Path], str]:
    """The files before or after a question, and the question.

    Raises:
        UsageError: something like a file or an address is elsewhere, or doesn't exist.
    """
    line = line.strip()
    for names in ([line], dropped_paths.split(line)):
        if (
            names
            and all(map(is_there, names))
            and (len(names) == 1 or all(map(looks_like_file, names)))
        ):
            return [Path(name).expanduser() for name in names], ""
    before, rest = _leading(line)
    after, question = _last(rest)
    refuse_names(question)
    files = [*before, *after]
    return files, question if not files or _asks(question) else ""


def _asks(question: str) -> bool:
    """Whether more than a verb or an `and` is left besides files.

    Raises:
        UsageError: a flag is.
    """
    if flag := _FLAG.search(question):
        raise UsageError(
            f"{flag[1]} is next to a file without a command, so it isn't read.",
            "Put flags at the end of a command, as in: /image ct-folder --slices 2:10:2",
        )
    words = re.findall(r"[^\W_]+", question.lower())
    return not _SHOWING.issuperset(words)


def is_name(line: str) -> bool:
    """Whether a line has only names of files, existing or not."""
    words = [bare(piece[1]) for piece in PIECE.finditer(line)]
    nested = _NESTED.fullmatch(line.strip()) is not None
    return nested or (bool(words) and all(map(_is_name, words)))


def _is_name(word: str) -> bool:
    if looks_like_file(word) or any(kind.fullmatch(word) for kind in (_ENDING, _NUMBERED, _UID)):
        return True
    first, slash, rest = word.replace("\\", "/").partition("/")
    return bool(first and slash and rest) and is_there(first)


def _leading(line: str) -> tuple[list[Path], str]:
    """The files at the beginning of a line, and what comes after them."""
    paths: list[Path] = []
    while found := _first(line):
        path, line = found
        paths.append(path)
    return paths, line.strip()


def _first(line: str) -> tuple[Path, str] | None:
    """The file that a line begins with: the longest one, as names may have blanks."""
    piece = PIECE.match(line)
    if piece is None or not (words := dropped_paths.split(piece[1])):
        return None
    if is_there(words[0]) and (looks_like_file(words[0]) or piece.end() == len(line)):
        return Path(words[0]).expanduser(), line[piece.end() :]
    if not looks_like_file(words[0]) and not BEGINS.match(line):
        return None
    ends = [found.start() for found in re.finditer(r"\s", line[:LONGEST])]
    for end in reversed(ends):
        if looks_like_file(name := line[:end].strip()) and is_there(name):
            return Path(name).expanduser(), line[end:]
    return None


def _last(line: str) -> tuple[list[Path], str]:
    """The file at the end of a line, if there is one, and what comes before it."""
    pieces = list(PIECE.finditer(line[-LONGEST:]))
    if len(pieces) < 2:
        return [], line
    last = pieces[-1]
    words = dropped_paths.split(last[1].rstrip(PUNCTUATION)) or [""]
    for word in (*words[:1], *dropped_paths.split(last[1])[:1]):
        if looks_like_file(word) and is_there(word):
            return [Path(word).expanduser()], line[: len(line) - len(last[0])].strip()
    return [], line


def refuse_names(
    question: str, shown: str = "/image", *, there: bool = False, given: Collection[str] = ()
) -> None:
    """Refuse a question that names a file: its answer would be about nothing.

    A text of several lines was pasted, and may name what it likes, but for whole lines.

    Args:
        question: text of one line.
        shown: command or flag that gives an image.
        there: whether files that don't exist may be named, and pages at the ends.
        given: names of files that are sent with it, which the question may name.

    Raises:
        UsageError: that.
    """
    for word in mentioned(question):
        if ADDRESS.match(word) or Path(word).name not in given:
            raise _named(word, shown)
    if "\n" in question:
        return
    words, named = [piece[1] for piece in PIECE.finditer(question)], is_name(question)
    for place, written in enumerate(words):
        word = bare(written)
        if ADDRESS.match(word):
            at_an_end = place in (0, len(words) - 1) and _PAGE.match(word) and not there
            wrong = bool(at_an_end) or len(words) == 1
        else:
            is_file = (named or looks_like_file(word)) and Path(word).name not in given
            wrong = is_file and (not there or written.startswith("@") or is_there(word))
        if wrong:
            raise _named(word, shown)


def _named(word: str, shown: str) -> UsageError:
    if ADDRESS.match(word):
        return UsageError(
            f"{word} can't be opened: edge-med works offline.",
            f"Save the image, and give its path: {shown} chest.png",
        )
    if is_there(word):
        if Path(word).suffix.lower() in {*TEXTS, ".json"}:
            shown = shown.replace("image", "file")
        return UsageError(
            f"{word} is inside the question, so it isn't opened.",
            f"Give it first: {shown} {word}",
        )
    slashes = " To ask it anyway, begin the question with two slashes and a space: // …"
    return UsageError(
        f"There is no file {word}.", f"Check its path.{slashes if shown == '/image' else ''}"
    )
