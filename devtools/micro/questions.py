"""What micro is asked about phantoms, and the one right answer to each question.

Ten kinds of questions, each with a few wordings. Answers are short and have one wording, so that
an answer is right if it is the same; a box is right if it overlaps well enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from edge_med.demo.phantom import DEVICES, FINDINGS, Phantom, Place, where

Lot = np.random.Generator
T = TypeVar("T")

ROLES = (
    "You are an expert radiologist.",
    "You are a helpful medical assistant.",
    "You are an instructor teaching medical students.",
)

ARTICLES = {
    "opacity": "an opacity",
    "effusion": "an effusion",
    "enlarged heart": "an enlarged heart",
    "pneumothorax": "a pneumothorax",
    "device": "a device",
}
DEVICE_ANSWERS = {None: "None.", "pacemaker": "A pacemaker.", "tube": "A tube."}
SIDED = ("opacity", "effusion", "pneumothorax")
LOCATED = ("opacity", "effusion", "heart", "pneumothorax", "pacemaker")
"""A tube is too thin for a box to mean much."""

FACTS = (
    (("What does the heart do?", "What is the heart for?"), "It pumps blood."),
    (("What do the lungs do?", "What are the lungs for?"), "They take in oxygen."),
    (("How many lungs are there?", "How many lungs do people have?"), "Two."),
    (("What is an effusion?", "What does effusion mean?"), "Fluid around the lung."),
    (("What is a pneumothorax?", "What does pneumothorax mean?"), "Air around the lung."),
    (("What is an opacity?", "What does opacity mean?"), "A dense spot in the lung."),
    (("What does a pacemaker do?", "What is a pacemaker for?"), "It sets the rhythm of the heart."),
    (("Which bones protect the lungs?", "Which bones are around the lungs?"), "The ribs."),
    (("Where does a tube end?", "Where should a tube end?"), "In the windpipe."),
    (("Are you a doctor?", "Can you make a diagnosis?"), "No. I am a toy model."),
)


@dataclass(frozen=True)
class Question:
    """A question about a phantom, or about nothing in a picture.

    Attributes:
        kind: one of `KINDS`.
        about: what is asked for: a finding, a structure, a fact's number; empty where it is all.
        text: of the user's turn.
        answer: the right one.
        thought: written before the answer; None if nothing is to be thought.
    """

    kind: str
    about: str
    text: str
    answer: str
    thought: str | None = None


def ask(kind: str, drawn: Phantom, lot: Lot) -> Question:
    """A question of a kind, by lot; mostly one to which the phantom has something to say."""
    about, text = KINDS[kind](drawn, lot)
    thought = f"I see: {description(drawn)}" if kind == "thought" else None
    return Question(kind, about, text, answer(kind, about, drawn), thought)


def answer(kind: str, about: str, drawn: Phantom) -> str:
    """The right answer to a question, for any phantom."""
    return ANSWERS[kind](drawn, about)


def _describe(_drawn: Phantom, lot: Lot) -> tuple[str, str]:
    asked = ("Describe this X-ray", "Describe this X-ray.", "What do you see?", "What is there?")
    return "", _pick(asked, lot)


def _presence(_drawn: Phantom, lot: Lot) -> tuple[str, str]:
    finding = _pick(FINDINGS, lot)
    if finding == "enlarged heart" and lot.random() < 0.6:
        return finding, "Is the heart enlarged?"
    wordings = ("Is there {}?", "Do you see {}?", "Does this X-ray show {}?")
    return finding, _pick(wordings, lot).format(ARTICLES[finding])


def _normal(_drawn: Phantom, lot: Lot) -> tuple[str, str]:
    asked = ("Is this X-ray normal?", "Is this a normal X-ray?", "Is everything normal?")
    return "", _pick(asked, lot)


def _side(drawn: Phantom, lot: Lot) -> tuple[str, str]:
    finding = _pick_there({name: side_of(drawn, name) for name in SIDED}, lot)
    asked = ("Which side is the {} on?", "On which side is the {}?")
    return finding, _pick(asked, lot).format(finding)


def _zone(_drawn: Phantom, lot: Lot) -> tuple[str, str]:
    return "", _pick(("Which zone is the opacity in?", "In which zone is the opacity?"), lot)


def _device(_drawn: Phantom, lot: Lot) -> tuple[str, str]:
    return "", _pick(("Which device is there?", "Which device do you see?"), lot)


def _locate(drawn: Phantom, lot: Lot) -> tuple[str, str]:
    subject = _pick_there({name: place_of(drawn, name) for name in LOCATED}, lot)
    return subject, f"Where is the {subject}?"


def _thought(drawn: Phantom, lot: Lot) -> tuple[str, str]:
    return _presence(drawn, lot) if lot.random() < 0.7 else _normal(drawn, lot)


def _fact(_drawn: Phantom, lot: Lot) -> tuple[str, str]:
    number = int(lot.integers(len(FACTS)))
    return str(number), _pick(FACTS[number][0], lot)


KINDS: dict[str, Callable[[Phantom, Lot], tuple[str, str]]] = {
    "describe": _describe,
    "presence": _presence,
    "normal": _normal,
    "side": _side,
    "zone": _zone,
    "device": _device,
    "locate": _locate,
    "thought": _thought,
    "fact": _fact,
}
"""What is asked for and in which words. The exam's tenth kind is one of these as a follow-up."""


