"""The examples in a document, and what it shows as their output."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

_EXAMPLE = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
_NUMBER = re.compile(r"-?\d+\.\d+")

CUT = " …"
"""At the end of a line that goes on in truth."""


@dataclass(frozen=True, slots=True)
class Example:
    """A piece of code.

    Attributes:
        code: of it.
        shown: what it prints; empty if the document doesn't say.
    """

    code: str
    shown: str

    @property
    def real(self) -> bool:
        """Whether it needs real weights; they have one name in all documents."""
        return re.search(r"\bgemma\b", self.code) is not None

    @property
    def defines(self) -> bool:
        """Whether it only gives names to values."""
        return "(" not in self.code


def examples(document: str) -> list[Example]:
    """Those of a document, by its path from the root."""
    return [Example(*found) for found in _EXAMPLE.findall((ROOT / document).read_text("utf-8"))]


def check_output(printed: str, shown: str) -> None:
    """Hold what was printed against what is shown: numbers nearly, everything else exactly."""
    said, lines = printed.splitlines(), shown.splitlines()
    assert len(said) == len(lines), printed
    for one, line in zip(said, lines, strict=True):
        whole = line.removesuffix(CUT)
        mine = one if whole == line else one[: len(whole)]
        assert _NUMBER.sub("#", mine) == _NUMBER.sub("#", whole), printed
        assert numbers(mine) == pytest.approx(numbers(whole), rel=0.02, abs=2e-3), printed


def numbers(text: str) -> list[float]:
    return [float(number) for number in _NUMBER.findall(text)]
