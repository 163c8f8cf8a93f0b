"""A few processes that decode images, so that a broken decoder can't take the program down."""

from __future__ import annotations

import atexit
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from edge_med import _platform
from edge_med._platform import children, usable_cores
from edge_med.errors import EdgeMedError, ImageError, UsageError
from edge_med.imaging.patient_identity import KEY
from edge_med.imaging.sandbox import pipe

MOST = 4
"""Processes at once; more would take memory from the model."""

SECONDS = 30
"""By the clock, for one image; a process that takes longer is ended."""

_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Threads of libraries that are of no use here take addresses from the limit of memory."""

Reply = tuple[dict[str, Any], list[bytearray]]
Part = tuple[Sequence[bytes | str], Sequence[tuple[int, int]]]
"""Some files, and which frames of which of them."""

_ERRORS: dict[str, type[EdgeMedError]] = {"ImageError": ImageError, "UsageError": UsageError}


class Process:
    """One process that decodes."""

    def __init__(self, *, kind: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - this very interpreter
            children.command("edge_med.imaging.sandbox.decoder", parent=os.getpid(), kind=kind),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=children.environment(**_ENVIRONMENT),
            **_platform.SEPARATE,
        )
        _platform.end_with_this_process(self._process)
        self._goes_on = True

    def call(self, job: dict[str, Any], blobs: Sequence[bytes], seconds: float) -> Reply:
        """Have a job done.

        Raises:
            EOFError: the process has ended.
            TimeoutError: it took too long.
        """
        self._goes_on = False  # unless it says so itself
        was_late = threading.Event()
        late = threading.Timer(seconds, self._end_late, [was_late])
        late.daemon = True
        late.start()
        assert self._process.stdin
        assert self._process.stdout
        try:
            pipe.send(self._process.stdin, job, blobs)  # type: ignore[arg-type]
            reply, pixels = pipe.receive(self._process.stdout)  # type: ignore[arg-type]
        except (OSError, ValueError, EOFError) as error:
            raise (TimeoutError if was_late.is_set() else EOFError) from error
        finally:
            late.cancel()
        self._goes_on = bool(reply.pop("goes_on", False))
        return reply, pixels

    def _end_late(self, was_late: threading.Event) -> None:
        was_late.set()
        _platform.end_process(self._process)

    @property
    def pid(self) -> int:
        """The number that the system knows it by."""
        return self._process.pid

    def wait(self, seconds: float) -> int:
        """Wait until it has ended, for so long at the most; returns its exit code."""
        return self._process.wait(seconds)

    @property
    def alive(self) -> bool:
        """Whether it can take a job."""
        return self._goes_on and self._process.poll() is None

    def close(self) -> None:
        """End it."""
        _platform.end_process(self._process)
        with suppress(OSError):
            self._process.communicate()

    def leave(self) -> None:
        """Let go of it without ending it: it belongs to the process that forked this one."""
        self._process.poll()  # not a child of this process, so it counts as ended here
        for pipe_end in (self._process.stdin, self._process.stdout):
            pipe_end.raw.close()  # type: ignore[union-attr] # what is buffered isn't ours to send


class InProgram:
    """What decodes where no process can be started: in a frozen program without Python."""

    alive = True

    def call(self, job: dict[str, Any], blobs: Sequence[bytes], _seconds: float) -> Reply:
        """Have a job done."""
        from edge_med.imaging.sandbox import decoder

        reply, pixels = decoder.answer(job, blobs)
        return reply, [bytearray(memoryview(one).cast("B")) for one in pixels]

    def close(self) -> None:
        """There is nothing to end."""

    leave = close


class Pool:
    """Processes that are started when they are needed, and kept.

    A pool belongs to the process that made it: a program that is forked starts its own.
    """

    def __init__(self, most: int | None = None) -> None:
        self.most = most or max(1, min(MOST, usable_cores()))
        self._renew()

    def _renew(self) -> None:
        self._free = threading.Semaphore(self.most)
        self._lock = threading.Lock()
        self._idle: list[Process | InProgram] = []
        self._living: set[Process | InProgram] = set()

    @property
    def idle(self) -> tuple[Process | InProgram, ...]:
        """Those that have no job."""
        with self._lock:
            return tuple(self._idle)

    @property
    def living(self) -> int:
        """How many there are, with a job or without."""
        return len(self._living)

    def forked(self) -> None:
        """Begin anew in a process that was forked; the processes that there are stay its parent's.

        Nothing is waited for: another thread may have held the lock when the program was forked.
        """
        theirs = self._living
        self._renew()
        for process in theirs:
            process.leave()

    def run(
        self, name: str, sources: Sequence[bytes | str], *, kind: str = "dicom", **job: Any
    ) -> Reply:
        """Have one job done on some files, in one process.

        Args:
            name: name in `decoder.JOBS`.
            sources: bytes or paths of files.
            kind: name of the reader that most likely reads them: a new process is made ready for
                it.
            job: other arguments of the job; `frames` has a pair for each image: of which source,
                and which frame of it.

        Raises:
            ImageError: an image can't be decoded; the process that tried is replaced.
        """
        blobs = [source for source in sources if isinstance(source, bytes)]
        paths = [None if isinstance(source, bytes) else source for source in sources]
        images = max(1, len(job.get("frames", sources)))
        message = {"job": name, "paths": paths, "images": images, "key": KEY, **job}
        with self._process(kind=kind) as process:
            try:
                reply, pixels = process.call(message, blobs, SECONDS * images)
            except (EOFError, TimeoutError) as error:
                raise _unanswered(error, SECONDS * images) from None
            if "error" in reply:
                raise _ERRORS.get(reply["error"], ImageError)(*reply["text"])
        return reply, pixels

    @contextmanager
    def _process(self, *, kind: str) -> Iterator[Process | InProgram]:
        with self._free:
            process = self._idle_process(kind=kind)
            try:
                yield process
            finally:
                if process.alive:
                    with self._lock:
                        self._idle.append(process)
                else:
                    self._end(process)

    def _end(self, process: Process | InProgram) -> None:
        process.close()
        self._living.discard(process)

    def _idle_process(self, *, kind: str) -> Process | InProgram:
        while True:
            with self._lock:
                process = self._idle.pop() if self._idle else None
            if process is None:
                process = _started(kind=kind)
                self._living.add(process)
                return process
            if process.alive:
                return process
            self._end(process)

    def close(self) -> None:
        """End all processes; the next job starts new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            self._end(process)


def _unanswered(error: Exception, seconds: float) -> ImageError:
    reason = "the process that tried has ended"
    if isinstance(error, TimeoutError):
        reason = f"that took more than {seconds:g} s"
    return ImageError(
        f"The image can't be decoded: {reason}.", "Save the image again, uncompressed or as PNG."
    )


def _started(*, kind: str) -> Process | InProgram:
    try:
        return Process(kind=kind)
    except OSError as error:
        if error.errno is None:  # there is no interpreter
            return InProgram()
        raise ImageError(
            f"No process can be started to decode images: {error.strerror}.",
            "Most likely memory is short: close other programs.",
        ) from error
    except RuntimeError as error:  # no thread can be started
        raise ImageError(f"No image can be decoded: {error}.", "Close other programs.") from error


POOL = Pool()
"""That of the program."""

atexit.register(POOL.close)
if hasattr(os, "register_at_fork"):  # Windows never forks
    os.register_at_fork(after_in_child=POOL.forked)