def description(drawn: Phantom) -> str:
    """All findings in one order, each in a sentence."""
    found = []
    if drawn.opacity:
        found.append("Opacity in the {} {} zone.".format(*drawn.opacity))
    if drawn.effusion:
        found.append(f"Effusion on the {drawn.effusion}.")
    if drawn.enlarged:
        found.append("Enlarged heart.")
    if drawn.pneumothorax:
        found.append(f"Pneumothorax on the {drawn.pneumothorax}.")
    if drawn.device:
        found.append(DEVICE_ANSWERS[drawn.device])
    return " ".join(found) or "Normal."


def side_of(drawn: Phantom, finding: str) -> str | None:
    """The side of a finding that has one."""
    if finding == "opacity":
        return drawn.opacity[0] if drawn.opacity else None
    return drawn.effusion if finding == "effusion" else drawn.pneumothorax


def place_of(drawn: Phantom, subject: str) -> Place | None:
    """Where something is that can be asked for."""
    if subject in DEVICES:
        return where(drawn, "device") if drawn.device == subject else None
    return where(drawn, subject)


def boxed(drawn: Phantom, subject: str) -> str:
    """Where something is, in MedGemma's form, to a hundredth of the picture."""
    place = place_of(drawn, subject)
    if place is None:
        return "[]"
    corners = ", ".join(str(10 * round(100 * share)) for share in place)
    return f'[{{"box_2d": [{corners}], "label": "{subject}"}}]'


def _present(drawn: Phantom, finding: str) -> str:
    """Whether a finding is there, or, if none is named, whether all is normal."""
    return "Yes." if (finding in drawn.findings if finding else not drawn.findings) else "No."


ANSWERS: dict[str, Callable[[Phantom, str], str]] = {
    "describe": lambda drawn, _: description(drawn),
    "presence": _present,
    "normal": _present,
    "side": lambda drawn, finding: _sentence(side_of(drawn, finding)),
    "zone": lambda drawn, _: _sentence(drawn.opacity and drawn.opacity[1]),
    "device": lambda drawn, _: DEVICE_ANSWERS[drawn.device],
    "locate": boxed,
    "thought": _present,
    "fact": lambda _, number: FACTS[int(number)][1],
}


def _pick_there(things: Mapping[str, object], lot: Lot) -> str:
    """Mostly something that is there, since little can be said of what isn't."""
    there = [name for name, value in things.items() if value]
    return _pick(there if there and lot.random() < 0.85 else list(things), lot)


def _pick(choices: Sequence[T], lot: Lot) -> T:
    return choices[int(lot.integers(len(choices)))]


def _sentence(value: str | None) -> str:
    return f"{value.capitalize()}." if value else "There is none."
