"""All that differs between Linux, macOS and Windows; nothing else asks which one it is."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import platform
import select
import signal
import sys
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from edge_med._platform import children, limits, linux, macos, windows
from edge_med._platform.busy import load as load
from edge_med._platform.linux import container_cores as _container_cores
from edge_med.errors import BusyError, InputError

if TYPE_CHECKING:
    import ctypes
    import subprocess

SYSTEM: str = sys.platform
"""`linux`, `darwin` or `win32`; tests change it to reach the branches of the others."""

MACHINE: str = platform.machine().lower()
"""The processor's family: `x86_64` or `amd64`, `arm64` or `aarch64`."""

_calls: Any = importlib.import_module("msvcrt" if SYSTEM == "win32" else "fcntl")
_resource: Any = None if SYSTEM == "win32" else importlib.import_module("resource")

PATIENCE = 0.2 if SYSTEM == "win32" else None
"""Seconds of one wait for another thread: on Windows a wait hears of Ctrl-C only when it ends."""

REPLACE_ATTEMPTS = 10
"""Virus scanners on Windows hold a fresh file for a moment; the waits between add up to 0.9 s."""


def usable_cores() -> int:
    """How many cores this process may use: its affinity, and its share of a container's quota."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(cores, _container_cores() or cores))


def performance_cores() -> int:
    """How many of the usable cores are worth a thread that computes.

    Threads of a model wait for each other at every step, so cores that are much slower than the
    others, and second threads of a core, hold up more than they help. All count if the system
    doesn't distinguish them.
    """
    usable = usable_cores()
    return min(usable, _module().performance_cores() or usable)


def available_memory() -> int | None:
    """Bytes of memory that this process can still take without swapping; None if it isn't known.

    Memory that holds files which can be read again counts as available, a container's limit as the
    end.
    """
    found: int | None = _module().available_memory()
    return found


def total_memory() -> int | None:
    """Bytes of memory that there are for this process; None if it isn't known."""
    found: int | None = _module().total_memory()
    return found


def cpu_features() -> frozenset[str] | None:
    """What the processor can do, such as AVX2, by ggml's names; None if it isn't known."""
    found: frozenset[str] | None = _module().cpu_features()
    return found


def processor() -> str | None:
    """The processor's model, what it can do, and the system's version; None if it isn't known."""
    found = _module().processor()
    return f"{MACHINE} {platform.system()} {platform.release()} {found}" if found else None


def graphics() -> tuple[str, ...]:
    """The makers of the graphics that are built in: nvidia, amd, intel, apple; driven or not."""
    found: tuple[str, ...] = _module().graphics()
    return found


def _module() -> Any:
    """The module that knows how this system is asked about itself."""
    return {"darwin": macos, "win32": windows}.get(SYSTEM, linux)


def await_line(terminal: int) -> None:
    """Wait until a terminal has a line, in the main thread; Ctrl-C ends the wait at any time.

    Reading alone would miss a Ctrl-C that came when the prompt was shown and the read not begun:
    Python runs its handler once the read has returned. Windows ends the read itself.

    Args:
        terminal: file descriptor of the terminal.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    if SYSTEM == "win32":
        return
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    before = signal.set_wakeup_fd(wakes)
    try:
        while terminal not in select.select([terminal, woken], [], [])[0]:
            os.read(woken, 1)
    finally:
        signal.set_wakeup_fd(before)
        os.close(woken)
        os.close(wakes)


def is_dumb_terminal() -> bool:
    """Whether a terminal can't move its cursor; Windows' own say nothing of themselves, and can."""
    return os.environ.get("TERM", "" if SYSTEM == "win32" else "dumb") == "dumb"


@contextlib.contextmanager
def unseen_typing() -> Iterator[None]:
    """Keep what is typed meanwhile from being shown; it is there for whoever reads next.

    Windows shows nothing of itself before somebody reads.
    """
    if SYSTEM == "win32" or not sys.stdin.isatty():
        yield
        return
    termios: Any = importlib.import_module("termios")
    before = termios.tcgetattr(sys.stdin)
    silent = list(before)
    silent[3] &= ~termios.ECHO  # the local modes
    termios.tcsetattr(sys.stdin, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


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


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read; it appears whole or not at all.

    On Windows a file takes over who may read it from its folder.
    """
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            sync_file(file.fileno())
        replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


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


def limit_process(*, memory: int, files: int) -> None:
    """Take from this process what it doesn't need: memory, open files and core dumps.

    Windows has no such limits for a process of itself.
    """
    limits.limit(_resource, memory=memory, files=files)


def forgo_core_dumps() -> None:
    """Leave nothing of this process on the disk if a fault ends it."""
    limits.forgo_core_dumps(_resource)


def limit_seconds(seconds: int) -> None:
    """End this process once it has computed for so many seconds more."""
    limits.limit_seconds(_resource, seconds)


def end_after_computing(seconds: float) -> None:
    """End this process once it has computed for so long without another call of this.

    It ends by SIGVTALRM, even while something keeps Python's lock; on Windows nothing ends it.
    """
    limits.end_after_computing(seconds)


def go_on_in_children(program: int | None = None) -> bool:
    """Go on in a child, and in another each time one is left by `leave_to_another`.

    Args:
        program: name of the program, as in `children.go_on`.

    Returns:
        whether this is a child. Only Linux forks: macOS's own libraries may break by it.
    """
    if SYSTEM != "linux":
        return False
    children.go_on(program)
    return True


def leave_to_another() -> NoReturn:
    """End this child, so that another takes its place."""
    children.leave()


def open_library(path: Path) -> ctypes.CDLL:
    """Open a shared library, and on Windows those that lie beside it or belong to a GPU's tools.

    Raises:
        OSError: it can't be loaded.
    """
    import ctypes

    if SYSTEM == "win32":
        windows.find_libraries(path.parent)
    return ctypes.CDLL(str(path))


SEPARATE: dict[str, Any] = (
    {"creationflags": windows.SEPARATE} if SYSTEM == "win32" else {"start_new_session": True}
)
"""Of `subprocess.Popen`: a process with a group of its own and no window, so that Ctrl-C is the
program's alone."""


def end_with_this_process(process: subprocess.Popen[bytes]) -> None:
    """Have a process end with this one; elsewhere than on Windows it sees to that by itself."""
    if SYSTEM == "win32":
        windows.end_with_this_process(process)


def go_first_without_memory() -> None:
    """Have the kernel end this process before any other where memory is short; Linux can."""
    if SYSTEM == "linux":
        linux.go_first_without_memory()


def step_back() -> None:
    """Have this thread compute and read behind all others; it may do so at any speed."""
    if SYSTEM == "linux":
        linux.step_back()
    elif SYSTEM == "darwin":
        macos.step_back()
    elif SYSTEM == "win32":
        windows.step_back()


def forbid_dumps() -> None:
    """Keep this process's memory from whoever takes core dumps through a pipe; Linux can."""
    if SYSTEM == "linux":
        linux.forbid_dumps()


def end_process(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started in a session of its own, and its children."""
    children.end(process, group=SYSTEM != "win32")
