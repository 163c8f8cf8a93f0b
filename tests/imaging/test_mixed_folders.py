"""Whatever lies in one folder: one volume of one patient is shown, or nothing; all is told."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_med import imaging
from edge_med.errors import ImageError, UsageError
from edge_med.imaging import Study
from edge_med.imaging.slice_geometry import SAME_PLACE, VOLUMES, Slice, cosine
from edge_med.imaging.volume.series_choice import SeriesChoice, volume
from edge_med.imaging.volume.slice_order import ORDERS
from tests.imaging.made import PLANES
from tests.imaging.made_studies import KINDS

_LEFT = re.compile(r"(\d+) (?:scout )?(?:images?|copy|copies)[a-z -]* (?:is|are) left out")


WHOSE = [("", "1", "1"), ("a", "1", "1"), ("b", "1", "1"), ("a", "2", "1"), ("a", "1", "2")]


@st.composite
def slices(draw: st.DrawFn) -> list[Slice]:
    """Images of some series that have next to nothing in common."""
    found: list[Slice] = []
    one_patient = draw(st.booleans())
    for number in range(draw(st.integers(1, 4))):
        plane = draw(st.sampled_from([*PLANES, None]))
        scale = draw(st.sampled_from([0.0, 0.625, 5.0]))
        series = Slice(
            entry=0,
            image="",
            series=f"1.{draw(st.integers(0, number))}",
            modality=draw(st.sampled_from(["CT", "CT", "MR", "DX"])),
            kinds=draw(st.sampled_from([(), ("ORIGINAL", "PRIMARY", "LOCALIZER"), ("DERIVED",)])),
            rows=draw(st.sampled_from([16, 32])),
            columns=16,
            orientation=None if plane is None else PLANES[plane],
            batch=draw(st.sampled_from([None, number])),
            space=draw(st.sampled_from(["", "1.7"])),
            identity=("a", "1", "1") if one_patient else draw(st.sampled_from(WHOSE)),
        )
        own = draw(st.booleans()) and draw(st.booleans())
        for place in range(draw(st.integers(1, 12))):
            for turn in range(draw(st.sampled_from([1, 1, 1, 1, 2]))):
                entry = len(found)
                where = [scale * place * part for part in series.normal]
                found.append(
                    replace(
                        series,
                        entry=entry,
                        image=draw(st.sampled_from([f"1.{entry}"] * 9 + ["1.0"])),
                        series=f"{series.series}.{entry}" if own else series.series,
                        number=draw(st.sampled_from([None] + [entry + 1] * 9)),
                        echo=draw(st.sampled_from([None, turn])),
                        position=tuple(where) if draw(st.integers(0, 19)) else None,
                    )
                )
    return draw(st.permutations(found))


def assert_one_volume(shown: tuple[Slice, ...]) -> None:
    first = shown[0]
    assert all(piece.identity == first.identity for piece in shown)
    assert all((p.rows, p.columns, p.modality) == (first.rows, 16, first.modality) for p in shown)
    assert all((p.batch, p.space) == (first.batch, first.space) for p in shown)
    assert all(cosine(piece.normal, first.normal) > 0.999 for piece in shown)
    if all(piece.position for piece in shown):
        depths = sorted(piece.depth for piece in shown)
        assert all(b - a >= SAME_PLACE for a, b in pairwise(depths))


def left_out(notices: tuple[str, ...]) -> int:
    return sum(int(count) for notice in notices for count in _LEFT.findall(notice))


@settings(max_examples=150)
@given(slices(), st.sampled_from(ORDERS), st.sampled_from([None, None, "1", "2", "1.2"]))
def test_mixed_folder_shows_one_volume_of_one_patient(
    found: list[Slice], order: str, wanted: str | None
) -> None:
    try:
        choice: SeriesChoice = volume(found, wanted, order)  # type: ignore[arg-type]
    except (ImageError, UsageError) as error:
        assert error.hint
        return
    if choice.volume:
        assert_one_volume(choice.slices)
    else:
        assert len({piece.identity for piece in choice.slices}) == 1
        slices = [piece for piece in choice.slices if piece.modality in VOLUMES]
        assert len({(p.series, p.rows, p.batch, p.space) for p in slices}) == len(slices) < 3
    assert len(choice.slices) + left_out(choice.notices) == len(found)
    if wanted is None:
        assert len({piece.identity for piece in found}) == 1


@settings(max_examples=150)
@given(
    st.sampled_from(["acquisition", "echo", "b_value", "sequence", "moment", "kernel"]),
    st.lists(st.integers(0, 60), min_size=3, max_size=30, unique=True),
    st.lists(st.integers(0, 60), min_size=3, max_size=30, unique=True),
)
def test_what_differs_is_in_one_volume_only_where_it_goes_on(
    name: str, one: list[int], other: list[int]
) -> None:
    plain = Slice(0, "", "1", "MR", (), 16, 16, orientation=PLANES["axial"])
    depths = [(depth, value) for value, group in ((1, one), (2, other)) for depth in group]
    found = [
        replace(plain, entry=n, image=f"1.{n}", number=n, position=(0.0, 0.0, depth / 2))
        for n, (depth, _value) in enumerate(depths)
    ]
    found = [replace(p, **{name: v}) for p, (_, v) in zip(found, depths, strict=True)]  # type: ignore[arg-type]
    choice = volume(found)
    assert len(choice.slices) + left_out(choice.notices) == len(found)
    values = [getattr(piece, name) for piece in sorted(choice.slices, key=lambda p: p.depth)]
    assert sum(a != b for a, b in pairwise(values)) <= (name in {"acquisition", "moment", "kernel"})


MADE = [made for kind in KINDS for made in kind() if "series" not in made.how]


@settings(max_examples=12, derandomize=True)
@given(st.lists(st.sampled_from(MADE), min_size=2, max_size=3, unique_by=lambda made: made.name))
def test_of_made_studies_in_one_folder_one_volume_is_shown_or_none(studies: list) -> None:  # type: ignore[type-arg]
    with tempfile.TemporaryDirectory() as folder:
        files = {
            f"{n}-{k}": data for n, made in enumerate(studies) for k, data in made.files.items()
        }
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        try:
            study = imaging.open(Path(folder), side=16, slices="all")
        except ImageError as error:
            assert error.hint
            return
        assert isinstance(study, Study)
        assert len({picture.identity for picture in study.pictures}) == 1
        shown = {Path(str(file)).name for file, _frame in study.origins}
        told = " ".join(study.notices)
        assert shown == {*files} or "left out" in told or "no images" in told


@pytest.mark.parametrize("count", [2, 3])
def test_the_order_of_files_decides_nothing(count: int) -> None:
    one = Slice(0, "", "", "CT", (), 16, 16, orientation=PLANES["axial"])
    found = [
        replace(
            one,
            entry=n,
            image=f"1.{n}",
            series=f"{n % count}",
            number=n,
            batch=n % count,
            position=(0.0, 0.0, float(n)),
        )
        for n in range(24)
    ]
    expected = [piece.image for piece in volume(found).slices]
    assert [piece.image for piece in volume(found[::-1]).slices] == expected
