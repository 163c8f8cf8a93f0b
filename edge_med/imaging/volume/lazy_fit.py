"""The pictures of a series, fitted into the model's square when the first of them is asked for.

A CT is planned and described in half the time that it takes to resize its slices; and before that a
slice has a third of the bytes.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, overload

import numpy as np
from PIL import Image

from edge_med._platform import usable_cores
from edge_med.config import Fit
from edge_med.imaging.fit import FITS
from edge_med.imaging.picture import Picture
from edge_med.imaging.picture_facts import About

Upright = tuple[Mapping[str, Any], bytearray]
"""A decoder's reply about an upright image (`size`, `mode`, `steps`, `about`), and its pixels."""


class FittedPictures(Sequence[Picture]):
    """Pictures of upright images. They are made once, by all cores, whoever asks first.

    Attributes:
        about: facts of the first picture.
    """

    def __init__(self, images: Sequence[Upright], fit: Fit, side: int) -> None:
        """Keep images for later.

        Args:
            images: upright images in order, one or more.
            fit: fit into the square.
            side: side of that square, in pixels.
        """
        self.about: About = Picture.about_of(images[0][0])
        self._count = len(images)
        self._images: Sequence[Upright] = images
        self._fit: Fit = fit
        self._side = side
        self._made: tuple[Picture, ...] = ()
        self._lock = threading.Lock()

    @property
    def _pictures(self) -> tuple[Picture, ...]:
        with self._lock:
            if not self._made:
                self._made, self._images = self._fitted(), ()
            return self._made

    def _fitted(self) -> tuple[Picture, ...]:
        with ThreadPoolExecutor(usable_cores()) as threads:  # Pillow resizes without Python's lock
            return tuple(threads.map(self._picture, self._images))

    def _picture(self, image: Upright) -> Picture:
        facts, pixels = image
        whole = Image.frombuffer(facts["mode"], tuple(facts["size"]), pixels)
        square = FITS[self._fit](whole, self._side)
        rgb = square if square.mode == "RGB" else square.convert("RGB")
        return Picture.from_reply(facts, np.asarray(rgb).data, self._fit, self._side)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Picture: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Picture, ...]: ...

    def __getitem__(self, index: int | slice) -> Picture | tuple[Picture, ...]:
        return self._pictures[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._pictures == tuple(other)

    def __hash__(self) -> int:
        return hash(self._pictures)

    def __repr__(self) -> str:
        return f"<{self._count} pictures>"

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (self._pictures,)  # elsewhere they are wanted, and its lock can't go there
