"""Real strings out of named, licensed packages, each in a version that never changes.

`gather` installs them into a folder of its own and picks evenly, so that the same strings come out
whoever runs it. Only `special` strings are ours: those that a tokenizer may treat in its own way.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import json
import re
import runpy
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

LONGEST = 160  # bytes of UTF-8, so that the golden file stays small

Reader = Callable[[Path], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Source:
    """A package: its version, its licence, and where it keeps the notices that must go along."""

    version: str
    licence: str
    notices: tuple[str, ...]


SOURCES = {
    "django": Source("5.2.19", "BSD-3-Clause", ("django-*/licenses/LICENSE",)),
    "pydicom": Source("3.0.2", "MIT", ("pydicom-*/licenses/LICENSE",)),
    "simple-icd-10-cm": Source(
        "1.5.0",
        "MIT; ICD-10-CM itself is published by the CDC, an agency of the United States",
        ("simple_icd_10_cm-*/licenses/LICENSE",),
    ),
    "emoji": Source("2.16.0", "BSD-3-Clause", ("emoji-*/licenses/LICENSE.txt",)),
    "babel": Source(
        "2.18.0",
        "BSD-3-Clause; the CLDR data are under Unicode-3.0",
        ("babel-*/licenses/LICENSE", "babel/locale-data/LICENSE.unicode"),
    ),
    "pint": Source("0.25.3", "BSD-3-Clause", ("pint-*/licenses/LICENSE",)),
    "tzdata": Source(
        "2026.6",
        "Apache-2.0; zone1970.tab says that it is in the public domain",
        ("tzdata-*/licenses/LICENSE",),
    ),
}

OTHER_LANGUAGES = """
bn cs de el es fa fi fr he hi hu hy id it ja ka km ko my pl pt_BR ru sw ta th tr uk vi
"""
LANGUAGES = {"zh_Hans": 110, "zh_Hant": 20, "ar": 110, **dict.fromkeys(OTHER_LANGUAGES.split(), 20)}
"""Django's names of languages, and how many strings of each."""

LOCALES = ("en_US", "de_DE", "fr_FR", "zh_CN", "ja_JP", "ar_EG", "fa_IR", "hi_IN", "ru_RU", "sv_SE")
EMOJI_NAMES = ("en", "zh", "ar", "ja", "ko", "ru", "tr", "fa")


