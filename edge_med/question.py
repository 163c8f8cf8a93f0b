"""What is asked, as one value: a conversation, and how its answer is written."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar

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
        image: one image: a path, bytes, an open file, an image of Pillow's, an array, or a
            `Picture`.
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


F = TypeVar("F", bound=Callable[..., Any])

DEFAULTS: Mapping[str, Any] = {"image": None, "images": (), "system": None, "options": Options()}
"""Of the arguments of `Given`."""


def shows(kind: type, defaults: Mapping[str, Any]) -> Callable[[F], F]:
    """Has `help` and editors show the keyword arguments that a `**` of a function stands for.

    Args:
        kind: the TypedDict of these arguments.
        defaults: theirs.
    """

    def decorate(function: F) -> F:
        whole = inspect.signature(function)
        named = [p for p in whole.parameters.values() if p.kind is not p.VAR_KEYWORD]
        more = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=defaults[name],
                annotation=getattr(hint, "__forward_arg__", hint),
            )
            for name, hint in kind.__annotations__.items()
        ]
        function.__signature__ = whole.replace(parameters=[*named, *more])  # type: ignore[attr-defined]
        return function

    return decorate


def check_names(given: Mapping[str, object], kind: type) -> None:
    """Refuse a keyword argument that isn't of a kind, as Python does it for others.

    Raises:
        TypeError: there is one.
    """
    for name in given:
        if name not in kind.__annotations__:
            there = ", ".join(kind.__annotations__)
            raise TypeError(f"unexpected keyword argument '{name}'; there are {there}")


def check_given(options: object, images: object) -> None:
    """Refuse what isn't of the kind that `Given` says.

    Raises:
        UsageError: it isn't.
    """
    if not isinstance(options, Options):
        raise UsageError("The options aren't Options.", "Give options=Options(max_new_tokens=…).")
    if isinstance(images, str | bytes) or not isinstance(images, Iterable):
        raise UsageError("images isn't a list.", "Give images=[…], or a single one as image=….")
