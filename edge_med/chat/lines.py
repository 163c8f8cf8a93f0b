"""What was entered: files, a question, or both. What looks like a file is no question."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from edge_med.chat import dropped
from edge_med.errors import UsageError
from edge_med.imaging.naming import BEGINS, ENDINGS, LONGEST, is_there

_LEAVING = ("exit", "quit", "bye", "goodbye", "leave", "logout", "log out", "eof", "wq")
_HELP = ("help", "help me", "h")
_WORDS = {**dict.fromkeys(_LEAVING, "/quit"), **dict.fromkeys(_HELP, "/help")}
_WRITTEN = {
    ":q": "/quit",
    ":q!": "/quit",
    ":x": "/quit",
    "^d": "/quit",
    "^z": "/quit",
    "?": "/help",
}
"""Lines that other programs take for commands, as those that they stand for here: by their words,
and as they are written."""

_STOPPING = frozenset(("stop", "cancel", "abort"))
"""Words that may mean an answer, or the chat: leaving would lose what isn't saved."""

_SHELL = re.compile(r"(?:[$>%#]\s*)?(?:python3?\s+-m\s+)?edge[-_]med(?=\s|$)", re.IGNORECASE)
"""How a line begins that was meant for the shell."""

_ENDINGS = ENDINGS | {
    *(".nrrd", ".nhdr", ".mha", ".mhd", ".mgz", ".hdr", ".img", ".npy", ".npz", ".mp4", ".avi"),
    *(".7z", ".gz", ".tgz", ".tar", ".rar", ".gguf", ".safetensors"),
    *(".pdf", ".txt", ".json", ".jsonl", ".csv", ".doc", ".docx", ".xlsx", ".pptx", ".rtf"),
}
"""Of files that people have at hand, wherever they are named. `.md` isn't one: a doctor's name may
end so."""

_ENDING = re.compile(r"(?!(?:[A-Z]\.|(?:[A-Za-z]\.){2,})[A-Za-z]+$).+\.[A-Za-z][A-Za-z0-9]{1,11}")
"""A word that is nothing but a file's name with any ending; `b.i.d`, `3.5mg`, `E.coli` and
`v.a.Pneumonie` are none."""

_NUMBERED = re.compile(r"DICOMDIR|[A-Za-z_-]*0\d{3,}|[A-Za-z_-]+\d{5,}")
"""Names that scanners, cameras and DICOM's media give; `HER2` and `BRCA1` are none."""

TEXTS = frozenset((".txt", ".text", ".md", ".csv"))
"""Endings of files that are dropped as texts; everything else is taken for an image."""

_ADDRESS = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+://\S+", re.IGNORECASE)

_PIECE = re.compile(r"""\s*("[^"\n]*"|'[^'\n]*'|(?:\\\s|\S)+)""")
"""A word, or what is held together by quotes or backslashes."""

_PUNCTUATION = ".,;:!?)]}>»”\"'`"

_OPENING = "([{<«“\"'`"


def files_and_question(line: str) -> tuple[list[Path], str]:
    """The files that stand before or after a question, and the question.

    Raises:
        UsageError: what looks like a file or an address stands elsewhere, or isn't there.
    """
    line = line.strip()
    for names in ([line], dropped.split(line)):
        if (
            names
            and all(map(is_there, names))
            and (len(names) == 1 or all(map(looks_like_file, names)))
        ):
            return [Path(name).expanduser() for name in names], ""
    before, rest = _leading(line)
    after, question = _last(rest)
    refuse_names(question)
    return [*before, *after], question


def meant(line: str) -> str:
    """The command that a word for leaving or for help stands for; empty if a line is none."""
    return _WRITTEN.get(line.strip().lower()) or _WORDS.get(_bare(line), "")


