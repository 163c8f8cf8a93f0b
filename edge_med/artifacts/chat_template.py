"""Whether a text model takes turns, and whether its chat template is Gemma's: by their content.

A template is never run, and its hash says little, for any save may change its spaces. What counts
is whether it writes Gemma's turns, and no text of its own besides. Without one, a model that knows
the tokens of turns is asked in turns, unless the checkpoint that it was converted from says that it
is a base model.
"""

from __future__ import annotations

import functools
import re
from typing import Literal

from edge_med.artifacts.gguf import Header
from edge_med.artifacts.json_section import short
from edge_med.artifacts.template_text import begins_twice, changes, literals

START, END = "<start_of_turn>", "<end_of_turn>"

TEMPLATE = "tokenizer.chat_template"
SAID = "edge_med.turns"
"""Key of our files without a template: `gemma` or `none`, by what its checkpoint ends answers with.
The key works for base models of others without a template too."""

ENDS = "edge_med.ends"
"""Key of our files: ids that end an answer besides those that llama.cpp finds by itself."""

Turns = Literal["gemma", "foreign", "assumed", "none"]
"""`gemma`: by its template. `foreign`: the template writes others, or more than turns. `assumed`:
there is no template, and Gemma's turns are given. `none`: a base model, which continues a text."""

_FOREIGN = (
    "The chat template of this model isn't Gemma's, and isn't applied: the model is asked in "
    "Gemma's turns all the same, which it may not have been trained with."
)
_ASSUMED = (
    "This model has no chat template. It knows Gemma's turns and is asked in them: if it was "
    "trained with others, or is a base model, its answers are worth nothing."
)
_NONE = (
    "This is a base model: it continues a text and answers no question. It has no chat template."
)

WORDS: dict[Turns, tuple[str, str]] = {
    "foreign": ("template", _FOREIGN),
    "assumed": ("template", _ASSUMED),
    "none": ("base_model", _NONE),
}
"""Code and sentence of what should be known; nothing of a model with Gemma's template."""


def turns_of(header: Header) -> Turns:
    """What kind of turns a text model's file is for."""
    template = header.text(TEMPLATE)
    if template is not None:
        return by_template(template)
    turns = header.text(SAID)
    if turns is not None:
        return "none" if turns == "none" else "assumed"
    return "assumed" if _knows_turns(header) else "none"


def words(header: Header) -> tuple[str, str] | None:
    """What should be known of a text model's turns, with its code; None of Gemma's own."""
    kind, template = turns_of(header), header.text(TEMPLATE)
    return None if kind == "gemma" else words_of(kind, template)


def words_of(kind: Turns, template: str | None) -> tuple[str, str]:
    """The code and sentence of a kind that isn't Gemma's own, with what shows it."""
    code, text = WORDS[kind]
    why = None if template is None else _foreign(template)
    return code, f"{text} {why}" if why else text


def _knows_turns(header: Header) -> bool:
    """Whether the vocabulary has both tokens; Gemma's are among the first of 262,144."""
    tokens, missing = header.array("tokenizer.ggml.tokens"), {START, END}
    for token in tokens.values() if tokens else ():
        missing.discard(token)
        if not missing:
            return True
    return False


_WRITTEN = (START, END, "model")
"""What every template of Gemma's writes."""

_GEMMAS = re.compile(
    r"<(?:start|end)_of_(?:turn|image)>|<image_soft_token>|<[be]os>|\b(?:model|user)\b"
)
"""All that Gemma 3's own template, and others that do the same, write of themselves."""


_NO_BREAK = re.compile(r"<start_of_turn>(?:[\0 \t\r]|model|user)*+(?!\n)")
"""A turn's role and, maybe in the next of the texts, no line break."""

_BRANCH = (
    r"""==\s*(['"])ROLE\1[\s)]*-?%}\s*(?:\{[{%]-?\s*(?:set\s+\w+\s*=\s*)?['"])?"""
    r"""(?:<start_of_turn>)?OTHER\b"""
)
_SWAPPED = tuple(
    re.compile(pattern.replace("ROLE", role).replace("OTHER", written))
    for role, written in (("user", "model"), ("assistant", "user"))
    for pattern in (
        r"""(['"])OTHER\1\s*if\b[^%}=!]{0,80}==\s*(['"])ROLE\2""",
        r"""(['"])ROLE\1\s*:\s*(['"])OTHER\2""",
        _BRANCH,
    )
)
"""A role that is written as the other's: by a choice, a table, or a branch."""


def by_template(template: str) -> Turns:
    """The kind of a template."""
    return "foreign" if _foreign(template) else "gemma"


@functools.lru_cache(8)
def _foreign(template: str) -> str | None:
    """What in a template shows that it isn't Gemma's, as a sentence; None if it is."""
    found = list(literals(template))
    for mark in _WRITTEN:
        if not any(mark in text for text in found):
            return f"It has no {mark}."
    own = (" ".join(_GEMMAS.sub(" ", text).split()) for text in found)
    if written := next(filter(None, own), None):
        return f"It writes {short(written)}."
    if change := next(changes(template), None):
        return f"It changes messages by {short(change)}."
    if begins_twice(template):
        return "It writes <bos> twice."
    if any(swapped.search(template) for swapped in _SWAPPED):
        return "It gives a user's turn to the model, or a model's to the user."
    return "A role isn't followed by a new line." if _NO_BREAK.search("\0".join(found)) else None