def gather(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Kind, source and text of every string; the packages are installed into the folder."""
    pins = [f"{name}=={source.version}" for name, source in SOURCES.items()]
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*install, str(folder), *pins], check=True)
    for kind, source, count, reader in _rows():
        for text in spread(reader(folder), count):
            yield kind, source, text


def notices(folder: Path) -> str:
    """The copyright notices and licences of the installed packages, as these give them."""
    parts = []
    for name, source in SOURCES.items():
        for pattern in source.notices:
            (path,) = folder.glob(pattern.replace("-*/", f"-{source.version}.dist-info/"))
            parts.append(f"{name} {source.version}\n\n{path.read_text('utf-8').strip()}\n")
    return f"\n{'-' * 80}\n\n".join(parts)


def spread(texts: Iterable[str], count: int) -> list[str]:
    """So many different texts, evenly out of all that aren't too long."""
    usable = [t for t in dict.fromkeys(texts) if 0 < len(t.encode()) <= LONGEST]
    if len(usable) < count:
        raise ValueError(f"{len(usable)} strings, and {count} are wanted")
    return [usable[n * len(usable) // count] for n in range(count)]


def _rows() -> Iterator[tuple[str, str, int, Reader]]:
    for code, count in LANGUAGES.items():
        yield code, "django", count, functools.partial(_translations, code)
    yield "medical", "pydicom", 90, _dicom_concepts
    yield "medical", "simple-icd-10-cm", 110, _diagnoses
    for group in EMOJI:
        yield "emoji", "emoji", 24, functools.partial(_emoji, group)
    yield "whitespace", "django", 60, _indented_code
    yield "whitespace", "tzdata", 20, _tables
    yield "numbers", "babel", 60, _formatted
    yield "numbers", "pint", 40, _units


def _translations(code: str, folder: Path) -> Iterator[str]:
    """Django's translations into a language, but for those that have stayed English."""
    for path in sorted(folder.glob(f"django/**/locale/{code}/LC_MESSAGES/django.mo")):
        data = path.read_bytes()
        _, _, count, english, translated = struct.unpack_from("<5I", data)
        originals = set(_messages(data, count, english))
        for text in _messages(data, count, translated)[1:]:  # the first is the file's own header
            yield from (form for form in text.split("\0") if form not in originals)


def _messages(data: bytes, count: int, table: int) -> list[str]:
    """One of a .mo file's two tables of texts.

    Layout: https://www.gnu.org/software/gettext/manual/html_node/MO-Files.html
    """
    numbers = struct.unpack_from(f"<{2 * count}I", data, table)
    spans = zip(numbers[::2], numbers[1::2], strict=True)
    return [data[start : start + size].decode() for size, start in spans]


def _dicom_concepts(folder: Path) -> Iterator[str]:
    """Names out of DICOM's own coding scheme."""
    concepts = runpy.run_path(str(folder / "pydicom/sr/_concepts_dict.py"))["concepts"]
    for codes in concepts["DCM"].values():
        yield from (meaning for meaning, _ in codes.values())


def _diagnoses(folder: Path) -> Iterator[str]:
    (path,) = folder.glob("simple_icd_10_cm/data/*.xml")
    yield from re.findall(r"<desc>([^<&]+)</desc>", path.read_text("utf-8"))


EMOJI = {
    "joined": re.compile("\u200d"),
    "skin": re.compile("^[^\u200d]+[\U0001f3fb-\U0001f3ff]"),
    "flag": re.compile("^[\U0001f1e6-\U0001f1ff]|[\U000e0020-\U000e007f]"),
    "one": re.compile("^[^\u200d\U0001f3fb-\U0001f3ff\U0001f1e6-\U0001f1ff]{1,3}$"),
}
"""Zero-width joiners; skin tones; flags, of regions and of countries in countries; all others."""


def _emoji(group: str, folder: Path) -> Iterator[str]:
    """An emoji and its name in one language after the other."""
    names = []
    for language in EMOJI_NAMES:
        path = (
            folder / f"emoji/unicode_codes/emoji{'' if language == 'en' else f'_{language}'}.json"
        )
        names.append(json.loads(path.read_text("utf-8")))
    found = [emoji for emoji in names[0] if EMOJI[group].search(emoji)]
    for emoji, name in zip(found, itertools.cycle(names), strict=False):
        text = name.get(emoji, names[0][emoji])
        yield f"{emoji} {text if isinstance(text, str) else text['en']}"


def _windows(path: Path, lines: int) -> Iterator[str]:
    rows = path.read_text("utf-8").split("\n")
    for start in range(len(rows) - lines + 1):
        yield "\n".join(rows[start : start + lines])


def _indented_code(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("django/db/models/**/*.py")):
        yield from (text for text in _windows(path, 4) if re.search(r" {9}|\n{3}", text))


def _tables(folder: Path) -> Iterator[str]:
    yield from (t for t in _windows(folder / "tzdata/zoneinfo/zone1970.tab", 2) if "\t" in t)


def _units(folder: Path) -> Iterator[str]:
    rows = (folder / "pint/default_en.txt").read_text("utf-8").split("\n")
    yield from (row for row in rows if re.search(r"= .*\d", row))


def _formatted(folder: Path) -> Iterator[str]:
    """Dates, numbers, money and measurements as they are written in ten countries."""
    sys.path.insert(0, str(folder))
    dates, numbers, units = (
        importlib.import_module(f"babel.{name}") for name in ("dates", "numbers", "units")
    )
    when = datetime(2024, 2, 29, 16, 5, 9, tzinfo=UTC)
    for locale in LOCALES:
        yield dates.format_datetime(when, "full", locale=locale)
        yield dates.format_datetime(when, "short", locale=locale)
        yield dates.format_timedelta(timedelta(weeks=3), add_direction=True, locale=locale)
        yield numbers.format_decimal(-1234567.891, locale=locale, numbering_system="default")
        yield numbers.format_currency(1099.5, "EUR", locale=locale, numbering_system="default")
        yield numbers.format_percent(0.385, format="#,##0.0 %", locale=locale)
        yield units.format_unit(38.5, "celsius", locale=locale, numbering_system="default")
        yield units.format_unit(120, "millimeter-ofhg", locale=locale)
        yield numbers.format_scientific(6.02214076e23, locale=locale, numbering_system="default")
