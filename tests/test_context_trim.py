"""What is left out of a conversation that has outgrown its context."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from edge_med import imaging
from edge_med.conversation.context_trim import BETWEEN, Trimming
from edge_med.errors import ContextOverflowError
from edge_med.messages import ImagePart, Message, TextPart

IMAGE = ImagePart(imaging.open(np.zeros((8, 8, 3), np.uint8), side=8))


def turns(*sizes: int, image: int | None = None) -> list[Message]:
    """Questions of one letter each, with answers of so many; the last has none yet."""
    found: list[Message] = []
    for number, size in enumerate(sizes):
        picture = (IMAGE,) if number == image else ()
        found.append(Message("user", (*picture, TextPart("q"))))
        found.append(Message("assistant", (TextPart(chr(97 + number) * size),)))
    return [*found, Message("user", (TextPart("q"),))]


class Counter:
    """Counts letters, and how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, messages: Sequence[Message]) -> int:
        self.calls += 1
        return sum(len(message.text) for message in messages)


def left_out(trimming: Trimming, whole: list[Message], room: int = 0) -> int:
    return trimming.shown([], whole, room, Counter(), Counter())[1]


def test_what_fits_is_shown_whole() -> None:
    whole = turns(40, 40)
    assert Trimming(100).shown([], whole, 10, Counter(), Counter()) == (whole, 0)


def test_the_oldest_go_and_free_a_quarter_more_than_needed() -> None:
    whole = turns(20, 20, 20, 20, 20)
    shown, gone = Trimming(100).shown([], whole, 0, Counter(), Counter())
    assert gone == 2
    assert shown == whole[4:]


def test_what_was_left_out_stays_so_until_that_no_longer_does() -> None:
    trimming = Trimming(100)
    whole = turns(20, 20, 20, 20, 20)
    assert left_out(trimming, whole) == 2
    assert left_out(trimming, turns(20, 20, 20, 20, 20, 20)) == 2, "the prefix stays"
    assert left_out(trimming, turns(20, 20, 20, 20, 20, 20, 20)) > 2


def test_what_was_left_out_comes_back_once_everything_fits_again() -> None:
    trimming = Trimming(100)
    assert left_out(trimming, turns(20, 20, 20, 20, 20)) == 2
    assert left_out(trimming, turns(20, 20, 20)) == 0


def test_a_turn_with_an_image_stays() -> None:
    whole = turns(20, 20, 20, 20, 20, image=0)
    shown, gone = Trimming(100).shown([], whole, 0, Counter(), Counter())
    assert shown == [*whole[:2], *whole[6:]]
    assert gone == 2


def test_each_turn_is_counted_once() -> None:
    trimming, count = Trimming(100), Counter()
    sizes = [20] * 5
    trimming.shown([], turns(*sizes), 0, count, count)
    calls = count.calls
    assert calls == 2 + 2, "the whole before and after, and two turns"
    trimming.shown([], turns(*sizes, 20), 0, count, count)
    assert count.calls == calls + 1


def test_an_instruction_that_comes_on_top_does_not_count_for_every_turn() -> None:
    """A schema's is part of the whole prompt once, so leaving a turn out frees only that."""
    plain = Counter()
    shown, gone = Trimming(100).shown(
        [], turns(20, 20, 20, 20), 0, lambda messages: 40 + plain(messages), plain
    )
    assert 40 + plain(shown) <= 100
    assert gone == 3


def test_a_conversation_that_fits_without_any_room_is_shown() -> None:
    assert left_out(Trimming(100), turns(100 - 2, image=0), room=25) == 0


@pytest.mark.parametrize(("image", "said"), [(0, "images are never"), (None, "context of 100.")])
def test_what_can_not_fit_says_by_how_much(image: int | None, said: str) -> None:
    whole = [*turns(20, image=image)[:-1], Message("user", (TextPart("q" * 101),))]
    with pytest.raises(ContextOverflowError, match=r"[1-9]\d* tokens too long") as caught:
        Trimming(100).shown([], whole, 0, Counter(), Counter())
    assert said in caught.value.message


def test_the_size_of_a_turn_counts_what_stands_between() -> None:
    trimming = Trimming(100)
    pair = turns(20)[:2]
    assert trimming._size(pair, 0, Counter()) == 21 + BETWEEN
