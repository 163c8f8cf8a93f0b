"""Conversations about a phantom that micro is trained on: token ids, and which are to be learnt.

A conversation has a picture and one to five questions; some a system text, some a thought before
the last answer. It has the form of edge-med's prompts, which is that of Gemma 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from tokenizers import Tokenizer

from devtools.micro.questions import ROLES, Lot, Question, ask
from edge_med.demo.phantom import Phantom
from edge_med.engine.decode.thinking import CLOSE, INSTRUCTION, LABEL, OPEN
from edge_med.imaging.box_answers import locate_prompt

IMAGE_TOKENS = 16
SOFT = "<image_soft_token>"
IMAGE = f"\n\n<start_of_image>{SOFT * IMAGE_TOKENS}<end_of_image>\n\n"

SHARES = {
    "describe": 0.17,
    "presence": 0.16,
    "normal": 0.06,
    "side": 0.12,
    "zone": 0.08,
    "device": 0.06,
    "locate": 0.30,
    "fact": 0.05,
}
"""How often each kind is asked; a thought comes by itself."""

THOUGHTFUL, ROLE_GIVEN, IN_FULL, UNSEEN = 0.12, 0.4, 0.05, 0.04
"""Shares: with a thought, with a role, boxes asked for as Google does, without a picture."""


FIRST = ("describe", "presence", "normal", "side")
"""What may come before Google's long prompt for a box."""


@dataclass(frozen=True)
class Dialogue:
    """A conversation to learn from.

    Attributes:
        ids: tokens, from `<bos>` on.
        learnt: of each token whether the model should have written it.
        shown: whether there is a picture in it.
        kinds: of the questions.
    """

    ids: np.ndarray
    learnt: np.ndarray
    shown: bool
    kinds: tuple[str, ...]


class Writer:
    """Writes conversations in tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        names = ("<bos>", "<start_of_turn>", "<end_of_turn>", "\n")
        self._bos, self._start, self._end, self._newline = map(tokenizer.token_to_id, names)
        self._model = tokenizer.encode("model", add_special_tokens=False).ids[0]

    def dialogue(self, drawn: Phantom, lot: Lot) -> Dialogue:
        """A conversation drawn by lot."""
        asked, system, shown = questions(drawn, lot)
        ids = np.array(self.ids(asked, system, shown=shown, image_first=lot.random() < 0.7))
        last_only = asked[-1].thought is not None
        kinds = tuple(question.kind for question in asked)
        return Dialogue(ids, self._learnt(ids, last_only=last_only), shown, kinds)

    def short(self, drawn: Phantom, lot: Lot) -> Dialogue:
        """A box and another question that is answered from the picture."""
        other = str(lot.choice(list(SHARES), p=list(SHARES.values())))
        asked = [ask(kind, drawn, lot) for kind in ("locate", other)]
        ids = np.array(self.ids(asked, None, shown=True, image_first=lot.random() < 0.7))
        kinds = tuple(question.kind for question in asked)
        return Dialogue(ids, self._learnt(ids, last_only=False), shown=True, kinds=kinds)

    def ids(
        self, asked: Sequence[Question], system: str | None, *, shown: bool, image_first: bool
    ) -> list[int]:
        """The tokens of a conversation with its answers."""
        text = "<bos>"
        for n, question in enumerate(asked):
            first = n == 0
            content = _with_image(question.text, image_first) if first and shown else question.text
            before = f"{system}\n\n" if first and system else ""
            thought = f"{OPEN}{LABEL}{question.thought}{CLOSE}" if question.thought else ""
            text += f"<start_of_turn>user\n{before}{content}<end_of_turn>\n"
            text += f"<start_of_turn>model\n{thought}{question.answer}<end_of_turn>\n"
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _learnt(self, ids: np.ndarray, *, last_only: bool) -> np.ndarray:
        """What the model wrote, its end of turn included."""
        learnt = np.zeros(len(ids), bool)
        starts = np.flatnonzero((ids[:-1] == self._start) & (ids[1:] == self._model))
        for start in starts[-1:] if last_only else starts:
            begin = start + 1 + int(np.argmax(ids[start + 1 :] == self._newline)) + 1
            end = begin + int(np.argmax(ids[begin:] == self._end))
            learnt[begin : end + 1] = True
        return learnt


def _with_image(text: str, image_first: bool) -> str:
    return f"{IMAGE}{text}" if image_first else f"{text}{IMAGE}"


def questions(drawn: Phantom, lot: Lot) -> tuple[list[Question], str | None, bool]:
    """One to five questions, the system text, and whether the picture is shown."""
    if lot.random() < UNSEEN:
        return [ask("fact", drawn, lot)], _role(lot), False
    if lot.random() < IN_FULL:
        asked = ask("locate", drawn, lot)
        earlier = [ask(str(lot.choice(FIRST)), drawn, lot) for _ in range(int(lot.integers(3)))]
        return [*earlier, replace(asked, text=locate_prompt(asked.about))], _role(lot), True
    count = int(lot.integers(1, 6))
    kinds = [str(kind) for kind in lot.choice(list(SHARES), size=count, p=list(SHARES.values()))]
    if lot.random() < THOUGHTFUL:
        role = _role(lot)
        system = f"{INSTRUCTION} {role}" if role else INSTRUCTION
        return [ask(kind, drawn, lot) for kind in [*kinds[:-1], "thought"]], system, True
    return [ask(kind, drawn, lot) for kind in kinds], _role(lot), True


def _role(lot: Lot) -> str | None:
    return ROLES[int(lot.integers(len(ROLES)))] if lot.random() < ROLE_GIVEN else None
