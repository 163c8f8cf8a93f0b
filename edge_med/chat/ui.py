"""What the chat needs of its surface: a terminal, a pipe, a test."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from edge_med.answers import Piece
from edge_med.errors import EdgeMedError


class UI(Protocol):
    """Shows texts, which may hold anything: making them harmless is the UI's own task.

    Attributes:
        private: whether what is shown goes to the user alone, and into no file: the name of an
            image, which may be a patient's, is shown nowhere else.
    """

    private: bool

    def read(self, prompt: str, *, status: str = "", text: str = "") -> str | None:
        """What the user enters next, of one line or several; None at the end.

        Args:
            prompt: text before the input.
            status: text that may be shown below the input.
            text: text in the input, to be changed.
        """

    def say(self, text: str) -> None:
        """Show what was asked for: a list, help, figures."""

    def notice(self, text: str, *, always: bool = False) -> None:
        """Show what the user should know; `always` even where no notices are wanted."""

    def fail(self, error: EdgeMedError) -> None:
        """Show an error; or raise it, where going on without the user would mislead."""

    def progress(self, text: str) -> None:
        """Show what is being waited for, until something else is shown."""

    def piece(self, piece: Piece) -> None:
        """Show the next part of an answer or a thought."""

    def answering(self, cancel: Callable[[], bool]) -> AbstractContextManager[object]:
        """Show an answer while the block runs, and let the user end it.

        Args:
            cancel: function that ends the answer; true if there was one.
        """

    def confirm(self, question: str, *, otherwise: bool) -> bool:
        """The user's decision; `otherwise` where nobody can be asked."""
