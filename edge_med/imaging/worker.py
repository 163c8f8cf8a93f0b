"""The process that decodes images: it takes jobs on stdin and answers on stdout, until stdin ends.

It has a limit of memory, of open files and of time, and nothing that it prints goes anywhere: a
decoder's complaints may hold what is in the file.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from edge_med import _platform
from edge_med.errors import EdgeMedError, UsageError
from edge_med.imaging import files, pipe
from edge_med.imaging.about import About
from edge_med.imaging.container import DAMAGED
from edge_med.imaging.dicom import describing, frames, levels, reading, recipes
from edge_med.imaging.fit import FITS
from edge_med.imaging.photo import Photo, decode
from edge_med.imaging.recognise import is_dicom
from edge_med.imaging.windows import windows

MEMORY = 3 << 30
"""Bytes of addresses: the largest picture in RGB, its file, its square, and what libraries take."""

OPEN_FILES = 32
SECONDS = 20
"""Of computing, for one image."""

Reply = tuple[dict[str, Any], Sequence[Any]]
Source = bytes | str
"""A file's bytes, or its path."""


def prepare(sources: Sequence[Source], job: dict[str, Any]) -> Reply:
    """Pictures in the model's size: pixels, sizes, steps and facts of each."""
    told, pixels = [], []
    for source, frame in zip(sources, job["frames"], strict=True):
        photo, about = _photo(source, frame, job)
        fitted = FITS[job["fit"]](photo.image, job["side"]).convert("RGB")
        pixels.append(np.asarray(fitted))
        told.append({"size": photo.image.size, "steps": photo.steps, "about": asdict(about)})
    return {"pictures": told}, pixels


def upright(sources: Sequence[Source], job: dict[str, Any]) -> Reply:
    """A whole picture before any fit."""
    photo, _ = _photo(sources[0], job["frames"][0], job)
    pixels = np.ascontiguousarray(photo.image)
    return {"size": photo.image.size, "mode": photo.image.mode}, [pixels]


def describe(sources: Sequence[Source], _job: dict[str, Any]) -> Reply:
    """What each file is in its series; None for what isn't a DICOM image."""
    return {"slices": [describing.describe(source) for source in sources]}, ()


def extent(sources: Sequence[Source], _job: dict[str, Any]) -> Reply:
    """The least and the greatest value of some files of a series."""
    found = []
    for source in sources:
        data = reading.read(_bytes(source))
        frames.check(data)
        pixels = frames.decode(data, 0)
        found.append(levels.extent(pixels, *recipes.values_of(data, pixels, 0)))
    ends = [end for end in found if end]
    if not ends:
        return {"ends": None}, ()
    return {"ends": [min(low for low, _ in ends), max(high for _, high in ends)]}, ()


JOBS: dict[str, Callable[[Sequence[Source], dict[str, Any]], Reply]] = {
    "prepare": prepare,
    "upright": upright,
    "describe": describe,
    "extent": extent,
}


def _photo(source: Source, frame: int, job: dict[str, Any]) -> tuple[Photo, About]:
    data = _bytes(source)
    if not is_dicom(data):
        return decode(data), About()
    read = reading.read(data)
    recipe = recipes.recipe_of(read)
    ends = job.get("ends") if recipe.over_series else None
    return recipes.prepare(read, frame, windows(job["windows"]), ends)


def _bytes(source: Source) -> bytes:
    return source if isinstance(source, bytes) else files.read(source)


def main() -> None:
    """Answer jobs until there are no more."""
    taken, given = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    silent = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silent, stream)
    warnings.simplefilter("ignore")
    logging.disable()
    Image.MAX_IMAGE_PIXELS = None  # ours are checked before, and sizes that pass aren't warned of
    _platform.limit_process(memory=MEMORY, files=OPEN_FILES)
    serve(taken, given)


def serve(taken: BinaryIO, given: BinaryIO) -> None:
    """Answer the jobs of one pipe into another."""
    while True:
        try:
            job, blobs = pipe.receive(taken)
        except EOFError:
            return
        pipe.send(given, *_answer(job, blobs))


def _answer(job: dict[str, Any], blobs: Sequence[bytearray]) -> Reply:
    rest = iter(blobs)
    sources = [bytes(next(rest)) if path is None else path for path in job["paths"]]
    _platform.limit_seconds(SECONDS * max(1, len(sources)))
    try:
        return JOBS[job["job"]](sources, job)
    except EdgeMedError as error:
        clean = job["dicom"] and not isinstance(error, frames.UndecodableError)
        kind = "UsageError" if isinstance(error, UsageError) else "ImageError"
        return {"error": kind, "text": (error.message, error.hint), "clean": clean}, ()
    except MemoryError:
        text = ("The image needs too much memory.", "Save it smaller.")
        return {"error": "ImageError", "text": text, "clean": False}, ()
    except Exception:  # noqa: BLE001 - pydicom raises what a damaged file makes it meet
        text = ("The DICOM image is damaged.", DAMAGED)
        return {"error": "ImageError", "text": text, "clean": True}, ()


if __name__ == "__main__":
    main()
