"""Images, and files that may hold some, that stand in a text as base64, hex or numbers."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

_MARKS = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"II*\0", b"MM\0*"),
    *(b"II+\0", b"MM\0+", b"\0\0\0\x0cjP  \r\n\x87\n", b"\xffO\xffQ", b"\0\0\0\x0cJXL \r\n\x87\n"),
    *(b"PK\x03\x04", b"\x1f\x8b\x08", b"%PDF-"),
)
"""How files begin: PNG, JPEG, GIF, WebP, TIFF, BigTIFF, JPEG 2000, its codestream, JPEG XL, zip,
gzip, and PDF."""

_LETTER = "[A-Za-z0-9+/_-]"
_APART = r"(?:[\s:;,-]|0x|\\x)*"
"""Between bytes in hex, as programs and their sources write them."""


def _in_base64(mark: bytes) -> str:
    """A mark's letters, of either alphabet, in groups or not: those that no later byte changes."""
    return _grouped(base64.b64encode(mark).decode()[: len(mark) * 8 // 6])


def _grouped(letters: str) -> str:
    kinds = {"+": "[+-]", "/": "[/_]", "?": _LETTER}
    return r"\s*".join(kinds.get(letter, letter) for letter in letters)


def _in_hex(mark: bytes) -> str:
    return _APART.join(f"0?{byte:x}" if byte < 16 else f"{byte:x}" for byte in mark)


def _in_numbers(mark: bytes) -> str:
    return r"[\s,]+".join(str(byte) for byte in mark)


def _any(encode: Callable[[bytes], str]) -> str:
    return "|".join(map(encode, _MARKS))


_BMP = f"Qk[0-3]{_LETTER}{{5}}AAAAA[A-P]{_LETTER}{{2}}AA[A-D]{_LETTER}AAA"
"""By its mark, its four reserved bytes of zero, and a header of less than 256 bytes."""

_BOX = _grouped("AAAA??Z0eXB")
"""AVIF, HEIC and films begin with the length of a box of the type `ftyp` (ISO/IEC 14496-12)."""

_JXL = f"[/_]wo{_LETTER}{{200}}"
"""JPEG XL without a box has two bytes to be known by, and paths may begin as they do."""

_HEADLESS = (
    f"(?:AgA|CAA){_LETTER}A(?:[EF]{_LETTER}{{2}}|{_LETTER}{{2}}AAA)"
    f"(?={_LETTER}{{0,40}}[a-z])(?={_LETTER}{{0,60}}[0-9]){_LETTER}{{32}}"
)
"""DICOM without a preamble: an element of group 2 or 8 in little endian, with its representation or
a short length (PS3.5 7.1). Sequences of DNA and proteins have capital letters alone."""

_ENCODED = re.compile(
    rf"(?<!{_LETTER})(?:(?:{_any(_in_base64)}|{_BOX})(?:\s*{_LETTER}){{32}}"
    rf"|{_BMP}|{_JXL}|{_HEADLESS})"
)

_HEX = re.compile(
    rf"(?<![0-9a-f])(?:{_any(_in_hex)}|000000..{_APART}66747970|(?:00){{16,128}}4449434d)"
    rf"(?:{_APART}(?:[0-9a-f]{{2}}|(?<=x)[0-9a-f]\b)){{30}}",
    re.IGNORECASE,
)
"""With more bytes behind a mark of three than SHA-256 has."""

_NUMBERS = re.compile(rf"(?<![0-9])(?:{_any(_in_numbers)})(?:[\s,]+[0-9]{{1,3}}\b){{32}}")

_ESCAPED = re.compile(r"(?:\\x[0-9a-fA-F]{2}[^\\]{0,8}(?:\\[^x])*){16}")
"""Bytes as Python shows them."""

_DATA = re.compile(
    r"data:(?:image/[\w.+-]+|application/(?:dicom|zip|x-zip|gzip|x-gzip|pdf|octet-stream)[\w.+-]*)?"
    r"(?:;[\w.+=-]+)*(?:;base64,|,(?=[%<]))",
    re.IGNORECASE,
)

_DICOM = re.compile(r"[BFJNRVZdhlptx159]ESUNN")
"""The end of a preamble's last byte, and `DICM` (PS3.10 7.1), in base64."""

_PREAMBLE = re.compile(f"{_LETTER}{{170}}$")
"""The letters of the 127 bytes before."""

_WRITTEN = ((re.compile(r"\\/|%2f", re.IGNORECASE), "/"), (re.compile("%2b", re.IGNORECASE), "+"))
_BREAKS = re.compile(r"\\[nrt]")
"""How JSON and addresses write what base64 has."""


def holds_image(text: str) -> bool:
    """Whether an image, or a file that may hold some, stands in a text as letters."""
    for written, meant in _WRITTEN:
        text = written.sub(meant, text)
    broken = _BREAKS.sub(" ", text)
    return (
        any(kind.search(text) for kind in (_DATA, _HEX, _NUMBERS, _ESCAPED))
        or bool(_ENCODED.search(broken))
        or any(
            _PREAMBLE.search("".join(broken[max(0, found.start() - 190) : found.start()].split()))
            for found in _DICOM.finditer(broken)
        )
    )
