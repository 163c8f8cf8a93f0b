"""Conversations of every form, and the ids that Hugging Face's processor makes of them.

The ids are made by `python -m scripts.make_golden_conversations`, with the tiny tokenizer and with
Gemma 3's own. docs/evidence/tokenization.md tells how single texts are held against Hugging Face.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from devtools import GOLDEN
from edge_med import imaging
from edge_med.engine.cache.ledger import Item
from edge_med.imaging import Picture

TINY = GOLDEN / "conversations.json"
REAL = TINY.with_name("conversations-real.json")

Message = dict[str, Any]
Row = int | tuple[Literal["image"], int]
"""An id, or so many soft tokens of one image."""

IMAGE = {"type": "image"}


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation in Hugging Face's form, whose images have no pixels yet.

    Attributes:
        messages: a last one of the assistant's is continued.
        alternating: the same with turns merged by hand, where the template would refuse it.
    """

    messages: list[Message]
    alternating: list[Message] | None = None

    @property
    def is_prefilled(self) -> bool:
        """Whether the answer is begun already."""
        return self.messages[-1]["role"] in ("assistant", "model")

    @property
    def images(self) -> int:
        """How many places for images it has."""
        contents = [m["content"] for m in self.messages if not isinstance(m["content"], str)]
        return sum(part == IMAGE for content in contents for part in content)


def _message(role: str, content: tuple[str | Message, ...]) -> Message:
    """A lone text stays a text; anything else becomes a list of parts."""
    if len(content) == 1 and isinstance(content[0], str):
        return {"role": role, "content": content[0]}
    return {"role": role, "content": [text(c) if isinstance(c, str) else c for c in content]}


def text(content: str) -> Message:
    return {"type": "text", "text": content}


def system(*content: str | Message) -> Message:
    return _message("system", content)


def user(*content: str | Message) -> Message:
    return _message("user", content)


def assistant(*content: str | Message) -> Message:
    return _message("assistant", content)


def _simple(*messages: Message) -> Conversation:
    return Conversation(list(messages))


def _same_role(messages: list[Message], alternating: list[Message]) -> Conversation:
    return Conversation(messages, alternating)


ASK = "Describe this X-ray."
EXPERT = "You are an expert radiologist."
SEEN = "The heart is not enlarged."

