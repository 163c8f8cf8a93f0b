"""Write one GGUF file from front to back, under a name that says it isn't whole yet."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from converters.conversion_plan import FilePlan, TensorPlan
from converters.stages import Stopwatch
from edge_med import _platform
from edge_med.artifacts.file_names import PARTIAL
from edge_med.artifacts.manifest import FileEntry, TensorEntry
from edge_med.errors import REPORT, DiskShortError, EdgeMedError
from edge_med.units import show_size

SYNC_BYTES = 64 << 20
"""Bytes are brought to the disk in portions, during the work, so that none are left at the end."""

_SPACE = "Free some space, or choose another --out."
_DISK_ERRORS = {
    errno.ENOSPC: (
        "The disk became full while {name} was written; {free} are left.",
        _SPACE,
    ),
    errno.EDQUOT: ("Your disk quota was reached while {name} was written.", _SPACE),
    errno.EFBIG: (
        "{name} is larger than this drive's file system allows; FAT32 ends at 4 GiB.",
        "Choose an --out on another drive, or format this one as exFAT.",
    ),
}


@contextlib.contextmanager
def disk_errors(what: str, folder: Path) -> Iterator[None]:
    """Raise errors of a disk that is too small as `DiskShortError`.

    Raises:
        DiskShortError: the disk is full, or can't hold so large a file.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        message, hint = _DISK_ERRORS[error.errno]
        free = show_size(shutil.disk_usage(folder).free)
        raise DiskShortError(message.format(name=what, free=free), hint) from None


class FileWriter:
    """Writes a planned file to `NAME.partial` and hashes it on the way.

    Tensors must come in the order of the plan, each in slabs from its first byte to its last.
    """

    def __init__(self, folder: Path, plan: FilePlan, watch: Stopwatch) -> None:
        self.plan = plan
        self.partial = folder / (plan.name + PARTIAL)
        self._watch = watch
        self._file = self.partial.open("wb", buffering=0)
        self._hash = hashlib.sha256()
        self._tensor_hash = hashlib.sha256()
        self._entries: list[TensorEntry] = []
        self._waiting = iter(plan.tensors)
        self._tensor = next(self._waiting)
        self._written = 0
        self._unsynced = 0
        self._hasher = ThreadPoolExecutor(1, "hash-file")
        self._syncer = ThreadPoolExecutor(1, "sync")
        self._sync: Future[None] | None = None

    def start(self) -> None:
        """Write the header.

        Raises:
            DiskShortError: the disk is full.
        """
        self._put(memoryview(self.plan.header))
        self._tensor_hash = hashlib.sha256()

    def write(self, tensor: TensorPlan, slab: memoryview) -> None:
        """Append the next slab of a tensor.

        Raises:
            DiskShortError: the disk is full.
        """
        if tensor is not self._tensor:
            raise EdgeMedError(f"{tensor.name} came before {self._tensor.name} was whole.", REPORT)
        self._put(slab)
        self._written += slab.nbytes
        if self._written == tensor.size:
            self._finish_tensor()

    def finish(self) -> FileEntry:
        """Bring the file to the disk and say what it holds; it keeps its partial name.

        Raises:
            DiskShortError: the disk is full.
        """
        with self._watch.time("sync"), disk_errors(self.plan.name, self.partial.parent):
            self._stop_threads()
            self._raise_sync_error()
            _platform.sync_file(self._file.fileno())
        self._file.close()
        plan = self.plan
        entries = tuple(self._entries)
        if len(entries) != len(plan.tensors) or self.partial.stat().st_size != plan.size:
            raise EdgeMedError(f"{plan.name} was not written as planned.", REPORT)
        digest = self._hash.hexdigest()
        return FileEntry(plan.name, plan.role, plan.quant, plan.size, digest, entries)

    def abandon(self) -> None:
        """Close and remove the partial file."""
        self._stop_threads()
        with contextlib.suppress(OSError):  # the next run sweeps what can't be removed now
            self._file.close()
            self.partial.unlink(missing_ok=True)

    def _finish_tensor(self) -> None:
        tensor = self._tensor
        offset = len(self.plan.header) + tensor.offset
        digest = self._tensor_hash.hexdigest()
        self._entries.append(
            TensorEntry(tensor.name, tensor.type.name, tensor.shape, offset, tensor.size, digest)
        )
        following = next(self._waiting, None)
        end = self.plan.size - len(self.plan.header) if following is None else following.offset
        self._put(memoryview(bytes(end - tensor.offset - tensor.size)))
        self._tensor_hash, self._written = hashlib.sha256(), 0
        if following is not None:
            self._tensor = following

    def _put(self, data: memoryview) -> None:
        """Write bytes while another thread hashes them; a tensor's slab counts for both hashes."""
        hashed = self._hasher.submit(self._watch.timed, "hash", self._update_hashes, data)
        with disk_errors(self.plan.name, self.partial.parent):
            self._write_all(data)
            self._sync_in_background(data.nbytes)
        hashed.result()

    def _update_hashes(self, data: memoryview) -> None:
        self._hash.update(data)
        self._tensor_hash.update(data)

    def _write_all(self, data: memoryview) -> None:
        """A raw file may take less than it is given."""
        left = data.cast("B")
        with self._watch.time("write"):
            while left:
                left = left[_platform.write(self._file, left) :]

    def _stop_threads(self) -> None:
        self._hasher.shutdown(wait=True)
        self._syncer.shutdown(wait=True)

    def _sync_in_background(self, written: int) -> None:
        self._unsynced += written
        if self._unsynced >= SYNC_BYTES and (self._sync is None or self._sync.done()):
            self._raise_sync_error()
            # The last sync goes through the drive's own cache (_platform); these needn't.
            self._sync = self._syncer.submit(os.fsync, self._file.fileno())
            self._unsynced = 0

    def _raise_sync_error(self) -> None:
        """Linux tells of lost bytes once for each open file: what isn't heard here is lost."""
        if self._sync is not None:
            self._sync.result()
