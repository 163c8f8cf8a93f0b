"""What an answer's form is asked while it is written, be it a grammar or a schema."""

from __future__ import annotations

from typing import Protocol

from edge_med.engine.llama.arrays import Floats


class AnswerForm(Protocol):
    """The form of one answer, and how much of it is written."""

    @property
    def finished(self) -> bool:
        """Whether the answer may end here."""

    @property
    def closed(self) -> bool:
        """Whether it must end here."""

    def fits(self, token: int) -> bool:
        """Whether a token may come next; a control token never may, an end where it may end.

        Raises:
            SchemaError: it would take too long to say.
        """

    def accept(self, token: int) -> None:
        """Write a token down that fits; an end changes nothing.

        Raises:
            SchemaError: it doesn't fit.
        """

    def mask(self, logits: Floats) -> Floats:
        """A copy of the logits [vocabulary] that has -inf for every token that doesn't fit.

        Raises:
            SchemaError: it would take too long to say.
        """