CONVERSATIONS: dict[str, Conversation] = {
    # Text alone.
    "a question": _simple(user("What is pneumonia?")),
    "a question as a part": _simple(user(text("What is pneumonia?"))),
    "system text": _simple(system(EXPERT), user(ASK)),
    "system text as a part": _simple(system(text(EXPERT)), user(text(ASK))),
    "two turns": _simple(user("Is the heart large?"), assistant(SEEN), user("And the lungs?")),
    "system text and three turns": _simple(
        system(EXPERT),
        user("Is the heart large?"),
        assistant(SEEN),
        user("And the lungs?"),
        assistant("Both lungs are clear."),
        user("Thank you. Write it in one sentence."),
    ),
    "the assistant called model": _simple(
        user("Is the heart large?"),
        {"role": "model", "content": SEEN},
        user("And the lungs?"),
    ),
    "an answer as a part": _simple(user("Hello"), assistant(text(" Hi. \n")), user("Who?")),
    "text parts side by side": _simple(user("the patient has ", " a cough\n", "and a fever")),
    # Images.
    "image first": _simple(user(IMAGE, ASK)),
    "text first": _simple(user(ASK, IMAGE)),
    "an image alone": _simple(user(IMAGE)),
    "system text, image first": _simple(system(EXPERT), user(IMAGE, ASK)),
    "system text, text first": _simple(system(EXPERT), user(ASK, IMAGE)),
    "image between texts": _simple(user("Look at this:", IMAGE, "What is it?")),
    "two images in a row": _simple(user(IMAGE, IMAGE, "Compare these two images.")),
    "two images after a text": _simple(user("Compare these two images.", IMAGE, IMAGE)),
    "three images with their names": _simple(
        user("SLICE 1", IMAGE, "SLICE 2", IMAGE, "SLICE 3", IMAGE, "Is this liver normal?")
    ),
    "images, each before its name": _simple(
        user("Review the slices.", IMAGE, "SLICE 1", IMAGE, "SLICE 2", "\n\nWhich is higher?")
    ),
    "image in the second turn": _simple(
        user("Hello"), assistant("Show me the picture."), user(IMAGE, ASK)
    ),
    "images in the first and third turn": _simple(
        user(IMAGE, ASK),
        assistant("An opacity in the right lower lobe."),
        user("Is there an effusion?"),
        assistant("No."),
        user("And here?", IMAGE),
    ),
    "images in the second and third turn": _simple(
        system(EXPERT),
        user("Hello"),
        assistant("Hello."),
        user("Before:", IMAGE),
        assistant("I see."),
        user(IMAGE, "After. What has changed?"),
    ),
    # Whitespace at edges.
    "whitespace around a question": _simple(user("  \n\tWhat is this?\n \t")),
    "whitespace around an answer": _simple(user("Hello"), assistant("\n  Hi.  \n\n"), user("Who?")),
    "breaks before an image": _simple(user("Look:\n\n\n", IMAGE)),
    "breaks after an image": _simple(user(IMAGE, "\n\n\nWhat is it?")),
    "only breaks between images": _simple(user(IMAGE, "\n\n\n", IMAGE, "Compare.")),
    "only breaks beside an image": _simple(user("\n", IMAGE, "\n")),
    "breaks in the middle": _simple(user("a\n\n\nb\n \nc\r\nd", IMAGE, "e\n\n\n\nf")),
    "tabs at edges": _simple(system("\tBe brief.\t"), user("\t\ta\tb\t", IMAGE, "\tc\t\t")),
    "no-break spaces at edges": _simple(user("\u00a0a\u00a0b\u00a0", IMAGE, "\u00a0c\u00a0")),
    "ideographic spaces at edges": _simple(user("\u3000胸部\u3000X 光片\u3000", IMAGE, "\u3000?")),
    "rare spaces and breaks at edges": _simple(user("\u2028\x85\x1ca\u2003\x0b", IMAGE, "\x0cb\r")),
    "no space, though it looks so": _simple(user("\u200ba\ufeff", IMAGE, "\u2060b\u180e")),
    "breaks around system text": _simple(system("\n\nBe brief.\n\n\n"), user(ASK)),
    "spaces around system text": _simple(system("  Be brief.  "), user("  Why? ")),
    "system text ends with a break, image first": _simple(system("Be brief.\n"), user(IMAGE, ASK)),
    # Nothing at all.
    "empty system text": _simple(system(""), user(ASK)),
    "empty system text as a part": _simple(system(text("")), user(ASK)),
    "empty system text, image first": _simple(system(""), user(IMAGE, ASK)),
    "system text of spaces": _simple(system("   "), user(ASK)),
    "system text of a break": _simple(system("\n"), user(ASK)),
    "empty question": _simple(user("")),
    "empty question after system text": _simple(system(EXPERT), user("")),
    "question of breaks": _simple(user("\n\n\n")),
    "question of all kinds of whitespace": _simple(user(" \t\u00a0\u3000\r\n")),
    "empty text beside an image": _simple(user("", IMAGE, "")),
    "empty answer": _simple(user("Hello"), assistant(""), user("Are you there?")),
    # An answer that is begun.
    "a begun answer": _simple(user("Is the heart large?"), assistant("The heart is")),
    "a begun answer ends with a space": _simple(user(ASK), assistant("Final Answer: ")),
    "a begun answer in whitespace": _simple(user(ASK), assistant(" \n```json\n[\n")),
    "a begun answer as a part": _simple(user(ASK), assistant(text("The answer is"))),
    "a begun answer in parts": _simple(user(ASK), assistant("Findings: ", " the left lung ")),
    "a begun answer about an image": _simple(system(EXPERT), user(ASK, IMAGE), assistant("The")),
    "a begun answer of the model": _simple(user(ASK), {"role": "model", "content": "右下肺"}),
    "a begun answer in the second turn": _simple(
        user(IMAGE, ASK), assistant(SEEN), user("And the lungs?"), assistant("The lungs are")
    ),
    # Turns of the same role.
    "two questions": _same_role(
        [user("a cough"), user("a fever")],
        [user("a cough\n\na fever")],
    ),
    "two questions with whitespace at their edges": _same_role(
        [user("  a cough \n"), user("\n\t a fever\n")],
        [user("a cough\n\na fever")],
    ),
    "three questions after system text": _same_role(
        [system(EXPERT), user("the heart"), user("the lungs"), user("the answer")],
        [system(EXPERT), user("the heart\n\nthe lungs\n\nthe answer")],
    ),
    "two questions in parts": _same_role(
        [user("the ", "heart"), user(text("the lungs"))],
        [user("theheart\n\nthe lungs")],
    ),
    "a question and an image": _same_role(
        [user(ASK), user(IMAGE)],
        [user(ASK, IMAGE)],
    ),
    "an image and a question": _same_role(
        [user(IMAGE), user(ASK)],
        [user(IMAGE, ASK)],
    ),
    "two questions with an image each": _same_role(
        [user(IMAGE, "before"), user("after", IMAGE)],
        [user(IMAGE, "before\n\nafter", IMAGE)],
    ),
    "an empty question and another": _same_role(
        [user("  "), user("the lungs")],
        [user("the lungs")],
    ),
    "two answers": _same_role(
        [user("Hello"), assistant("Hi. "), {"role": "model", "content": "I see."}, user("What?")],
        [user("Hello"), assistant("Hi.\n\nI see."), user("What?")],
    ),
    "an answer that is begun twice": _same_role(
        [user("Hello"), assistant("I see."), assistant("The heart ")],
        [user("Hello"), assistant("I see.\n\nThe heart")],
    ),
    # Scripts and signs.
    "Chinese": _simple(
        system("你是一位放射科专家。"),
        user(IMAGE, "请描述这张胸部 X 光片。右下肺有阴影吗？"),  # noqa: RUF001 - full width
    ),
    "Arabic": _simple(
        user("صف صورة الصدر هذه. هل يوجد انصباب؟", IMAGE), assistant("لا يوجد انصباب")
    ),
    "Hindi": _simple(user(IMAGE, "इस एक्स-रे का वर्णन करें। क्या दिल बड़ा है?")),
    "Hebrew, Thai and Korean": _simple(
        user("תאר את הצילום", IMAGE, "อธิบายภาพนี้"), assistant("폐는")
    ),
    "emoji": _simple(user("🫁🩺 👩🏽‍⚕️ 🇨🇭", IMAGE, "👍🏿?"), assistant("🙂"), user("🫀❤️‍🩹")),
    "letters with marks apart": _simple(user("cafe\u0301 Z\u0351\u036b", IMAGE, "\u0301x")),
    "code": _simple(
        user("```python\ndef f(x):\n\treturn {\n\t\t'a': x  # b\n\t}\n```\n", IMAGE, "    f(1)")
    ),
    "long numbers": _simple(user("0123456789" * 6, IMAGE, "3.14159e-26; 120/80 mmHg")),
    "runs of spaces": _simple(user("a  b   c" + " " * 31 + "d" + " " * 33 + "e", IMAGE, "f  g")),
    "U+2581": _simple(
        system("\u2581\u2581"), user("\u2581a\u2581\u2581b\u2581", IMAGE, "\u2581 c")
    ),
    "the end of struck text": _simple(user("<s>a</s>", IMAGE, "</s>"), assistant("b</s>")),
    "markup": _simple(user("<table><tr><td>1</td></tr></table>", IMAGE, "<b>x</b>")),
    "what looks like the frame": _simple(
        user("user\nmodel\n", IMAGE, "model\n"), assistant("user\n"), user("<0x0A>")
    ),
    "edges of words beside an image": _simple(user("the pa", IMAGE, "tient", IMAGE, "s")),
}


def golden(path: Path) -> dict[str, list[Row]]:
    """The ids of every conversation by its name."""
    stored = json.loads(path.read_text("utf-8"))["ids"]
    return {name: [_row(row) for row in rows] for name, rows in stored.items()}


def _row(row: int | list[Any]) -> Row:
    return row if isinstance(row, int) else ("image", row[1])


def rows(items: Sequence[Item]) -> list[Row]:
    """Our prompt, as golden files have it."""
    return [item if isinstance(item, int) else ("image", item.tokens) for item in items]


def pictures(conversation: Conversation, side: int) -> list[Picture]:
    """A grey picture for each of its places, each of another shade."""
    shades = range(1, conversation.images + 1)
    return [imaging.open(np.full((side, side, 3), n, np.uint8), side=side) for n in shades]
