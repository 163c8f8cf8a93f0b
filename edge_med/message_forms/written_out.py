"""Conversations that were written out as a text, of which the model would read the letters."""

from __future__ import annotations

import json
import re

from edge_med.errors import AS_LIST, AS_MESSAGES, FROM_JSON, PromptError
from edge_med.message_forms.keys import IMAGE_TYPES, ROLES, TEXT_TYPES

_TURNS = re.compile(
    r"\s*(?:<bos>|<start_of_turn>(?:user|model)\n|<s>\s*\[INST\]|<\|im_start\|>|<\|begin_of_text\|>)"
)
"""How a prompt begins that a chat template has written: Gemma's, Mistral's, ChatML's, Llama's."""

_OBJECTS = re.compile(r"\s*[\[{].*[\]}]\s*", re.DOTALL)
_SHOWN = re.compile(
    rf"""(['"]?)\brole\1\s*:\s*(['"])(?:{"|".join(ROLES)})\2|"""
    rf"""(['"]?)\btype\3\s*:\s*(['"])(?:{"|".join(sorted(IMAGE_TYPES))})\4"""
)
"""A message or an image as Python shows them, or JSON that isn't whole."""


def check_prompt(prompt: str) -> None:
    """Refuse a prompt in which turns stand already.

    Raises:
        PromptError: they do.
    """
    if begins := _TURNS.match(prompt):
        raise PromptError(
            f"The prompt begins with {begins[0].split()[0]}, as a chat template writes it: the "
            "turns are put around it here, and the model would read these marks as letters.",
            f"{AS_MESSAGES}.",
        )


def check_text(text: str) -> None:
    """Refuse messages, or parts of one, that were written out as JSON or as Python shows them.

    Raises:
        PromptError: so they were.
    """
    if not _OBJECTS.fullmatch(text):
        return
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        if _SHOWN.search(text):
            raise _letters("as Python shows them", AS_LIST) from None
        return
    rows = found.get("messages", [found]) if isinstance(found, dict) else found
    if rows and isinstance(rows, list) and all(map(_is_message, rows)):
        raise _letters("in JSON", FROM_JSON)


def _letters(how: str, hint: str) -> PromptError:
    return PromptError(
        f"A text is messages {how}, or parts of one: the model would read its letters.",
        f"{hint}.",
    )


def _is_message(row: object) -> bool:
    """Whether it is a message, or a part of one."""
    if not isinstance(row, dict):
        return False
    kind = str(row.get("type"))
    part = kind in IMAGE_TYPES or (kind in TEXT_TYPES and isinstance(row.get("text"), str))
    return str(row.get("role")) in ROLES or part
