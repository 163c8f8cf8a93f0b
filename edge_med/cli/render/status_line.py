"""One line on stderr that says what the model is doing; it disappears when the answer begins."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from edge_med.answers import STAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_med.answers import PieceKind, Progress
    from edge_med.imaging import Picture, Study


class StatusLine:
    """The line; nothing is shown where stderr isn't a terminal."""

    def __init__(self, *, hidden: bool) -> None:
        """Prepare the line; `hidden` keeps it away.

        Attributes:
            images: number of images to be encoded, as far as is known.
            quiet: whether nothing is shown at all.
        """
        from rich.console import Console

        self._console = Console(stderr=True)
        self._hidden = hidden or not self._console.is_terminal
        self._status = self._console.status("")
        self.images = 1
        self.quiet = hidden
        self._seen = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.clear()

    def show(self, progress: Progress) -> None:
        """Say how far it is."""
        self._seen += progress.stage == "encode" and progress.done == progress.total
        if self._hidden:
            return
        left = progress.seconds_left
        parts = [STAGES[progress.stage]]
        begun = self._seen > 0 or progress.stage != "load"
        if begun and self._seen < self.images > 1:
            parts = [f"looking at image {self._seen + 1} of {self.images}"]
        elif progress.total > 1:
            parts.append(f"{progress.done} of {progress.total} tokens")
        if left is not None and left >= 1:
            parts.append(f"{left:.0f} s left")
        self._say(", ".join(parts))

    def expect_images(self, images: Sequence[Picture | Study]) -> None:
        """Let it count images that will be looked at; the same one only once."""
        from edge_med.imaging.volume.study import all_pictures

        self.images = len({picture.sha256 for picture in all_pictures(images)})

    def write(self, kind: PieceKind) -> None:
        """Say that the model writes what isn't shown: its thought, or what comes whole."""
        if not self._hidden:
            self._say({"thought": "thinking", "answer": "writing"}[kind])

    def _say(self, text: str) -> None:
        self._status.update(text)
        self._status.start()

    def clear(self) -> None:
        """Take the line away."""
        if not self._hidden:
            self._status.stop()
