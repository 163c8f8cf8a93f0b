"""Write one GGUF file from front to back, under a name that says it isn't whole yet."""

from __future__ import annotations

import errno
import hashlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from converters.plan import FilePlan, TensorPlan
from converters.stages import Stopwatch
from edge_med import _platform
from edge_med.artifacts.manifest import FileEntry, TensorEntry
from edge_med.artifacts.naming import PARTIAL
from edge_med.errors import DiskShortError, EdgeMedError

SYNC_BYTES = 64 << 20
"""Bytes are brought to the disk in portions, beside the work, so that none are left at the end."""

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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
        self._put(memoryview(plan.header))
        self._tensor_hash = hashlib.sha256()

    def write(self, tensor: TensorPlan, slab: memoryview) -> None:
        """Append the next slab of a tensor.

        Raises:
            DiskShortError: the disk is full.
        """
        if tensor is not self._tensor:
            raise EdgeMedError(f"{tensor.name} came before {self._tensor.name} was whole.")
        self._put(slab)
        self._written += slab.nbytes
        if self._written == tensor.size:
            self._finish_tensor()

    def finish(self) -> FileEntry:
        """Bring the file to the disk and say what it holds; it keeps its partial name."""
        with self._watch.time("sync"):
            self._stop_threads()
            _platform.sync_file(self._file.fileno())
        self._file.close()
        plan = self.plan
        entries = tuple(self._entries)
        if len(entries) != len(plan.tensors) or self.partial.stat().st_size != plan.size:
            raise EdgeMedError(f"{plan.name} was not written as planned.")
        digest = self._hash.hexdigest()
        return FileEntry(plan.name, plan.role, plan.quant, plan.size, digest, entries)

    def abandon(self) -> None:
        """Close and remove the partial file; harmless after `finish`."""
        self._stop_threads()
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
        """Write bytes and hash them beside; the slab of a tensor counts for both hashes."""
        hashed = self._hasher.submit(self._watch.timed, "hash", self._update_hashes, data)
        self._write_all(data)
        hashed.result()
        self._sync_beside(data.nbytes)

    def _update_hashes(self, data: memoryview) -> None:
        self._hash.update(data)
        self._tensor_hash.update(data)

    def _write_all(self, data: memoryview) -> None:
        """A raw file may take less than it is given."""
        left = data.cast("B")
        with self._watch.time("write"):
            try:
                while left:
                    left = left[_platform.write(self._file, left) :]
            except OSError as error:
                raise self._short(error) from None

    def _stop_threads(self) -> None:
        self._hasher.shutdown(wait=True)
        self._syncer.shutdown(wait=True)

    def _sync_beside(self, written: int) -> None:
        self._unsynced += written
        if self._unsynced >= SYNC_BYTES and (self._sync is None or self._sync.done()):
            self._sync = self._syncer.submit(os.fsync, self._file.fileno())
            self._unsynced = 0

    def _short(self, error: OSError) -> Exception:
        if error.errno not in _DISK_FULL:
            return error
        return DiskShortError(
            f"The disk became full while {self.plan.name} was written.",
            f"Free {self.plan.size / 1e9:.1f} GB in {self.partial.parent} or choose another --out.",
        )
