"""Texts that go into a prompt, such as a report: read, checked, and put before the question."""

from __future__ import annotations

import codecs
import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from edge_med.errors import InputError

MOST_BYTES = 4 << 20
"""Of a text: several times what MedGemma's 128K tokens of context hold in any language."""


_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""Marks by which a text says that it is UTF-16; Windows writes the first (Unicode 23.8)."""

_IMAGE = "Give it as an image: `image`."
_COPY = "Save it as plain text in UTF-8 (.txt)."
OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF-", "a PDF", "Take its text out, as with: pdftotext report.pdf report.txt"),
    (b"\x89PNG", "a PNG image", _IMAGE),
    (b"\xff\xd8\xff", "a JPEG image", _IMAGE),
    (b"GIF8", "a GIF image", _IMAGE),
    (b"II*\0", "a TIFF image", _IMAGE),
    (b"MM\0*", "a TIFF image", _IMAGE),
    (b"RIFF", "a RIFF file, as WebP images are", _IMAGE),
    (b"{\\rtf", "a rich text (RTF)", _COPY),
    (b"\xd0\xcf\x11\xe0", "a document of older Office programs (DOC)", _COPY),
    (b"PK\x03\x04", "a zip", "Unpack it, and give the text in it."),
    (b"\x1f\x8b", "packed with gzip", "Unpack it first, as with: gunzip report.txt.gz"),
)
"""Files that aren't plain text: their first bytes, their kind, and the hint."""

_OFFICE = ((b"word/", "a Word document (DOCX)"), (b"xl/", "an Excel sheet (XLSX)"))
"""What a zip is that has such a folder near its beginning (ECMA-376)."""

_DICOM = slice(128, 132)

_PROBED = 64
"""Bytes that are checked for zeros at every other place, as in UTF-16 of most languages."""


_UNSEEN = "\u115f\u1160\u2800\u3164\uffa0"
"""Fillers of Hangul and the blank of Braille: letters by their category, and nothing to be seen."""


def is_blank(text: str) -> bool:
    """Whether a text has nothing to read: only spaces, or marks that show nothing."""
    return all(unicodedata.category(one)[0] in "ZCM" or one in _UNSEEN for one in text)


def read(path: str | os.PathLike[str]) -> str:
    """A file's text; errors don't name it, since names of files are often patients'.

    Raises:
        InputError: it can't be read, is too long, or isn't a text in UTF-8 or marked UTF-16.
    """
    file = Path(path)
    try:
        if file.exists() and not file.is_file():  # a pipe or a device may never end
            raise InputError("The path of the text isn't a file's.", "Give the path of a file.")
        with file.open("rb") as opened:
            return decode(opened.read(MOST_BYTES + 1))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "Not a path"
        raise InputError(f"The text's file can't be read: {reason}.", "Check its path.") from None


def report(path: str | os.PathLike[str]) -> str:
    """The text of a file that somebody has just named, and that goes above a question.

    Raises:
        InputError: as `read`; or it has nothing to read in it, and is named.
    """
    text = read(path)
    if is_blank(text):
        raise InputError(
            f"{Path(path).name} is empty.", "Give a file with a text, or leave it out."
        )
    return text


def decode(data: bytes) -> str:
    """A text from its bytes, with line feeds for line ends.

    Raises:
        InputError: it is too long, or isn't a text in UTF-8, or in UTF-16 with a mark.
    """
    _check_kind(data)
    if len(data) > MOST_BYTES:
        raise InputError(
            f"The text has more than {MOST_BYTES >> 20} MiB.", "Give only the part that you need."
        )
    return _text(data).replace("\r\n", "\n")


def _check_kind(data: bytes) -> None:
    """Refuse what is known to be something else, by its first bytes."""
    for begin, what, hint in OTHERS:
        if data.startswith(begin):
            named = next((name for mark, name in _OFFICE if what == "a zip" and mark in data), None)
            raise InputError(
                f"The file is {named or what}, not plain text.", _COPY if named else hint
            )
    if data[_DICOM] == b"DICM":
        raise InputError("The file is a DICOM file, not plain text.", _IMAGE)


def _text(data: bytes) -> str:
    encoding = "utf-16" if data.startswith(_UTF16) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _undecodable(data, error) from None
    if "\0" in text:
        raise _zero(data)
    return text


def _zero(data: bytes) -> InputError:
    """The error of what has a byte in it that no text in UTF-8 has."""
    even, odd = (data[start:_PROBED:2].count(0) for start in (0, 1))
    if max(even, odd) > min(len(data), _PROBED) // 4:
        kind = "UTF-16BE" if even > odd else "UTF-16LE"
        return InputError(
            f"The text is in {kind} without a byte-order mark.",
            f"Convert it: iconv -f {kind} -t UTF-8 report.txt > report-utf8.txt",
        )
    return InputError(f"Byte {data.index(0) + 1} is zero: the file is no plain text.", _COPY)


def _undecodable(data: bytes, error: UnicodeDecodeError) -> InputError:
    if error.encoding != "utf-8":
        return InputError("The text has the mark of UTF-16, and isn't UTF-16.", _COPY)
    byte, place = data[error.start], error.start + 1
    return InputError(
        f"The text isn't UTF-8: byte {place} is {byte:#04x}. Likely encodings are Windows-1252 and "
        "Latin-1.",
        "Convert it: iconv -f WINDOWS-1252 -t UTF-8 report.txt > report-utf8.txt; or save it as a "
        ".txt file in UTF-8.",
    )


_NAME = "Document"
_BEGINS = (f"{_NAME}:\n", f"{_NAME} 1:\n")
"""How a text begins that has documents in it."""


def prepend(question: str, documents: Iterable[str]) -> str:
    """A question with documents before it, in one text, without their files' names."""
    texts = [text.strip() for text in documents]
    names = [_NAME] if len(texts) == 1 else [f"{_NAME} {n + 1}" for n in range(len(texts))]
    blocks = [f"{name}:\n{text}\n\n" for name, text in zip(names, texts, strict=True)]
    return "".join(blocks) + question


def question_of(text: str) -> str:
    """The question after a text's documents: its last block, as a document may have several."""
    return text.rpartition("\n\n")[2] if text.startswith(_BEGINS) else text


def prepend_facts(prompt: str, known: Iterable[str]) -> str:
    """A prompt after lines of facts about its images; empty lines are left out."""
    lines = [line for line in known if line]
    return "\n".join([*lines, "", prompt]) if lines else prompt
