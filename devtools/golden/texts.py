"""Texts of this repository, and what transformers thinks after each of their tokens.

Made by `python -m scripts.make_golden_texts`.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

from devtools.tie_rule import Step

ROOT = Path(__file__).parents[2]
PATH = ROOT / "tests/golden/texts.json.gz"


@dataclass(frozen=True, slots=True)
class Source:
    """A file, and how many of its tokens are read."""

    name: str
    tokens: int

    def text(self) -> str:
        """The file as it is; of JSON lines, their texts."""
        content = (ROOT / self.name).read_text("utf-8")
        if not self.name.endswith(".jsonl"):
            return content
        _header, *rows = (json.loads(line) for line in content.split("\n") if line)
        return "\n".join(text for _kind, _source, text, _ids in rows)


SOURCES = (
    Source("LICENSE", 1100),
    Source("tests/golden/tokenizations-notices.txt", 600),
    Source("tests/golden/tokenizations.jsonl", 600),
)
"""The first is longer than 270M's window of 512 and a batch together."""


@dataclass(frozen=True, slots=True)
class Text:
    """Ids, and a step for each: what follows it."""

    name: str
    ids: tuple[int, ...]
    steps: tuple[Step, ...]


def texts() -> list[Text]:
    """All of them."""
    with gzip.open(PATH, "rt", encoding="utf-8") as file:
        found = json.load(file)["texts"]
    return [
        Text(
            text["name"],
            tuple(text["ids"]),
            tuple(
                Step(tuple(best), tuple(logprobs))
                for best, logprobs in zip(text["best"], text["logprobs"], strict=True)
            ),
        )
        for text in found
    ]
