"""Palettes of every width and byte order give the colours that their tables hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom.uid as uids
import pytest

from devtools.images.dicom import PALETTE, PLAIN, coloured
from devtools.images.photos import whole
from edge_med import imaging
from edge_med.errors import ImageError

TABLES = np.random.default_rng(0).integers(0, 256, (3, 256)).astype(np.uint16)
BIG = uids.ExplicitVRBigEndian


def stored(tables: npt.NDArray[Any], kind: str) -> list[bytes]:
    return [table.astype(kind).tobytes() for table in tables]


@pytest.mark.parametrize(("syntax", "order"), [(PLAIN, "<"), (BIG, ">")], ids=["little", "big"])
def test_tables_of_sixteen_bits_are_read_in_the_byte_order_of_the_file(
    syntax: str, order: str
) -> None:
    found = whole(coloured(stored(TABLES * 257, f"{order}u2"), syntax))
    assert (found == TABLES.T[PALETTE]).all()


@pytest.mark.parametrize("syntax", [PLAIN, BIG], ids=["little", "big"])
def test_tables_of_eight_bits_lie_two_to_a_word(syntax: str) -> None:
    packed = TABLES if syntax == PLAIN else TABLES.reshape(3, -1, 2)[:, :, ::-1].reshape(3, -1)
    found = whole(coloured(stored(packed, "u1"), syntax, bits=8))
    assert (found == TABLES.T[PALETTE]).all()


@pytest.mark.parametrize("bits", [8, 16])
def test_eight_bits_that_fill_sixteen_arent_black(bits: int) -> None:
    found = whole(coloured(stored(TABLES, "<u2"), bits=bits))
    assert (found == TABLES.T[PALETTE]).all()


def test_a_number_beyond_the_table_has_its_last_colour() -> None:
    found = whole(coloured(stored(TABLES[:, :100], "<u2"), entries=100))
    assert (found == TABLES.T[np.minimum(PALETTE, 99)]).all()


def test_a_table_that_is_shorter_than_it_says_is_refused() -> None:
    with pytest.raises(ImageError, match=r"A table .* is shorter than it says: 50 of 256"):
        imaging.open(coloured(stored(TABLES[:, :50], "u1")))
