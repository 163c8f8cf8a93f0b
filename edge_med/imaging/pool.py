"""A few processes that decode images, so that a broken decoder can't take the program down."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from edge_med._platform import usable_cores
from edge_med.errors import EdgeMedError, ImageError, UsageError
from edge_med.imaging import pipe

MOST = 4
"""Processes at once; more would take memory from the model."""

FILES = 64
"""That a process decodes before another takes its place: what a decoder leaks goes with it."""

SECONDS = 30
"""By the clock, for one image; a process that takes longer is ended."""

_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Threads of libraries that are of no use here take addresses from the limit of memory."""

_CODE = """import json, sys
sys.path[:] = json.loads({!r})
from edge_med.imaging import worker
worker.main()"""
"""Not multiprocessing: it would run the program's own main module once more."""

Reply = tuple[dict[str, Any], list[bytearray]]

_ERRORS: dict[str, type[EdgeMedError]] = {"ImageError": ImageError, "UsageError": UsageError}


class Process:
    """One process that decodes."""

    def __init__(self) -> None:
        code = _CODE.format(json.dumps([os.path.abspath(path) for path in sys.path]))  # noqa: PTH100
        self._process = subprocess.Popen(  # noqa: S603 - this very interpreter
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_ENVIRONMENT},
        )
        self.left = FILES

    def call(self, job: dict[str, Any], blobs: Sequence[bytes], seconds: float) -> Reply:
        """Have a job done.

        Raises:
            EOFError: the process has ended, or took too long.
        """
        late = threading.Timer(seconds, self._process.kill)
        late.daemon = True
        late.start()
        assert self._process.stdin
        assert self._process.stdout
        try:
            pipe.send(self._process.stdin, job, blobs)  # type: ignore[arg-type]
            return pipe.receive(self._process.stdout)  # type: ignore[arg-type]
        except (OSError, ValueError) as error:
            raise EOFError from error
        finally:
            late.cancel()

    @property
    def alive(self) -> bool:
        """Whether it can take a job."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it."""
        self._process.kill()
        with suppress(OSError):
            self._process.communicate()


class Pool:
    """Processes that are started when they are needed, and kept."""

    def __init__(self, most: int | None = None) -> None:
        self.most = most or max(1, min(MOST, usable_cores()))
        self._free = threading.Semaphore(self.most)
        self._lock = threading.Lock()
        self._idle: list[Process] = []

    def run(self, name: str, sources: Sequence[bytes | str], **job: Any) -> Reply:
        """Have one job done on some files, in one process.

        Args:
            name: of `worker.JOBS`.
            sources: their bytes or paths.
            job: what else the job needs.

        Raises:
            ImageError: an image can't be decoded; a process that died over it is replaced.
        """
        blobs = [source for source in sources if isinstance(source, bytes)]
        paths = [None if isinstance(source, bytes) else source for source in sources]
        message = {"job": name, "paths": paths, "dicom": True, **job}
        with self._process() as process:
            process.left -= len(sources)
            try:
                reply, pixels = process.call(message, blobs, SECONDS * max(1, len(sources)))
            except EOFError:
                process.left = 0
                raise ImageError(
                    "The image can't be decoded: the process that tried has ended.",
                    "Save the image anew, uncompressed or as PNG.",
                ) from None
            if "error" in reply:
                process.left *= reply["clean"]
                raise _ERRORS.get(reply["error"], ImageError)(*reply["text"])
        return reply, pixels

    def map(
        self, name: str, sources: Sequence[bytes | str], share: int, **job: Any
    ) -> Iterator[Reply]:
        """Have a job done on many files, so many at a time, by all processes; replies in order."""
        parts = [sources[start : start + share] for start in range(0, len(sources), share)]
        with ThreadPoolExecutor(self.most) as threads:
            yield from threads.map(
                lambda part: self.run(name, part, frames=[0] * len(part), **job), parts
            )

    @contextmanager
    def _process(self) -> Iterator[Process]:
        with self._free:
            process = self._taken()
            try:
                yield process
            except BaseException as error:
                if not isinstance(error, EdgeMedError):
                    process.left = 0
                raise
            finally:
                if process.left > 0 and process.alive:
                    with self._lock:
                        self._idle.append(process)
                else:
                    process.close()

    def _taken(self) -> Process:
        while True:
            with self._lock:
                process = self._idle.pop() if self._idle else None
            if process is None:
                return Process()
            if process.alive:
                return process
            process.close()

    def close(self) -> None:
        """End all processes; the next job starts new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            process.close()


POOL = Pool()
"""That of the program."""

atexit.register(POOL.close)
