"""The process that decodes images: it takes jobs on stdin and answers on stdout, until stdin ends.

It has a limit of memory, of open files and of time, and nothing that it prints goes anywhere: a
decoder's complaints may hold what is in the file. Where processes can be forked, the first one
never sees a file: it has loaded what all need, and its children decode, one after the other.
"""

from __future__ import annotations

import importlib
import itertools
import logging
import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, BinaryIO, NoReturn

import numpy as np
from PIL import AvifImagePlugin, Image

from edge_med import _platform
from edge_med._platform import children
from edge_med._platform import parent as _parent
from edge_med.errors import EdgeMedError, ImageError, UsageError
from edge_med.imaging import time_limit
from edge_med.imaging.file_limits import DAMAGED
from edge_med.imaging.files import image_files
from edge_med.imaging.files.sniff import HEAD
from edge_med.imaging.fit import FITS
from edge_med.imaging.photo.photo import Photo
from edge_med.imaging.picture_facts import About
from edge_med.imaging.readers.reader_table import (
    BY_NAME,
    DecodedFrame,
    OpenedFile,
    Source,
    reader_for,
    reader_of,
)
from edge_med.imaging.sandbox import pipe

MEMORY = 3 << 30
"""Bytes of addresses: the largest picture in RGB, its file, its square, and what libraries take."""

FILES = 64
"""That a process decodes before another takes its place: what a decoder leaks goes with it. After
any error another takes its place as well."""

OPEN_FILES = 32
SECONDS = 20
"""Of computing, for one image."""

Reply = tuple[dict[str, Any], Sequence[Any]]


def prepare(sources: Sequence[Source], job: dict[str, Any]) -> Reply:
    """Pictures in the model's size: pixels, sizes, steps and facts of each."""
    replies, pixels = [], []
    for photo, about, identity in _photos(sources, job):
        fitted = FITS[job["fit"]](photo.image, job["side"])
        pixels.append(np.asarray(fitted if fitted.mode == "RGB" else fitted.convert("RGB")))
        replies.append(_photo_reply(photo, about, identity))
    return {"pictures": replies}, pixels


def upright(sources: Sequence[Source], job: dict[str, Any]) -> Reply:
    """Whole pictures before any fit, of at most so many pixels a side if the job says how many."""
    replies, pixels = [], []
    for photo, about, identity in _photos(sources, job):
        if max(photo.image.size) > job.get("most", math.inf):
            raise ImageError("A slice is larger than its file's header says.", DAMAGED)
        pixels.append(np.ascontiguousarray(photo.image))
        replies.append(_photo_reply(photo, about, identity))
    return {"pictures": replies}, pixels


def _photo_reply(photo: Photo, about: About, identity: Sequence[str] | None) -> dict[str, Any]:
    size, mode = photo.image.size, photo.image.mode
    facts = asdict(about)
    return {"size": size, "mode": mode, "steps": photo.steps, "about": facts, "identity": identity}


def describe(sources: Sequence[Source], job: dict[str, Any]) -> Reply:
    """What each file is in its series: the facts of each slice in it, none if it has no slices.

    Of a file that can't be read the reason stands there.
    """
    return {"slices": [_described(source, job.get("key", "")) for source in sources]}, ()


def _described(source: Source, key: str) -> list[dict[str, Any]] | tuple[str, str]:
    try:
        return reader_for(source).load().describe(source, key)
    except ImageError as error:
        return error.message, error.hint
    except MemoryError:
        return _MEMORY
    except Exception:  # noqa: BLE001 - pydicom raises what a damaged file makes it meet
        return _DAMAGED


_MEMORY = ("The image needs too much memory.", "Save it smaller.")
_DAMAGED = ("The image is damaged.", DAMAGED)
"""The text about a file that a decoder gives up at, and the hint."""


def extent(sources: Sequence[Source], job: dict[str, Any]) -> Reply:
    """The least and the greatest value of some frames of a series; none if all is padding."""
    extents = (file.extent(frame) for file, frame in _frames(sources, job))
    found = list(filter(None, extents))
    if not found:
        return {"ends": None}, ()
    return {"ends": [min(low for low, _ in found), max(high for _, high in found)]}, ()


