"""Turn the bytes of tokens into text that may be shown."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Sequence

from edge_med.answers import Piece, PieceKind


class StreamingDetokenizer:
    """The text of an answer, released as soon as it can't become a stop text any more.

    The first stop text to be complete ends the answer; of those that end with it, the longest. It
    is cut off, with all that follows, and whatever is added later is left out.

    Attributes:
        stopped: the stop text that was met; None if none was.
    """

    def __init__(
        self, stop: Sequence[str] = (), kind: PieceKind = "answer", label: str = ""
    ) -> None:
        """Begin a text.

        Args:
            stop: texts that end it.
            kind: the kind of its pieces.
            label: left out where the text begins with it.
        """
        self._kind = kind
        self._label = label
        self._stripping = False
        self._stop = tuple(stop)
        self._longest = max(map(len, self._stop), default=0)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._tokens: deque[tuple[int, int]] = deque()  # (characters before it, id), not released
        self._released = 0  # characters
        self._parts: list[str] = []
        self.stopped: str | None = None

    @property
    def text(self) -> str:
        """Everything that was released."""
        return "".join(self._parts)

    @property
    def begun(self) -> bool:
        """Whether there is any text yet, emitted or not."""
        return bool(self._held) or any(self._parts)

    def add(self, data: bytes, id: int) -> Piece | None:
        """Take a token's bytes; the text that they release, and the ids of its tokens.

        An id comes once, with the first of its text. A token without text of its own, such as a
        part of a character, waits for the text after it.
        """
        if self.stopped is not None:
            return None
        self._tokens.append((self._released + len(self._held), id))
        self._held += self._decoder.decode(data)
        if not self._lead_is_over():
            return None
        return self._stopped_piece() or self._piece(len(self._held) - self._could_stop())

    def finish(self) -> Piece | None:
        """What is left when no token follows; a mark stands for a character that was cut off."""
        if self.stopped is not None:
            return None
        self._held += self._decoder.decode(b"", final=True)
        return self._stopped_piece() or self._piece(len(self._held), last=True)

    def strip(self) -> None:
        """Leave out the white space that comes next."""
        self._stripping = True

    def _lead_is_over(self) -> bool:
        """Leave out what shan't be shown at the beginning; false as long as that may go on."""
        drop = 0
        if self._label:
            if self._held != self._label and self._label.startswith(self._held):
                return False
            drop = len(self._label) if self._held.startswith(self._label) else 0
            self._label = ""
        elif self._stripping:
            drop = len(self._held) - len(self._held.lstrip())
            self._stripping = drop == len(self._held)
        self._held = self._held[drop:]
        self._released += drop
        return not self._stripping

    def _stopped_piece(self) -> Piece | None:
        """The last piece, if a stop text was met."""
        met = [(at + len(s), at, s) for s in self._stop if (at := self._held.find(s)) >= 0]
        if not met:
            return None
        _, at, self.stopped = min(met)
        self._held = self._held[:at]
        return self._piece(at, last=True)

    def _could_stop(self) -> int:
        """How many of the last characters are the beginning of a stop text."""
        for count in range(min(self._longest - 1, len(self._held)), 0, -1):
            tail = self._held[-count:]
            if any(stop.startswith(tail) for stop in self._stop):
                return count
        return 0

    def _piece(self, count: int, *, last: bool = False) -> Piece | None:
        text, self._held = self._held[:count], self._held[count:]
        self._released += count
        self._parts.append(text)
        ids = []
        while self._tokens and (last or self._tokens[0][0] < self._released):
            ids.append(self._tokens.popleft()[1])
        return Piece(self._kind, text, tuple(ids)) if text or ids else None
