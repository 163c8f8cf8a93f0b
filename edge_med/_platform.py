"""All that differs between Linux, macOS and Windows; nothing else asks which one it is."""

from __future__ import annotations

import contextlib
import errno
import importlib
import importlib.metadata
import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path, PurePosixPath
from typing import Any

from edge_med.errors import BusyError, EngineError, InputError

SYSTEM: str = sys.platform
"""`linux`, `darwin` or `win32`; tests change it to reach the branches of the others."""

_calls: Any = importlib.import_module("msvcrt" if SYSTEM == "win32" else "fcntl")

LLAMA_CPP_PYTHON = "0.3.36"
"""The one version of llama-cpp-python whose struct layouts and quantized bytes we know."""

LIBRARY_NAMES = {"win32": "{}.dll", "darwin": "lib{}.dylib"}
"""How a shared library's file is called; everywhere else it is `lib{}.so`."""

REPLACE_ATTEMPTS = 10
"""Virus scanners on Windows hold a fresh file for a moment; the waits between add up to 0.9 s."""


def require_llama_cpp_python() -> None:
    """Check the installed llama-cpp-python before any of its structs or functions is touched.

    Raises:
        EngineError: it is missing or of another version than `LLAMA_CPP_PYTHON`.
    """
    hint = f'Install it with: pip install "llama-cpp-python=={LLAMA_CPP_PYTHON}"'
    try:
        found = importlib.metadata.version("llama-cpp-python")
    except importlib.metadata.PackageNotFoundError:
        raise EngineError("llama-cpp-python isn't installed.", hint) from None
    if found != LLAMA_CPP_PYTHON:
        raise EngineError(
            f"llama-cpp-python {found} is installed, but this version of edge-med works "
            f"with {LLAMA_CPP_PYTHON} only.",
            hint,
        )


def native_library(name: str) -> Path:
    """Where llama-cpp-python keeps one of its shared libraries, without importing it.

    Args:
        name: the library's name without prefix and suffix, such as `ggml-base`.

    Raises:
        EngineError: the package or the library is missing, or of another version.
    """
    require_llama_cpp_python()
    package = importlib.util.find_spec("llama_cpp")
    if package is None or package.origin is None:
        raise EngineError("llama-cpp-python is installed, but can't be found.", "Install it again.")
    file_name = LIBRARY_NAMES.get(SYSTEM, "lib{}.so").format(name)
    path = Path(package.origin).parent / "lib" / file_name
    if not path.is_file():
        raise EngineError(
            f"llama-cpp-python has no {file_name}.",
            "Install it again: "
            f'pip install --force-reinstall "llama-cpp-python=={LLAMA_CPP_PYTHON}"',
        )
    return path


def usable_cores() -> int:
    """How many cores this process may use: its affinity, and its share of a container's quota."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(cores, _container_cores() or cores))


def _container_cores(
    root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")
) -> int | None:
    """The smallest CPU quota of the Linux control groups that this process is in; None for none.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max), cgroup-v1 (cpu.cfs_*).
    """
    quotas = [_quota(folder) for folder in _control_groups(root, membership)]
    return min((cores for cores in quotas if cores is not None), default=None)


def _control_groups(root: Path, membership: Path) -> Iterator[Path]:
    """The folders of the groups, from the outermost in; a limit of any holds for all inside."""
    lines = membership.read_text().splitlines() if membership.is_file() else ["0::/"]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        folder = root / "cpu" if controllers else root
        for name in ("", *PurePosixPath(path).parts[1:]):
            folder /= name
            yield folder


def _quota(group: Path) -> int | None:
    """A group's quota in cores, rounded up."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = (group / "cpu.max").read_text().split()
        return None if quota == "max" else -(-int(quota) // int(period))
    with contextlib.suppress(OSError, ValueError):
        used = int((group / "cpu.cfs_quota_us").read_text())
        period_us = int((group / "cpu.cfs_period_us").read_text())
        return None if used < 0 else -(-used // period_us)
    return None


def sync_file(descriptor: int) -> None:
    """Bring a file's bytes to the disk, and on macOS past the drive's own cache."""
    if SYSTEM == "darwin":
        with contextlib.suppress(OSError):  # network drives refuse it
            _calls.fcntl(descriptor, _calls.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries to the disk, so that a rename survives a power cut."""
    if SYSTEM == "win32":  # a folder can't be opened there; NTFS journals the rename
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        sync_file(descriptor)
    except OSError as error:
        # Some network drives sync no folder; PostgreSQL passes over the same two (fd.c).
        if error.errno not in (errno.EBADF, errno.EINVAL):
            raise
    finally:
        os.close(descriptor)


def replace(source: Path, target: Path) -> None:
    """Rename a file over another in one step, and wait out a virus scanner that holds either."""
    for attempt in range(1, REPLACE_ATTEMPTS + 1):
        try:
            source.replace(target)
        except PermissionError:
            if SYSTEM != "win32" or attempt == REPLACE_ATTEMPTS:
                raise
            time.sleep(0.02 * attempt)
        else:
            return


@contextlib.contextmanager
def locked(path: Path, busy: str) -> Iterator[None]:
    """Hold a lock file for as long as the block runs; the system drops it if the process dies.

    Args:
        path: the lock file; it is made if missing and stays.
        busy: the message for whoever finds it taken.

    Raises:
        BusyError: another process holds it.
        InputError: the drive can't lock files.
    """
    with path.open("a+b") as file:
        try:
            _lock(file.fileno())
        except (BlockingIOError, PermissionError):  # EWOULDBLOCK of flock, EACCES of locking
            raise BusyError(busy, "Wait until it has finished, then run this again.") from None
        except OSError as error:
            raise InputError(
                f"{path.parent.name} is on a drive that can't lock files: {error.strerror}.",
                "Choose a folder on a local disk.",
            ) from None
        try:
            yield
        finally:
            if SYSTEM == "win32":  # closing alone may unlock later only (docs of UnlockFile)
                _calls.locking(file.fileno(), _calls.LK_UNLCK, 1)


def _lock(descriptor: int) -> None:
    if SYSTEM == "win32":
        _calls.locking(descriptor, _calls.LK_NBLCK, 1)
    else:
        _calls.flock(descriptor, _calls.LOCK_EX | _calls.LOCK_NB)


def write(file: FileIO, data: memoryview) -> int:
    """Write to an unbuffered file; returns how many bytes it took. Tests cut the power here."""
    return file.write(data)
