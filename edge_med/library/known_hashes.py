"""Hashes of model files that were read before, in a file of our state.

It holds hashes, sizes and times, nothing else: a path stands there as its hash. A file is known
again by its place, size, times and inode, so that one that was copied or changed is read anew.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_med._platform import state_files
from edge_med.library import store

FILE = "files.json"

MOST = 200
"""Largest number of files; the oldest entries are removed."""

Facts = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class KnownHash:
    """A file as it was when it was read: its hash in hexadecimal, and the day."""

    sha256: str
    day: str


def facts_of(path: Path) -> Facts:
    """Facts by which a file is known to be unchanged; its ctime shows a copy with the old mtime."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def all_facts(paths: Iterable[Path]) -> dict[Path, Facts]:
    """Those of files that are there; taken before they are read."""
    return {path: facts_of(path) for path in paths if path.is_file()}


class SeenFiles:
    """What was read before."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` is by default the one for our state."""
        self._path = (folder or store.home() / "state") / FILE

    def known(self, path: Path) -> str | None:
        """The hash of a file that hasn't changed since it was read; None for any other."""
        entry = self._entry(path)
        if entry is None or tuple(entry["facts"]) != facts_of(path):
            return None
        return str(entry["sha256"])

    def first(self, path: Path) -> KnownHash | None:
        """What lay in this place when it was read the first time; None if it never was."""
        entry = self._entry(path)
        if entry is None:
            return None
        first = entry.get("first", entry)
        return KnownHash(first["sha256"], first["day"])

    def note(self, path: Path, facts: Facts, sha256: str) -> None:
        """Remember a file that was read, and what lay in its place first if that was another."""
        first, files = self.first(path), self._others(path)
        day = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
        files[_key(path)] = {"facts": list(facts), "sha256": sha256, "day": day}
        if first and first.sha256 != sha256:
            files[_key(path)]["first"] = {"sha256": first.sha256, "day": first.day}
        state_files.write(self._path, dict(list(files.items())[-MOST:]))

    def forget(self, path: Path) -> None:
        """Remove the entry of a file, so that today's file is accepted."""
        if self._entry(path):
            state_files.write(self._path, self._others(path))

    def _others(self, path: Path) -> dict[str, Any]:
        return {key: entry for key, entry in self._stored().items() if key != _key(path)}

    def _entry(self, path: Path) -> dict[str, Any] | None:
        entry = self._stored().get(_key(path))
        return entry if isinstance(entry, dict) and _is_whole(entry) else None

    def _stored(self) -> Mapping[str, Any]:
        data = state_files.read(self._path)
        return data if isinstance(data, dict) else {}


def _key(path: Path) -> str:
    return hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _is_whole(entry: Mapping[str, Any]) -> bool:
    found = [entry, entry["first"]] if "first" in entry else [entry]
    return isinstance(entry.get("facts"), list) and all(
        isinstance(one, dict) and isinstance(one.get(key), str)
        for one in found
        for key in ("sha256", "day")
    )
