"""Bytes of tokens become text that may be shown, and nothing of a stop text ever is."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_med.answers import Piece
from edge_med.engine.decode.detokenizer import StreamingDetokenizer


def write(writer: StreamingDetokenizer, chunks: list[bytes]) -> list[Piece | None]:
    """What each token releases, and the end; the ids are 0, 1, 2 …"""
    return [*(writer.add(chunk, id) for id, chunk in enumerate(chunks)), writer.finish()]


def pieces(stop: tuple[str, ...], *texts: str) -> list[tuple[str, tuple[int, ...]] | None]:
    found = write(StreamingDetokenizer(stop), [text.encode() for text in texts])
    return [None if piece is None else (piece.text, piece.ids) for piece in found]


def test_each_token_releases_its_text() -> None:
    assert pieces((), "The", " heart") == [("The", (0,)), (" heart", (1,)), None]


def test_what_could_become_a_stop_text_is_held_back() -> None:
    assert pieces(("\n\nUser:",), "fine.\n", "\nUs", "ually") == [
        ("fine.", (0,)),
        None,
        ("\n\nUsually", (1, 2)),
        None,
    ]


def test_no_more_is_held_back_than_could_become_a_stop_text() -> None:
    assert pieces(("<<x",), "a", "<", "<", "<", "b") == [
        ("a", (0,)),
        None,
        None,
        ("<", (1,)),
        ("<<b", (2, 3, 4)),
        None,
    ]


def test_a_token_that_is_half_released_comes_with_its_first_half() -> None:
    assert pieces(("<x",), "a<", "b") == [("a", (0,)), ("<b", (1,)), None]


def test_what_was_held_back_comes_at_the_end() -> None:
    assert pieces(("END",), "EN") == [None, ("EN", (0,))]


def test_stop_text_across_tokens_ends_the_answer() -> None:
    writer = StreamingDetokenizer(("END",))
    assert write(writer, [b"done E", b"N", b"D, and more", b"never"]) == [
        Piece("answer", "done ", (0,)),
        None,
        Piece("answer", "", (1, 2)),
        None,
        None,
    ]
    assert (writer.text, writer.stopped) == ("done ", "END")


def test_without_a_stop_text_nothing_has_stopped() -> None:
    writer = StreamingDetokenizer(("END",))
    write(writer, [b"done"])
    assert (writer.text, writer.stopped) == ("done", None)


@pytest.mark.parametrize(
    ("stop", "text", "shown", "stopped"),
    [
        (("late", "soon"), "it is soon late", "it is ", "soon"),
        (("b", "ab"), "xab", "x", "ab"),
        (("abc", "b"), "xabc", "xa", "b"),
        (("aa",), "xaaa", "x", "aa"),
    ],
    ids=["the earliest", "the longest of one end", "the first to be complete", "its first place"],
)
def test_the_first_stop_text_to_be_complete_wins(
    stop: tuple[str, ...], text: str, shown: str, stopped: str
) -> None:
    for chunks in ([text.encode()], [letter.encode() for letter in text]):
        writer = StreamingDetokenizer(stop)
        write(writer, chunks)
        assert (writer.text, writer.stopped) == (shown, stopped)


TEXTS = {
    "Chinese": "右肺上叶可见结节，大小约8毫米。",  # noqa: RUF001 - Chinese punctuation
    "Arabic": "القلب طبيعي الحجم، ولا يوجد انصباب.",
    "emoji": "👩\u200d⚕️ says 👍🏽, 👨\u200d👩\u200d👧\u200d👦 smile 🇨🇭",
    "accents": "Ménière, naïve, e\u0301",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_may_be_split_at_every_byte(text: str) -> None:
    data = text.encode()
    for cut in range(len(data) + 1):
        found = write(StreamingDetokenizer(()), [data[:cut], data[cut:]])
        assert "".join(piece.text for piece in found if piece) == text


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_bytes_one_by_one_release_whole_characters(text: str) -> None:
    found = write(StreamingDetokenizer(()), [bytes([byte]) for byte in text.encode()])
    assert [piece.text for piece in found if piece] == list(text)


def test_the_ids_of_a_character_come_with_it() -> None:
    head, middle, tail = (bytes([byte]) for byte in "肺".encode())
    assert write(StreamingDetokenizer(()), [b"a" + head, middle, tail]) == [
        Piece("answer", "a", (0,)),
        None,
        Piece("answer", "肺", (1, 2)),
        None,
    ]


def test_a_token_without_text_comes_with_the_next_text_or_at_the_end() -> None:
    assert pieces((), "", "a", "") == [None, ("a", (0, 1)), None, ("", (2,))]


def test_bytes_that_are_no_character_become_a_mark() -> None:
    writer = StreamingDetokenizer(())
    write(writer, [b"a\xff", b"b\xe8\x82"])
    assert writer.text == "a\ufffdb\ufffd"


def test_a_mark_that_completes_a_stop_text_at_the_end_stops() -> None:
    writer = StreamingDetokenizer(("\ufffd",))
    write(writer, [b"a\xe8", b"\x82"])
    assert (writer.text, writer.stopped) == ("a", "\ufffd")


def test_nothing_of_a_cut_off_character_comes_after_a_stop_text() -> None:
    writer = StreamingDetokenizer(("END",))
    assert write(writer, [b"END\xe8"]) == [Piece("answer", "", (0,)), None]


@pytest.mark.timing
def test_detokenizer_takes_no_longer_for_a_token_of_a_long_answer() -> None:
    def seconds(count: int) -> float:
        writer = StreamingDetokenizer(("<end>", "\n\nUser:"))
        began = time.perf_counter()
        for id in range(count):
            writer.add(b" word<", id)
        return time.perf_counter() - began

    best = [min(seconds(count) for _ in range(3)) for count in (4_000, 32_000)]
    assert best[1] < 3 * 8 * best[0]


ALPHABET = st.text("ab\n肺👩\u200d", max_size=40)
STOPS = st.lists(st.text("ab\n肺👩\u200d", min_size=1, max_size=5), max_size=4).map(tuple)
CUTS = st.lists(st.integers(0, 160), max_size=30)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def before_stop(text: str, stop: tuple[str, ...]) -> tuple[str, str | None]:
    """The text up to its first stop text, and that: the first to end, then the longest."""
    for end in range(1, len(text) + 1):
        if met := [s for s in stop if text[:end].endswith(s)]:
            longest = max(met, key=len)
            return text[: end - len(longest)], longest
    return text, None


@given(ALPHABET, CUTS, STOPS)
def test_any_pieces_make_the_text_up_to_the_first_stop_text(
    text: str, cuts: list[int], stop: tuple[str, ...]
) -> None:
    writer = StreamingDetokenizer(stop)
    found = write(writer, split(text.encode(), cuts))
    joined = "".join(piece.text for piece in found if piece)
    assert (joined, writer.stopped) == before_stop(text, stop)
    assert writer.text == joined


@given(ALPHABET, CUTS, STOPS)
def test_every_id_comes_once_and_in_order(
    text: str, cuts: list[int], stop: tuple[str, ...]
) -> None:
    writer = StreamingDetokenizer(stop)
    given_ids: list[int] = []
    found: list[Piece | None] = []
    for id, chunk in enumerate(split(text.encode(), cuts)):
        if writer.stopped is None:
            given_ids.append(id)
            found.append(writer.add(chunk, id))
    found.append(writer.finish())
    assert [id for piece in found if piece for id in piece.ids] == given_ids


@given(ALPHABET, STOPS)
def test_what_is_held_back_is_the_longest_beginning_of_a_stop_text(
    text: str, stop: tuple[str, ...]
) -> None:
    writer = StreamingDetokenizer(stop)
    for end, character in enumerate(text, 1):
        writer.add(character.encode(), end)
        if writer.stopped is not None:
            break
        held = (n for n in range(end + 1) if any(s.startswith(text[end - n : end]) for s in stop))
        longest = max(held, default=0) if stop else 0
        assert writer.text == text[: end - longest]


@given(st.binary(max_size=60), CUTS)
def test_any_bytes_are_read_as_if_they_had_come_at_once(data: bytes, cuts: list[int]) -> None:
    writer = StreamingDetokenizer(())
    write(writer, split(data, cuts))
    assert writer.text == data.decode("utf-8", "replace")
