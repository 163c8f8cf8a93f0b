"""A store of rendered phantoms for training: drawn once, in files that grow while training runs."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_med.demo.drawing import layers, pixels
from edge_med.demo.phantom import SIDE, STRUCTURES, Phantom, phantom

FIRST_SEED = 1_000_000
"""Of training; smaller ones are kept for questions that training never sees."""

CHUNK, CHUNKS = 4096, 14
PATCHES = 8
"""A side of the picture in patches."""


@dataclass(frozen=True)
class Batch:
    """Phantoms with their pictures, and how much of each structure each patch holds."""

    phantoms: list[Phantom]
    pictures: npt.NDArray[np.uint8]  # batch, side, side
    masks: npt.NDArray[np.uint8]  # batch, structures, patches, patches


class Store:
    """Reads what has been drawn so far."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: list[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]] = []

    def batch(self, size: int, lot: np.random.Generator, *, small: bool = False) -> Batch:
        """Some of the phantoms, drawn by lot; of two, if asked, the one with small things in it."""
        self._look()
        places = lot.integers(0, CHUNK * len(self._open), (size, 2))
        drawn = [_chosen(pair, small=small) for pair in places]
        rows = [one.seed - FIRST_SEED for one in drawn]
        pairs = [(self._open[n // CHUNK], n % CHUNK) for n in rows]
        return Batch(
            drawn,
            np.stack([chunk[0][row] for chunk, row in pairs]),
            np.stack([chunk[1][row] for chunk, row in pairs]),
        )

    def _look(self) -> None:
        while len(self._open) < CHUNKS and _path(self._folder, "masks", len(self._open)).exists():
            number = len(self._open)
            paths = (_path(self._folder, kind, number) for kind in ("pictures", "masks"))
            pictures, masks = (np.load(path, mmap_mode="r") for path in paths)
            self._open.append((pictures, masks))


def _chosen(pair: npt.NDArray[np.int64], *, small: bool) -> Phantom:
    first, second = (phantom(FIRST_SEED + int(n)) for n in pair)
    return second if small and not _has_small(first) else first


def _has_small(drawn: Phantom) -> bool:
    return drawn.device == "pacemaker" or drawn.opacity is not None


def draw_in_background(folder: Path) -> None:
    """Draw what is missing, in a process of its own; the first chunk is waited for."""
    folder.mkdir(parents=True, exist_ok=True)
    if not _path(folder, "masks", 0).exists():
        _draw_chunk(folder, 0)
    spawned = multiprocessing.get_context("spawn")
    spawned.Process(target=_draw_all, args=(folder,), daemon=True).start()


def _draw_all(folder: Path) -> None:
    os.nice(5)
    for number in range(CHUNKS):
        if not _path(folder, "masks", number).exists():
            _draw_chunk(folder, number)


def _draw_chunk(folder: Path, number: int) -> None:
    pictures = np.empty((CHUNK, SIDE, SIDE), np.uint8)
    masks = np.empty((CHUNK, len(STRUCTURES), PATCHES, PATCHES), np.uint8)
    for row in range(CHUNK):
        drawn = phantom(FIRST_SEED + number * CHUNK + row)
        pictures[row] = pixels(drawn)
        masks[row] = _by_patch(drawn)
    for kind, values in (("pictures", pictures), ("masks", masks)):  # the masks come last
        part = _path(folder, kind, number).with_suffix(".part.npy")
        np.save(part, values)
        part.replace(_path(folder, kind, number))


def _by_patch(drawn: Phantom) -> npt.NDArray[np.uint8]:
    side = PATCHES * 14  # half the size will do
    there = layers(drawn, side)
    out = np.zeros((len(STRUCTURES), PATCHES, PATCHES), np.uint8)
    for n, name in enumerate(STRUCTURES):
        if name in there:
            cells = there[name].reshape(PATCHES, 14, PATCHES, 14).mean(axis=(1, 3))
            out[n] = np.rint(np.clip(cells, 0, 1) * 255)
    return out


def _path(folder: Path, kind: str, number: int) -> Path:
    return folder / f"{kind}-{number:03}.npy"
