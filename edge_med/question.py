"""A question as one value: a conversation, and options of its answer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar

from edge_med.config import Options
from edge_med.documents import is_blank
from edge_med.errors import UsageError
from edge_med.imaging import SliceBudget
from edge_med.messages import Message, Prompt, as_messages, check_sizes


@dataclass(frozen=True, slots=True)
class Question:
    """A question to a model.

    Attributes:
        messages: the whole conversation, with its pictures fitted to the model.
        options: options of the answer.
    """

    messages: tuple[Message, ...]
    options: Options


class PromptArgs(TypedDict, total=False):
    """Keyword arguments of a prompt (PEP 692).

    Attributes:
        image: one image: a path, bytes, an open file, an image of Pillow's, an array, or a
            `Picture`.
        images: several images.
        system: system text.
    """

    image: Any
    images: Sequence[Any]
    system: str | None


class QuestionArgs(PromptArgs, total=False):
    """Keyword arguments of a question.

    Attributes:
        options: options of the answer.
    """

    options: Options


F = TypeVar("F", bound=Callable[..., Any])

DEFAULTS: Mapping[str, Any] = {"image": None, "images": (), "system": None, "options": Options()}
"""Defaults of the arguments of `QuestionArgs`."""


def shows(kind: type, defaults: Mapping[str, Any]) -> Callable[[F], F]:
    """Decorator: `help` and editors show the keyword arguments of a function's `**`.

    Args:
        kind: TypedDict of these arguments.
        defaults: defaults of these arguments.
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
    """Refuse an unknown keyword argument, as Python does.

    Raises:
        TypeError: there is one.
    """
    for name in given:
        if name not in kind.__annotations__:
            there = ", ".join(kind.__annotations__)
            opened = _OPENED.format(name) if name in _OF_IMAGES and "image" in there else ""
            raise TypeError(f"unexpected keyword argument '{name}'; there are {there}{opened}")


_OF_IMAGES = ("series", "slices", "order", "windows", "frame")
"""How an image is opened, which is said where it is (`imaging.open`)."""

_OPENED = "; for an image: image=edge_med.imaging.open(path, {}=…, side=model.side)"


def composed(
    prompt: Prompt,
    given: QuestionArgs,
    *,
    side: int,
    budget: Callable[[Options], SliceBudget],
    sees: bool,
) -> Question:
    """A prompt and its keyword arguments as a question, with images fitted to a model.

    Args:
        prompt: question or conversation.
        given: keyword arguments of the call.
        side: side of the model's square, in pixels.
        budget: function that gives the budget for the slices of a series, for options.
        sees: whether the model has a projector.

    Raises:
        UsageError: an argument is of another type.
        PromptError: the prompt can't be composed.
        ImageError: an image can't be read, or the model can't see.
    """
    options, several = given.get("options", Options()), given.get("images", ())
    _check_given(options, several)
    image = given.get("image")
    found = as_messages(
        prompt,
        images=[*([image] if image is not None else []), *several],
        system=given.get("system"),
        fit=options.fit,
        side=side,
        budget=budget(options),
        sees=sees,
    )
    check_sizes(found, side)
    return Question(found, options)


def _check_given(options: object, images: object) -> None:
    """Refuse what isn't of the kind that `QuestionArgs` says.

    Raises:
        UsageError: it isn't.
    """
    if not isinstance(options, Options):
        raise UsageError(
            f"`options` is of type {type(options).__name__}.",
            "Give options=Options(max_new_tokens=…).",
        )
    no_list = isinstance(images, str | bytes | bytearray | memoryview | Mapping)
    if no_list or hasattr(images, "read") or not isinstance(images, Iterable):
        raise UsageError("`images` isn't a list.", "Give images=[…], or one image as image=….")
    if getattr(images, "ndim", 1) in _ROWS:
        raise UsageError(
            f"`images` is one array of the shape {tuple(images.shape)}: its rows would be images.",  # type: ignore[attr-defined]
            "Give one image as image=…, and several as images=[*array].",
        )


_ROWS = (2, 3)
"""Numbers of dimensions of one image's array; an array of four holds several images."""


def check_asked(messages: Sequence[Message]) -> None:
    """Refuse a conversation whose last question says and shows nothing.

    Raises:
        UsageError: it does, or there is none.
    """
    questions = [message for message in messages if message.role == "user"]
    if not questions or not (questions[-1].pictures or not is_blank(questions[-1].text)):
        raise no_question()


def no_question() -> UsageError:
    """The error of asking nothing."""
    return UsageError("There is no question.", "Give it as a text, or as the last message.")
