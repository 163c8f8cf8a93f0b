"""Which slices of a volume are shown, and what that costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_med.errors import ContextOverflowError, UsageError
from edge_med.imaging.volume.slice_budget import AROUND, SliceBudget
from edge_med.imaging.volume.slice_selection import (
    MOST,
    as_text,
    plan,
    ranges,
    spread,
)

EACH = 256 + AROUND


def notebook(count: int) -> list[int]:
    """Google's own lines, of high_dimensional_ct_hugging_face.ipynb."""
    return [int(round(i / 85 * (count - 1))) for i in range(1, 86)]  # noqa: RUF046 - verbatim


@pytest.mark.parametrize("total", [86, 100, 341, 512, 2000])
def test_of_many_slices_those_of_the_notebook_are_shown(total: int) -> None:
    assert list(plan(total, room=SliceBudget(gpu=True)).chosen) == notebook(total)


@pytest.mark.parametrize(("total", "gpu"), [(1, False), (2, False), (20, False), (85, True)])
def test_few_slices_are_all_shown(total: int, gpu: bool) -> None:
    found = plan(total, room=SliceBudget(gpu=gpu))
    assert (found.chosen, found.more) == (tuple(range(total)), "")


@given(st.integers(21, 3000), st.none() | st.floats(0.001, 1e6))
def test_without_a_gpu_at_most_twenty_are_shown_however_fast_it_was(
    total: int, seconds: float | None
) -> None:
    assert plan(total, room=SliceBudget(seconds=seconds)).chosen == spread(total, 20)


@pytest.mark.parametrize(
    ("room", "more"),
    [
        (SliceBudget(), 'All 28 slices need 7,504 tokens: use `slices="all"`.'),
        (
            SliceBudget(8000, None, 60.0),
            'All 28 slices need 7,504 tokens, about 28 min: use `slices="all"`.',
        ),
        (
            SliceBudget(6656, None, None, 256, gpu=True, beside=1536),
            'All 28 slices need 7,504 tokens: use `slices="all"` and `context=9216`.',
        ),
    ],
)
def test_what_all_slices_take_and_how_to_have_them_is_told(room: SliceBudget, more: str) -> None:
    assert plan(28, room=room).more == more


def test_the_context_that_is_told_for_all_slices_holds_them() -> None:
    assert plan(28, "all", SliceBudget(9216 - 1536, beside=1536)).chosen == tuple(range(28))


def test_where_no_context_holds_all_slices_that_is_told() -> None:
    assert "more than any context holds" in plan(600, room=SliceBudget(tokens=9000)).more


def test_slices_that_were_asked_for_are_no_reason_to_tell_of_more() -> None:
    assert plan(28, "2:4").more == ""


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (3, "3"),
        (np.int64(3), "3"),
        ([3, 5], "3,5,"),
        ([12], "12,"),
        (range(2, 5), "2,3,4,"),
        ("2:4", "2:4"),
        (None, None),
    ],
)
def test_slices_are_numbers_and_lists_in_programs(wanted: Any, text: str | None) -> None:
    assert as_text(wanted) == text


@pytest.mark.parametrize("wanted", [3.0, True, [], ["3"], [1.5], {"slices": 3}, object()])
def test_what_names_no_slices_is_refused(wanted: Any) -> None:
    with pytest.raises(UsageError, match="There are no slices") as caught:
        as_text(wanted)
    assert "first:last:step" in str(caught.value.hint)


@given(st.integers(1, 3000), st.integers(1, 200))
def test_slices_are_in_order_without_doubles_and_end_with_the_last(total: int, count: int) -> None:
    chosen = spread(total, count)
    assert len(chosen) == min(total, count)
    assert list(chosen) == sorted(set(chosen))
    assert chosen[-1] == total - 1
    assert chosen[0] >= 0


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("3", (3, 6, 9)),
        ("99", tuple(range(10))),
        ("2:4", (1, 2, 3)),
        (":3", (0, 1, 2)),
        ("8:", (7, 8, 9)),
        ("::4", (0, 4, 8)),
        ("1:10:3", (0, 3, 6, 9)),
        ("9:99", (8, 9)),
    ],
)
def test_slices_can_be_asked_for(wanted: str, chosen: tuple[int, ...]) -> None:
    assert plan(10, wanted).chosen == chosen


