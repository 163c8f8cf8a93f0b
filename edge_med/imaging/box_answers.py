"""Ask the model where something is, and read the boxes out of what it answers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edge_med.errors import PromptError
from edge_med.imaging.fit import SCALE

LOCATE = """\
Instructions:
The following user query will require outputting bounding boxes. The format of bounding boxes \
coordinates is [y0, x0, y1, x1] where (y0, x0) must be top-left corner and (y1, x1) the \
bottom-right corner. This implies that x0 < x1 and y0 < y1. Always normalize the x and y \
coordinates the range [0, 1000], meaning that a bounding box starting at 15% of the image width \
would be associated with an x coordinate of 150. You MUST output a single parseable json list of \
objects enclosed into ```json...``` brackets, for instance ```json[{"box_2d": [800, 3, 840, 471], \
"label": "car"}, {"box_2d": [400, 22, 600, 73], "label": "dog"}]``` is a valid output. Now answer \
to the user query.

Remember "left" refers to the patient's left side where the heart is and sometimes underneath an L \
in the upper right corner of the image.

Query:
Where is the WHAT? Don't give a final answer without reasoning. Output the final answer in the \
format "Final Answer: X" where X is a JSON list of objects. The object needs a "box_2d" and \
"label" key. Answer:"""
"""Google's own words, of MedGemma's notebook `cxr_anatomy_localization_with_hugging_face.ipynb`."""

MOST = 100
"""Boxes that are read from an answer: more are a model that repeats itself."""

UNMARKED = "the list isn't marked as JSON"
"""A quirk that nobody can act on: people aren't shown it."""

NOTHING = "The model marked nothing. That doesn't mean it isn't there."
"""The text about an answer without a box."""

_THOUGHT, _THOUGHT_ENDS = "<unused94>", "<unused95>"

_FINAL = re.compile(r"final answer\W{0,9}:", re.IGNORECASE)

_OBJECT = re.compile(r"\{[^{}]{0,2000}+\}")
"""An object without another in it. Each character is looked at once or twice, whatever comes."""

_BARE = re.compile(r"\[(?:\s{0,9}-?\d{1,9}(?:\.\d{1,9})?\s{0,9}(?:,|(?=\]))){4}\]")

_LIST = re.compile(r"\[\s{0,99}\{")

_EMPTY = re.compile(r"\[\s{0,99}\]")

_TRAILING = re.compile(r",\s{0,99}([\]}])")


@dataclass(frozen=True, slots=True)
class Box:
    """A box as the model gives it.

    Attributes:
        label: name of what it shows; may be empty.
        corners: y0, x0, y1, x1 in thousandths of the square that the model sees.
    """

    label: str
    corners: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Parsed:
    """The boxes of an answer, and what had to be mended to read them, in words for a user."""

    boxes: tuple[Box, ...]
    quirks: tuple[str, ...]

    @property
    def remarks(self) -> tuple[str, ...]:
        """The quirks that people should know."""
        return tuple(quirk for quirk in self.quirks if quirk != UNMARKED)


def locate_prompt(what: str) -> str:
    """The prompt that MedGemma was trained to answer with boxes; it stands after the image.

    Args:
        what: structure to find, such as `right clavicle`; the prompt itself says `the`.

    Raises:
        PromptError: it is empty.
    """
    name = _bare(what)
    if not name:
        raise PromptError("What should be found?", "Name it, as in: right lung")
    return LOCATE.replace("WHAT", name)


def other_than(what: str, boxes: Sequence[Box]) -> str:
    """A sentence about boxes of something else than what was asked for; empty if there is none."""
    labels = dict.fromkeys(box.label for box in boxes if box.label)
    others = [label for label in labels if _is_other(_words(what), _words(label))]
    return f"You asked for {_bare(what)}, the model boxed {', '.join(others)}." if others else ""


def _is_other(asked: set[str], found: set[str]) -> bool:
    """Whether no word is the same, or the side of the body is the other one."""
    one, other = asked & _SIDES, found & _SIDES
    return not asked & found or bool(one and other and not one & other)


_SIDES = frozenset(("left", "right"))


def _words(text: str) -> set[str]:
    """Without case, plural and what stands between words."""
    return {word.removesuffix("s") for word in re.findall(r"\w+", text.casefold())}


