"""What every task is: passive. The driver shows it logits, and it says what to read next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from edge_med.engine.cache.ledger import Item
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.prefill import PrefillStats
from edge_med.errors import CancelledError
from edge_med.imaging import Picture


@dataclass(frozen=True, slots=True)
class TaskPrompt:
    """What is read before the first step.

    Attributes:
        items: token ids and images.
        pictures: the pictures of the images, by their keys.
        adapters: scales of the adapters that are applied, by name.
    """

    items: Sequence[Item]
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    adapters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """What a task wants next.

    Attributes:
        tokens: tokens to read, each with a row of logits after it; none ends the task.
        checkpoint: whether the place before them can be gone back to without computing.
    """

    tokens: Sequence[int] = ()
    checkpoint: bool = False


class Task(Protocol):
    """Something that is done with a prompt.

    Attributes:
        prompt: the prompt that the task begins with.
        prompt_checkpoint: whether the end of the prompt can be gone back to without computing,
            whatever becomes of the task.
        end_checkpoint: whether the place where it ends can be gone back to.
    """

    prompt: TaskPrompt
    prompt_checkpoint: bool
    end_checkpoint: bool

    def prefilled(self) -> None:
        """The prompt has been read."""

    def step(self, rows: Iterator[Floats], tokens_left: int) -> Step:
        """Go on.

        Args:
            rows: logits [vocabulary] after the prompt, later after each token of the last step;
                each is valid until the next.
            tokens_left: number of tokens that the context still takes.
        """

    def cancelled(self, error: CancelledError) -> None:
        """The user wants no more: end with what there is, or raise the error."""

    def finish(self, stats: PrefillStats) -> None:
        """It has ended; `stats` are of its prompt."""


Ending = Literal["stop", "length", "cancelled"]
"""Why a continuation ended."""
