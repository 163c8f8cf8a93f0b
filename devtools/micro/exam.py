"""A thousand questions that training never saw: how they are drawn, shown and judged."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from devtools.micro.questions import KINDS, ROLES, answer, ask
from edge_med.demo.drawing import pixels
from edge_med.demo.phantom import phantom
from edge_med.imaging.box_answers import locate_prompt, parse

PATH = Path(__file__).parents[2] / "tests/snapshots/micro-exam.json"
EACH = 100
"""Questions of each of ten kinds."""

OVERLAP = 0.5
"""Intersection over union from which a box is right; as in PASCAL VOC's detection challenge."""

FOLLOW_UP = "follow-up"
FIRST, SECOND = ("describe", "presence", "locate"), ("presence", "side", "zone", "device", "normal")
"""What a follow-up follows, and what it is."""


NONE = ("No.", "None.", "There is none.")
NOTHING = {
    "presence": 0.5,
    "normal": 0.5,
    "thought": 0.5,
    "side": 0.15,
    "zone": 0.15,
    "device": 0.34,
}
"""How often the right answer is one of those."""


@dataclass(frozen=True)
class Item:
    """A question of the exam, with everything that goes with it.

    Attributes:
        kind: of the ten.
        seed: of the phantom; training's begin at a million.
        system: text before everything.
        earlier: a question about the picture and its answer, before this one.
        text: of the question.
        in_full: the structure that is asked for in Google's long prompt instead; else None.
        answer: the right one.
        elsewhere: what would be right for another phantom, whose seed is `swapped`.
    """

    kind: str
    seed: int
    system: str | None
    earlier: tuple[str, str] | None
    text: str
    in_full: str | None
    answer: str
    elsewhere: str

    @property
    def swapped(self) -> int:
        """The seed of another phantom, whose picture shows whether micro looks."""
        return self.seed + 100_000

    def messages(self, *, swapped: bool = False) -> list[dict[str, Any]]:
        """The conversation in Hugging Face's form, with its picture as an array."""
        asked = locate_prompt(self.in_full) if self.in_full else self.text
        turns = [*(self.earlier or ()), asked]
        said = [
            {"role": ("user", "assistant")[n % 2], "content": [{"type": "text", "text": text}]}
            for n, text in enumerate(turns)
        ]
        if self.kind != "fact":
            grey = pixels(phantom(self.swapped if swapped else self.seed))
            shown = {"type": "image", "image": np.repeat(grey[:, :, None], 3, axis=2)}
            said[0]["content"] = [shown, *said[0]["content"]]
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, *said]


def draw() -> list[Item]:
    """The exam, by lot, always the same."""
    lot = np.random.default_rng(77)
    kinds = [*KINDS, FOLLOW_UP]
    rows = [(kind, 100 * (10 * n + k)) for n in range(EACH) for k, kind in enumerate(kinds)]
    return [_item(kind, seed, lot) for kind, seed in rows]


def _item(kind: str, seed: int, lot: np.random.Generator) -> Item:
    asked = SECOND[int(lot.integers(len(SECOND)))] if kind == FOLLOW_UP else kind
    nothing = bool(lot.random() < NOTHING.get(asked, 0.5))
    # Few phantoms are normal, and most have no pacemaker: the first is taken that has the answer.
    while (asked in NOTHING) and (ask(asked, phantom(seed), _again(lot)).answer in NONE) != nothing:
        seed += 1
    drawn, earlier = phantom(seed), None
    question = ask(asked, drawn, lot)
    if kind == FOLLOW_UP:
        first = ask(FIRST[int(lot.integers(len(FIRST)))], drawn, lot)
        earlier = (first.text, first.answer)
    in_full = asked == "locate" and lot.random() < 0.5
    role = ROLES[int(lot.integers(len(ROLES)))] if lot.random() < 0.3 else None
    return Item(
        kind=kind,
        seed=seed,
        system=role,
        earlier=earlier,
        text=question.text,
        in_full=question.about if in_full else None,
        answer=question.answer,
        elsewhere=answer(asked, question.about, phantom(seed + 100_000)),
    )


def _again(lot: np.random.Generator) -> np.random.Generator:
    """One that will draw what this one will."""
    copy = np.random.default_rng()
    copy.bit_generator.state = lot.bit_generator.state
    return copy


def write() -> None:
    """Store the exam."""
    lines = ",\n".join(json.dumps(asdict(item)) for item in draw())
    PATH.write_text(f"[\n{lines}\n]\n", "utf-8")


def exam() -> list[Item]:
    """The stored one."""
    rows = json.loads(PATH.read_text("utf-8"))
    return [Item(**row | {"earlier": row["earlier"] and tuple(row["earlier"])}) for row in rows]


def right(item: Item, said: str) -> bool:
    """Whether an answer is the right one, or its box overlaps the right one well enough."""
    if item.kind != "locate":
        return said.strip() == item.answer
    if item.answer == "[]":
        return not parse(said).boxes
    return overlap(item, said) >= OVERLAP


def overlap(item: Item, said: str) -> float:
    """Intersection over union of the boxes; 0 if there is none, or another label."""
    (true,) = parse(item.answer).boxes
    found = parse(said).boxes
    if len(found) != 1 or found[0].label != true.label:
        return 0.0
    a, b = true.corners, found[0].corners
    height = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    width = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    both = height * width
    area = sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))
    return both / (area - both) if area > both else 0.0