def _bare(what: str) -> str:
    """What is to be found, without the article that the prompt has."""
    return re.sub(r"^the\s+", "", what.strip(), flags=re.IGNORECASE)


def parse(text: str) -> Parsed:
    """The boxes of an answer; of anything else, none.

    What follows a thought and the last `Final Answer:` counts, if boxes or an empty list are there;
    else all of it. An answer that was cut off keeps the boxes that are whole. Time grows with the
    text's length and no faster.
    """
    quirks: list[str] = []
    answer = _without_thought(text, quirks)
    rest = answer[max((final.end() for final in _FINAL.finditer(answer)), default=0) :]
    found = _boxes(rest, quirks)
    if not found and not _EMPTY.search(rest):
        rest, found = answer, _boxes(answer, quirks)
    if found:
        _tell_form(rest, quirks)
    boxes = tuple(dict.fromkeys(found))
    if len(boxes) < len(found):
        quirks.append("a repeated box counts once")
    return Parsed(boxes, tuple(dict.fromkeys(quirks)))


def _without_thought(text: str, quirks: list[str]) -> str:
    _, closed, answer = text.rpartition(_THOUGHT_ENDS)
    if closed or _THOUGHT in text:
        quirks.append("it holds a thought" if closed else "it holds a thought without an end")
    return answer


def _tell_form(text: str, quirks: list[str]) -> None:
    """What is unusual about the list as a whole."""
    if "```" not in text:
        quirks.append(UNMARKED)
    if "{" in text and not _LIST.search(text):
        quirks.append("it has an object instead of a list")
    elif text.count("[") > text.count("]"):
        quirks.append("the list isn't closed")


def _boxes(text: str, quirks: list[str]) -> list[Box]:
    """All boxes of a text, in order."""
    boxes: list[Box] = []
    for label, corners in _raw(text, quirks):
        if len(boxes) == MOST:
            quirks.append(f"only the first {MOST} boxes are used")
            break
        box = _mended(label, corners, quirks)
        if box:
            boxes.append(box)
    return boxes


def _raw(text: str, quirks: list[str]) -> Iterator[tuple[str, Any]]:
    """Labels and corners as they stand there; bare lists of numbers where no object has any."""
    found = False
    for match in _OBJECT.finditer(text):
        value = _loaded(match[0], quirks) if "box_2d" in match[0] else None
        if isinstance(value, dict) and "box_2d" in value:
            found = True
            yield str(value.get("label") or ""), value["box_2d"]
    if not found:
        for match in _BARE.finditer(text):
            quirks.append("it has a list of numbers without a label")
            yield "", _loaded(match[0], quirks)


def _loaded(text: str, quirks: list[str]) -> Any:
    """A value from JSON, or from what a model takes for it; None if it is neither."""
    commas = _TRAILING.sub(r"\1", text)
    attempts = (
        (text, ""),
        (commas, "it has a comma too many"),
        (commas.replace("'", '"'), "it has single quotes"),
    )
    for attempt, quirk in attempts:
        try:
            value = json.loads(attempt)
        except (ValueError, RecursionError):
            continue
        quirks += [quirk] if quirk else []
        return value
    return None


def _mended(label: str, corners: Any, quirks: list[str]) -> Box | None:
    """A box with its corners in order and within the square; None if it is none."""
    numbers = _numbers(corners)
    if numbers is None:
        quirks.append("a box that isn't four numbers was left out")
        return None
    y0, x0, y1, x1 = numbers
    if y0 > y1 or x0 > x1:
        quirks.append("a box had swapped corners")
    ordered = (min(y0, y1), min(x0, x1), max(y0, y1), max(x0, x1))
    if ordered[0] < 0 or ordered[1] < 0 or max(ordered) > SCALE:
        quirks.append("a box outside the image was cut off at its edge")
    top, left, bottom, right = (min(max(number, 0.0), float(SCALE)) for number in ordered)
    if top == bottom or left == right:
        quirks.append("a box without an area was left out")
        return None
    return Box(label, (top, left, bottom, right))


def _numbers(corners: Any) -> tuple[float, float, float, float] | None:
    if not isinstance(corners, list) or len(corners) != 4:
        return None
    try:
        a, b, c, d = (float(n) for n in corners if isinstance(n, (int, float, str)))
    except (ValueError, OverflowError):
        return None
    return (a, b, c, d) if all(map(math.isfinite, (a, b, c, d))) else None
