"""The integrity of a model's files: their hashes are compared while the first answers are written.

A file that was damaged on its way here is as long as it was, and answers. So every file is read
once after it came, by a thread that steps back behind whatever else computes; small ones at once.
"""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

from edge_med import _platform
from edge_med.answers import Answer, Integrity, Notice, Score
from edge_med.errors import ArtifactError
from edge_med.library.known_hashes import Facts, KnownHash, SeenFiles, facts_of

SMALL = 64 << 20
"""Bytes of a file that is read before it is loaded: that takes a fifth of a second at most."""

PIECE = 1 << 20
"""Bytes between two checks for a stop."""

UNVERIFIED = Notice(
    "unverified",
    "The model's files haven't been compared with their hashes yet: that is done during the first "
    "answers on this machine. edge-med verify does it at once.",
)


Note = Callable[[Path, Facts, str], None]
Stopped = Callable[[], bool]
Result = TypeVar("Result", bound=Answer | Score)


@dataclass(frozen=True, slots=True)
class HashedFile:
    """A file of a model, with its hash if a manifest has it."""

    role: Literal["text", "projector", "part"]
    path: Path
    sha256: str | None


class Watch:
    """Compares the files of a loaded model with their hashes; all methods in any thread.

    Without a hash to compare with, a file is noted as it is seen first, and a change is reported
    with every load, until `edge-med verify` has accepted the file.
    """

    def __init__(self, files: Sequence[HashedFile], folder: Path | None = None) -> None:
        """Look up what was read before, and read what is small.

        Args:
            files: files of a model.
            folder: folder of our state.

        Raises:
            ArtifactError: a file isn't what its manifest says.
        """
        self._seen, self._files = SeenFiles(folder), tuple(files)
        self._found: dict[Path, str] = {}
        self._changed: list[Notice] = []
        self._thread: threading.Thread | None = None
        self._lock, stop = threading.Lock(), threading.Event()
        self._stop = weakref.finalize(self, stop.set)
        self._stopped = stop.is_set
        with suppress(OSError):  # whoever opens it says so
            for file in self._files:
                known = self._seen.known(file.path)
                if known is not None:
                    self._compare(file, known)
                elif file.path.stat().st_size <= SMALL and (read := _hashed(file.path)):
                    self._note(file.path, *read)
        self.refuse()

    @property
    def integrity(self) -> Integrity:
        """Of all files together."""
        if any(self._damaged()):
            return "damaged"
        if any(file.sha256 and file.path not in self._found for file in self._files):
            return "unverified"
        return "verified" if all(file.sha256 for file in self._files) else "unlisted"

    @property
    def notices(self) -> list[Notice]:
        """What the user should know of the files, as of now."""
        damaged = [Notice("damaged", _damage(file)) for file in self._damaged()]
        waiting = [UNVERIFIED] if self.integrity == "unverified" else []
        return [*damaged, *self._changed, *waiting]

    def refuse(self) -> None:
        """Refuse further answers, if a file is damaged.

        Raises:
            ArtifactError: so it is.
        """
        for file in self._damaged():
            raise ArtifactError(
                _damage(file),
                f"Copy or convert it again; see what is damaged with: edge-med verify {file.path}",
            )

    def begin(self) -> None:
        """Read the remaining files in a thread of low priority."""
        with self._lock:
            idle = self._thread is None or not self._thread.is_alive()
            if idle and not self._stopped() and self._left:
                work = (tuple(self._left), weakref.WeakMethod(self._note), self._stopped)
                self._thread = threading.Thread(
                    target=_read, args=work, name="edge-med hashes", daemon=True
                )
                self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait until the reading has ended, for so long at the most; says whether it has."""
        if (thread := self._thread) is not None:
            thread.join(seconds)
        return thread is None or not thread.is_alive()

    def stop(self) -> None:
        """Read no further; nobody waits for that."""
        self._stop()

    def marked(self, answer: Result) -> tuple[Result, list[Notice]]:
        """An answer or a score with the integrity and the hashes of the files, and the notices."""
        notices, source = self.notices, answer.provenance
        hashes = {file.role: self._found.get(file.path) for file in self._files}
        provenance = replace(
            source,
            model_sha256=source.model_sha256 or hashes.get("text"),
            projector_sha256=source.projector_sha256 or hashes.get("projector"),
            integrity=self.integrity,
        )
        result = replace(answer, notices=(*answer.notices, *notices), provenance=provenance)
        return result, notices

    @property
    def _left(self) -> list[Path]:
        return [file.path for file in self._files if file.path not in self._found]

    def _damaged(self) -> Iterator[HashedFile]:
        for file in self._files:
            if file.sha256 and self._found.get(file.path, file.sha256) != file.sha256:
                yield file

    def _note(self, path: Path, facts: Facts, found: str) -> None:
        """A file was read."""
        for file in self._files:
            if file.path == path:
                self._compare(file, found)
        self._seen.note(path, facts, found)

    def _compare(self, file: HashedFile, found: str) -> None:
        """Without a manifest, a file is what it was first, until somebody says otherwise."""
        first = None if file.sha256 else self._seen.first(file.path)
        if first and first.sha256 != found:
            self._changed.append(_changed(file.path, first))
        self._found[file.path] = found


def _read(paths: Sequence[Path], note: weakref.WeakMethod[Note], stopped: Stopped) -> None:
    """Read files one after the other, as long as anybody wants to know."""
    _platform.step_back()
    for path in paths:
        with suppress(OSError):
            read = _hashed(path, stopped)
            notify = note()
            if read and notify:
                notify(path, *read)
            del notify  # a watch that is only kept here has no model any more


def _hashed(path: Path, stopped: Stopped = lambda: False) -> tuple[Facts, str] | None:
    """What a file is; None if it was stopped, or the file changed meanwhile."""
    before, digest, piece = facts_of(path), hashlib.sha256(), memoryview(bytearray(PIECE))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(piece):
            if stopped():
                return None
            digest.update(piece[:count])
    return (before, digest.hexdigest()) if facts_of(path) == before else None


def _damage(file: HashedFile) -> str:
    return f"{file.path.name} is damaged: its bytes don't match the hash in its manifest."


def _changed(path: Path, before: KnownHash) -> Notice:
    return Notice(
        "changed",
        f"{path.name} is another file than on {before.day}, when edge-med read it first, and no "
        f"manifest has its hash. To accept the file of today: edge-med verify {path.name}",
    )
