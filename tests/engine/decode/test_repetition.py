"""An answer that repeats itself is noticed; a table, a list and a story aren't."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_med.engine.decode.repetition import LoopDetector


def trips_after(tokens: Iterable[int], unused: frozenset[int] = frozenset()) -> int | None:
    """How many tokens it took; None if it never tripped."""
    detector = LoopDetector(unused)
    return next((count for count, token in enumerate(tokens, 1) if detector.add(token)), None)


def tokens(text: str) -> list[int]:
    """As Gemma's tokenizer has it, roughly: words with their space, signs, every digit alone."""
    pieces = re.findall(r"\d| ?[^\W\d]+|\n|.", text)
    numbers = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    return [numbers[piece] for piece in pieces]


SENTENCE = "There is no pleural effusion, and the heart is of normal size.\n"


def test_a_repeated_sentence_is_noticed_before_its_tenth_time() -> None:
    assert len(tokens(SENTENCE)) == 15
    assert trips_after(tokens(SENTENCE * 20)) == 128


def test_the_text_before_a_loop_does_not_hide_it() -> None:
    before = "The lungs are clear. Both hila look as they should;"
    assert trips_after(tokens(before + SENTENCE * 20)) == len(tokens(before)) + 128


@pytest.mark.parametrize(
    ("period", "length"),
    [(1, 128), (2, 128), (31, 128), (32, 128), (33, 132), (100, 400), (128, 512)],
)
def test_a_loop_is_four_times_its_period_and_no_shorter_than_128(period: int, length: int) -> None:
    assert trips_after(list(range(period)) * 600) == length


def test_a_period_of_129_is_no_loop() -> None:
    assert trips_after(list(range(129)) * 100) is None


def test_one_other_token_starts_the_count_again() -> None:
    assert trips_after(([5] * 127 + [6]) * 3) is None


def test_it_stays_tripped_while_the_loop_goes_on() -> None:
    detector = LoopDetector()
    assert [detector.add(7) for _ in range(10_000)] == [False] * 127 + [True] * 9_873


def test_a_list_of_boxes_with_other_numbers_is_no_loop() -> None:
    box = '{{"box_2d": [{}, {}, {}, {}], "label": "right lower lobe nodule"}},\n'
    numbers = random.Random(3)
    text = "".join(box.format(*(numbers.randrange(1000) for _ in range(4))) for _ in range(40))
    assert len(tokens(text)) > 1_200
    assert trips_after(tokens(text)) is None


def test_a_grid_of_boxes_that_differ_in_one_digit_is_no_loop() -> None:
    box = '{{"box_2d": [100, 100, 900, {}00], "label": "rib"}},\n'
    assert trips_after(tokens("".join(box.format(n % 10) for n in range(40)))) is None


def test_the_same_box_again_and_again_is_a_loop() -> None:
    box = '{"box_2d": [100, 100, 900, 900], "label": "rib"},\n'
    assert trips_after(tokens(box * 40)) == max(128, 4 * len(tokens(box)))


def test_a_table_of_measurements_is_no_loop() -> None:
    rows = (f"| {day:02} | 0 | 0 | 120/80 | 0 | 0 | normal |\n" for day in range(1, 61))
    assert trips_after(tokens("| day | a | b | pressure | c | d | is |\n" + "".join(rows))) is None


def test_a_table_with_equal_rows_is_no_loop_up_to_the_bound() -> None:
    row = "| 0 | 0 | 0 |\n"
    assert len(tokens(row)) == 14
    heads = "| a | b | c |\n|---|---|---|\n"
    assert trips_after(tokens(heads + row * 8)) is None
    assert trips_after(tokens(heads + row * 10)) is not None


def test_random_tokens_are_no_loop() -> None:
    numbers = random.Random(4)
    assert trips_after(numbers.randrange(262_144) for _ in range(20_000)) is None
    assert trips_after(numbers.randrange(2) for _ in range(20_000)) is None


UNUSED = frozenset(range(1000, 1100))


def test_eight_unused_tokens_in_a_row_are_a_loop_whatever_they_are() -> None:
    assert trips_after([1, 2, 1005, 3, *range(1010, 1020)], UNUSED) == 12


def test_unused_tokens_around_thoughts_are_no_loop() -> None:
    assert trips_after([1094, *range(100), 1095, *range(100, 300)] * 2, UNUSED) is None


def test_tokens_that_nobody_called_unused_are_no_loop() -> None:
    assert trips_after(range(1010, 1020)) is None


def repeats(tokens: Sequence[int]) -> bool:
    """The rule, word for word."""
    return any(
        len(tokens) >= length and tokens[-length + period :] == tokens[-length:-period]
        for period in range(1, 129)
        for length in [max(4 * period, 128)]
    )


def first_loop(tokens: list[int]) -> int | None:
    return next((n for n in range(1, len(tokens) + 1) if repeats(tokens[:n])), None)


SMALL = st.integers(0, 2)
PERIODIC = st.builds(
    lambda unit, times, rest: unit * times + rest,
    st.lists(SMALL, min_size=1, max_size=60),
    st.integers(1, 12),
    st.lists(SMALL, max_size=4),
)


@given(st.lists(PERIODIC, max_size=4).map(lambda parts: [t for part in parts for t in part][:700]))
@settings(max_examples=150)
def test_it_trips_where_the_rule_says(tokens: list[int]) -> None:
    assert trips_after(tokens) == first_loop(tokens)


def test_it_trips_where_the_rule_says_after_thousands_of_tokens() -> None:
    numbers = random.Random(5)
    before = [numbers.randrange(3) for _ in range(5_000)]
    for start in range(3_900, 4_100, 7):  # around the place where the buffer starts again
        assert trips_after(before[:start] + [8, 9] * 100) == start + 128