@pytest.mark.parametrize("wanted", ["", "0", "-1", "a", "0:3", "11:", "3:2", "1:2:0", "1:2:3:4"])
def test_slices_that_there_arent_are_refused(wanted: str) -> None:
    with pytest.raises(UsageError, match="There are no slices"):
        plan(10, wanted)


@pytest.mark.parametrize(
    ("room", "count", "why"),
    [
        (SliceBudget(gpu=True), MOST[True], "the number of Google's notebook"),
        (SliceBudget(), MOST[False], "at most 20 without a GPU"),
        (SliceBudget(tokens=19 * EACH), 19, "what the context holds"),
        (SliceBudget(tokens=30 * EACH, gpu=True), 30, "what the context holds"),
        (SliceBudget(memory=16 * (8 << 20)), 16, "what the memory holds"),
        (SliceBudget(seconds=6000.0), 20, "at most 20 without a GPU"),
    ],
)
def test_what_there_is_least_of_decides_and_that_is_told(
    room: SliceBudget, count: int, why: str
) -> None:
    found = plan(512, "auto", room)
    assert (len(found.chosen), found.reason) == (count, why)


def test_slices_that_do_not_fit_are_an_error_with_the_excess() -> None:
    with pytest.raises(ContextOverflowError, match=f"40 slices are {40 * EACH:,} tokens") as caught:
        plan(512, "40", SliceBudget(tokens=8000))
    assert f"at most {8000 // EACH}" in caught.value.hint


def test_where_not_even_one_fits_fewer_arent_advised() -> None:
    with pytest.raises(ContextOverflowError) as caught:
        plan(5, "auto", SliceBudget(tokens=10))
    assert caught.value.hint == "Raise `context`."


def test_a_plan_says_what_it_chose() -> None:
    text = str(plan(512, "auto", SliceBudget(tokens=19 * EACH, seconds=9.0)))
    assert text == "19 of 512 slices (what the context holds), 5,092 tokens, about 3 min"


@pytest.mark.parametrize(
    ("numbers", "told"),
    [([], ""), ([4], "4"), ([1, 2, 3], "1-3"), ([2, 3, 5, 7, 8, 9], "2-3, 5, 7-9")],
)
def test_numbers_that_follow_each_other_are_told_as_ranges(numbers: list[int], told: str) -> None:
    assert ranges(numbers) == told


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("all", (0, 1, 2, 3, 4, 5)),
        ("3,5", (2, 4)),
        ("5,3,3", (2, 4)),
        ("4,", (3,)),
        ("2:2", (1,)),
    ],
)
def test_all_and_lists_are_taken(wanted: str, chosen: tuple[int, ...]) -> None:
    assert plan(6, wanted).chosen == chosen


@pytest.mark.parametrize("wanted", ["0,1", "6,7", "1,,2", ",1", "1,x", "ALL "])
def test_a_list_of_what_is_not_there_is_refused(wanted: str) -> None:
    with pytest.raises(UsageError):
        plan(6, wanted)


def test_slices_that_are_left_out_are_told_by_their_numbers() -> None:
    assert plan(6, "2:4").which == (
        "Shown: 2-4 of 6. Left out: 1, 5-6. "
        "In answers SLICE n is the n-th of these: SLICE 3 is slice 4."
    )
    assert plan(6, "1:4").which == "Shown: 1-4 of 6. Left out: 5-6."
    assert plan(6, "4:4").which == "Shown: 4 of 6. Left out: 1-3, 5-6."
    assert plan(6, "all").which == ""