def refuse_command(line: str) -> None:
    """Refuse what other places take for a command, and what may have been meant here as one.

    Raises:
        UsageError: it is one.
    """
    if _bare(line) in _STOPPING or line.lower() == "^c":
        raise UsageError(
            f"{line} is no question.",
            f"Ctrl-C stops an answer, /quit leaves. To ask it all the same: // {line}",
        )
    if _SHELL.match(line) and "\n" not in line:
        raise UsageError(
            "That is a command for the shell, and this is the chat.",
            f"/quit leaves, /help lists the chat's. To ask it: // {line}",
        )


def _bare(line: str) -> str:
    """Without case, and without brackets, quotes and the like around it."""
    return line.strip().lower().strip(f"{_OPENING}{_PUNCTUATION}-")


def is_name(line: str) -> bool:
    """Whether a line is nothing but names of files, which needn't be there."""
    words = [piece[1].lstrip(_OPENING).rstrip(_PUNCTUATION) for piece in _PIECE.finditer(line)]
    return bool(words) and all(map(_is_name, words))


def _is_name(word: str) -> bool:
    if looks_like_file(word) or _ENDING.fullmatch(word) or _NUMBERED.fullmatch(word):
        return True
    first, slash, rest = word.replace("\\", "/").partition("/")
    return bool(first and slash and rest) and is_there(first)


def looks_like_file(word: str) -> bool:
    """Whether a word is meant as a file: by how it begins or ends, or since it is there."""
    suffix = Path(word).suffix.lower()
    named = suffix in _ENDINGS and len(Path(word).name) > len(suffix)
    maybe = bool(suffix) or "/" in word
    return named or bool(BEGINS.match(word)) or (maybe and is_there(word))


def _leading(line: str) -> tuple[list[Path], str]:
    """The files at the beginning of a line, and what comes after them."""
    paths: list[Path] = []
    while found := _first(line):
        path, line = found
        paths.append(path)
    return paths, line.strip()


def _first(line: str) -> tuple[Path, str] | None:
    """The file that a line begins with: the longest one, as names may have blanks."""
    piece = _PIECE.match(line)
    if piece is None or not (words := dropped.split(piece[1])):
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
    pieces = list(_PIECE.finditer(line[-LONGEST:]))
    if len(pieces) < 2:
        return [], line
    last = pieces[-1]
    words = dropped.split(last[1].rstrip(_PUNCTUATION)) or [""]
    for word in (*words[:1], *dropped.split(last[1])[:1]):
        if looks_like_file(word) and is_there(word):
            return [Path(word).expanduser()], line[: len(line) - len(last[0])].strip()
    return [], line


def refuse_names(
    question: str, shown: str = "/image", *, there: bool = False, given: Collection[str] = ()
) -> None:
    """Refuse a question that names a file: its answer would be about nothing.

    A text of several lines was pasted, and may name what it likes.

    Args:
        question: of one line.
        shown: what an image is given by.
        there: whether files that there aren't may be named.
        given: names of files that are shown with it, and may be spoken of.

    Raises:
        UsageError: that.
    """
    if "\n" in question:
        return
    alone, named = len(question.split()) == 1, is_name(question)
    for piece in _PIECE.finditer(question):
        word = piece[1].lstrip(_OPENING).rstrip(_PUNCTUATION)
        if _ADDRESS.fullmatch(word) and (alone or looks_like_file(word)):
            raise UsageError(
                f"{word} isn't opened: edge-med is offline.",
                f"Save the picture, and give its path: {shown} chest.png",
            )
        if _ADDRESS.match(word) or Path(word).name in given:
            continue
        if not (named or looks_like_file(word)):
            continue
        if is_there(word) or not there:
            raise _named(word, shown)


def _named(word: str, shown: str) -> UsageError:
    if is_there(word):
        if Path(word).suffix.lower() in {*TEXTS, ".json"}:
            shown = shown.replace("image", "file")
        return UsageError(
            f"{word} stands within the question, where it isn't opened.",
            f"Give it first: {shown} {word}",
        )
    return UsageError(
        f"There is no file {word}.",
        "Check its path. A question that names a file has two slashes and a blank before it: // …",
    )
