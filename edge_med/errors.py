"""Every error this project raises, and the exit code that each one ends a command with.

    EdgeMedError                       1
    ├── UsageError                     2   the request itself is wrong
    ├── InputError                     3   what was given can't be used
    │   ├── ImageError                 3
    │   ├── PromptError                3
    │   ├── SchemaError                3
    │   └── ContextOverflowError       5
    ├── IntegrityError                 4   a file isn't what it claims to be
    │   ├── CheckpointError            4
    │   ├── ArtifactError              4
    │   └── PairingError               4
    ├── ResourceError                  5   this machine has too little
    │   ├── MemoryShortError           5
    │   └── DiskShortError             5
    ├── EngineError                    6   llama.cpp failed
    │   └── CancelledError           130
    ├── BusyError                      7   somebody else holds it
    └── AccessError                    8   licence or permission

The codes are part of docs/reference/contract.md; nothing below `edge_med.cli` prints or exits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from edge_med.answers import Answer

REPORT = "This is a fault of edge-med: please report it, with the command that you ran."

TEXT = "the error's `text` has the answer"
"""A part of a hint where an answer doesn't fit its schema or grammar."""

AS_IMAGE = "Give it as an image: `image`, or a part {'type': 'image', 'image': …} of a message"
"""A part of a hint where an image stands in a text as letters."""

LOOK = "See why in the log of `edge_med.llama_cpp`"
"""The beginning of a hint where llama.cpp has said more: docs/guide/python.md, "Log"."""

FROM_JSON = "Give what json.loads makes of it, or the question alone"
AS_LIST = "Give the list itself, not str of it, or the question alone"
AS_MESSAGES = (
    "Give the messages, or the question alone; edge_med.compat's tokenizer and processor take such "
    "a text"
)
"""What to do instead of a conversation that was written out; the command line has its own words."""

LISTED = (
    "edge_med.imaging.volume.contents(path) lists them, edge_med.imaging.open(path, series=1,"
    " side=model.side) opens one, which is given as the image"
)
"""The end of a hint where one of several series should be chosen."""


ANSWER_TOKENS = 1024
"""Default of the largest number of tokens of an answer."""

LARGEST = 131_072
"""Tokens of context that MedGemma was made for."""


class EdgeMedError(Exception):
    """Something a user can act on: what happened, and what to do next.

    The hint is a note of the exception as well, so that tracebacks show it.

    Attributes:
        message: one sentence, without a path of ours or a traceback.
        hint: the next step, as a command or a sentence; every error has one. Options in it have
            their names of Python and stand between backticks: the command line writes its flags
            there (`edge_med.cli.shared.hints`).
        exit_code: exit code of a command that ends with this error.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.add_note(f"hint: {hint}")

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        """Errors cross threads and processes whole, hint included."""
        return type(self), (self.message, self.hint)


class UsageError(EdgeMedError):
    """The request itself is wrong: an unknown flag, name or combination."""

    exit_code = 2


class InputError(EdgeMedError):
    """What was given can't be used."""

    exit_code = 3


class ImageError(InputError):
    """An image can't be read as one."""


class PromptError(InputError):
    """A prompt can't be composed."""


class SchemaError(InputError):
    """A schema or grammar can't be used, or an answer doesn't fit it.

    Attributes:
        text: text of the answer that doesn't fit; None without an answer.
        answer: the answer, as far as it was written.
    """

    def __init__(
        self, message: str, hint: str, text: str | None = None, answer: Answer | None = None
    ) -> None:
        super().__init__(message, hint)
        self.text = text
        self.answer = answer

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        return type(self), (self.message, self.hint, self.text, self.answer)


class ContextOverflowError(InputError):
    """The prompt and the answer don't fit the context."""

    exit_code = 5


class IntegrityError(EdgeMedError):
    """A file isn't what it claims to be."""

    exit_code = 4


class CheckpointError(IntegrityError):
    """A Hugging Face checkpoint is damaged, incomplete or of a kind that can't be converted."""


class ArtifactError(IntegrityError):
    """A GGUF file or a manifest is damaged."""


class PairingError(IntegrityError):
    """Files don't belong together: text model and projector or adapter, or two to be compared."""


class ResourceError(EdgeMedError):
    """This machine has too little of something."""

    exit_code = 5


class MemoryShortError(ResourceError):
    """Not enough memory."""


class DiskShortError(ResourceError):
    """Not enough disk."""


class EngineError(EdgeMedError):
    """llama.cpp failed, or isn't the one we were built for."""

    exit_code = 6


class CancelledError(EngineError):
    """The user stopped a call.

    Attributes:
        answer: the part of the answer that was written; None if there was no answer.
    """

    exit_code = 130

    def __init__(self, message: str, hint: str, answer: Answer | None = None) -> None:
        super().__init__(message, hint)
        self.answer = answer

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        return type(self), (self.message, self.hint, self.answer)


class BusyError(EdgeMedError):
    """Another process or another call holds what is needed."""

    exit_code = 7


class AccessError(EdgeMedError):
    """A licence or a permission is missing."""

    exit_code = 8


def too_long(what: str, tokens: int, context: int, hint: str) -> ContextOverflowError:
    """The error of a text or prompt with more tokens than the context.

    Args:
        what: name of the thing that is too long, with its number of tokens.
        tokens: number of its tokens.
        context: number of tokens of the context.
        hint: way to make it shorter; a large enough `context` is added, if a model could have one.
    """
    over = tokens - context
    enough = -(-(tokens + ANSWER_TOKENS) // ANSWER_TOKENS) * ANSWER_TOKENS
    if enough <= LARGEST:
        hint = f"{hint.removesuffix('.')}, or load the model with `context={enough}`."
    return ContextOverflowError(f"{what}, {over} tokens too long for a context of {context}.", hint)


def blind(model: str = "This model") -> ImageError:
    """The error of a model without a projector that is shown an image."""
    return ImageError(
        f"{model} can't see images: it has no projector.",
        "Put its -mmproj- file into the same folder, or convert the whole checkpoint; a projector "
        "of another model isn't used.",
    )