JOBS: dict[str, Callable[[Sequence[Source], dict[str, Any]], Reply]] = {
    "prepare": prepare,
    "upright": upright,
    "describe": describe,
    "extent": extent,
}


def _photos(sources: Sequence[Source], job: dict[str, Any]) -> Iterator[DecodedFrame]:
    for opened, frame in _frames(sources, job):
        yield opened.decode(frame, job)


def _frames(sources: Sequence[Source], job: dict[str, Any]) -> Iterator[tuple[OpenedFile, int]]:
    """What is wanted, as pairs of an opened file and a frame; each file is read once."""
    for number, pairs in itertools.groupby(job["frames"], lambda pair: pair[0]):
        with image_files.opened(sources[number]) as file:
            reader = reader_of(file.read(HEAD)).load()
            file.seek(0)
            found = reader.open_file(file)
            yield from ((found, frame) for _, frame in pairs)
        del found  # makes room for the next


def main(*, parent: int, kind: str) -> None:
    """Answer jobs until there are no more, or whoever gives them has ended.

    Args:
        parent: process id of the parent.
        kind: name of a reader: what it needs is loaded now. What others need is loaded with the
            first file of their kind.
    """
    jobs, answers = os.fdopen(os.dup(0), "rb", 0), os.fdopen(os.dup(1), "wb")
    silent = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silent, stream)
    warnings.simplefilter("ignore")
    logging.disable()
    Image.MAX_IMAGE_PIXELS = None  # ours are checked before, and sizes that pass aren't warned of
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # each takes addresses from the limit of memory
    _platform.limit_process(memory=MEMORY, files=OPEN_FILES)
    if prepared := BY_NAME[kind].prepared:
        importlib.import_module(prepared)
    with suppress(EOFError):
        program = _parent.opened(parent)
        followed = _platform.go_on_in_children(program)
        if not followed:  # nothing is forked here, so there may be threads
            _parent.watch(parent, children.exit_now)
        leave = _platform.leave_to_another if followed else children.exit_now
        time_limit.report_with(lambda reason: _give_up(answers, reason, leave, followed=followed))
        serve(jobs, answers, followed=followed, program=program)
        if followed:
            _platform.leave_to_another()


def _give_up(
    answers: BinaryIO, reason: str, leave: Callable[[], NoReturn], *, followed: bool
) -> NoReturn:
    """Answer in place of a decoder that is busy, and end with it."""
    reply, _ = _refused(reason, DAMAGED)
    pipe.send(answers, {**reply, "goes_on": followed})
    leave()


def serve(jobs: BinaryIO, answers: BinaryIO, *, followed: bool, program: int | None = None) -> None:
    """Answer the jobs of one pipe into another, up to this process's share or an error.

    Args:
        jobs: file that jobs are read from.
        answers: file that answers are written to.
        followed: whether another process continues with the same pipes.
        program: handle that shows the end of the program that sends jobs; see `parent.opened`.

    Raises:
        EOFError: there are no more jobs.
    """
    left = FILES
    while left > 0:
        if program is not None:
            _parent.await_input(jobs.fileno(), program)
        job, blobs = pipe.receive(jobs)
        reply, pixels = _answer(job, blobs)
        decoded = 0 if job["job"] == "describe" else len(job["paths"])
        left = 0 if "error" in reply else left - decoded
        pipe.send(answers, {**reply, "goes_on": followed or left > 0}, pixels)


def _answer(job: dict[str, Any], blobs: Sequence[bytearray]) -> Reply:
    _platform.limit_seconds(SECONDS * job["images"])
    return answer(job, blobs)


def answer(job: dict[str, Any], blobs: Sequence[bytes | bytearray]) -> Reply:
    """Do a job, and say what has come of it; errors are replies."""
    rest = iter(blobs)
    sources = [bytes(next(rest)) if path is None else path for path in job["paths"]]
    try:
        return JOBS[job["job"]](sources, job)
    except EdgeMedError as error:
        kind = "UsageError" if isinstance(error, UsageError) else "ImageError"
        return {"error": kind, "text": (error.message, error.hint)}, ()
    except MemoryError:
        return _refused(*_MEMORY)
    except Exception:  # noqa: BLE001 - pydicom raises what a damaged file makes it meet
        return _refused(*_DAMAGED)


def _refused(*text: str) -> Reply:
    return {"error": "ImageError", "text": text}, ()
