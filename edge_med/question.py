"""What is asked, as one value: a conversation, and how its answer is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from edge_med.config import Options
from edge_med.errors import UsageError
from edge_med.messages import Message


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        messages: the whole conversation, with its pictures fitted to the model.
        options: how the answer is written.
    """

    messages: tuple[Message, ...]
    options: Options


class Shown(TypedDict, total=False):
    """What may be given with a prompt: keyword arguments (PEP 692).

    Attributes:
        image: one image: a path, bytes, an image of Pillow's, an array, or a `Picture`.
        images: several.
        system: a system text.
    """

    image: Any
    images: Sequence[Any]
    system: str | None


class Given(Shown, total=False):
    """The same, with how the answer is written.

    Attributes:
        options: how the answer is written.
    """

    options: Options


def check_given(options: object, images: object) -> None:
    """Refuse what isn't of the kind that `Given` says.

    Raises:
        UsageError: it isn't.
    """
    if not isinstance(options, Options):
        raise UsageError("The options aren't Options.", "Give options=Options(max_new_tokens=…).")
    if isinstance(images, str | bytes) or not isinstance(images, Iterable):
        raise UsageError("images isn't a list.", "Give images=[…], or a single one as image=….")
