"""Texts that go into a prompt, such as a report: read, checked, and put before the question."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from edge_med.errors import InputError

MOST_BYTES = 4 << 20
"""Of a text: several times what MedGemma's 128K tokens of context hold in any language."""


def read(path: str | os.PathLike[str]) -> str:
    """A file's text; errors don't name it, since names of files are often patients'.

    Raises:
        InputError: it can't be read, is too long, or isn't a text in UTF-8.
    """
    file = Path(path)
    try:
        if file.exists() and not file.is_file():  # a pipe or a device may never end
            raise InputError("The text isn't in a file.", "Give the path of a file.")
        with file.open("rb") as opened:
            return decode(opened.read(MOST_BYTES + 1))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "Not a path"
        raise InputError(f"The text's file can't be read: {reason}.", "Check its path.") from None


def decode(data: bytes) -> str:
    """A text from its bytes, with line feeds for line ends.

    Raises:
        InputError: it is too long, or isn't a text in UTF-8.
    """
    if len(data) > MOST_BYTES:
        raise InputError(
            f"The text has more than {MOST_BYTES >> 20} MiB.", "Give the part that matters."
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise InputError("The text isn't plain text in UTF-8.", "Save it as a .txt file in UTF-8.")
    return text.replace("\r\n", "\n")


def above(question: str, documents: Iterable[str]) -> str:
    """A question with documents before it, in one text; what their files are called isn't in it."""
    texts = [text.strip() for text in documents]
    names = ["Document"] if len(texts) == 1 else [f"Document {n + 1}" for n in range(len(texts))]
    blocks = [f"{name}:\n{text}\n\n" for name, text in zip(names, texts, strict=True)]
    return "".join(blocks) + question
