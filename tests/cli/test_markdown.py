"""Answers in Markdown while they come: all of the text is there, and none of it acts."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator

import pytest
from rich.console import Console

from devtools.terminal import Screen, feed
from edge_med.artifacts.safe_text import safe_text
from edge_med.cli.render import markdown
from edge_med.cli.render.markdown import Page

COLUMNS, LINES = 60, 40

ACTING = (
    *("\x1b]0;title\x07", "\x1b]2;title\x1b\\", "\x1b]52;c;aGk=\x07", "\x1b]8;;http://x\x1b\\"),
    *("\x1b[2J", "\x1b[H", "\x1b[9;9H", "\x1b[99A", "\x1b[31m", "\x1bc", "\x1b[?1049h", "\x1b[6n"),
    *("\x9b2J", "\x9d0;title\x9c", "\x90x\x9c", "\r", "\b\b\b", "\x07", "\x0b", "\x0c", "\x7f"),
    *("\u202e", "\u2066", "\u2069", "\u200f", "\u061c", "\U000e0041", "\u200b", "\ufeff"),
    *("&#27;[2J", "&#x9b;2J", "&#8238;", "&#x202E;", "&rlm;", "&#7;", "&#13;", "\ud800"),
)
"""Pieces that would do something if they reached a terminal as they are, or as entities."""

PLAIN = (
    *("heart", " ", "\n", "\n\n", "- ", "1. ", "**", "`", "```\n", "# ", "> ", "|", "[a](b)"),
    *("![a](\x1b[2J)", "<http://x>", "<b>", "[x]: http://y\n", "中文", "é", "👩\u200d⚕️", "\t"),
)


@pytest.fixture(autouse=True)
def always_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the open block with every piece, however fast they come."""
    monkeypatch.setattr(markdown, "REDRAWN", 0.0)


def hostile(count: int) -> Iterator[list[str]]:
    """Strings, each split at random places."""
    dice = random.Random(5)
    for _ in range(count):
        text = "".join(dice.choice(dice.choice((ACTING, PLAIN))) for _ in range(dice.randint(1, 9)))
        cuts = sorted(dice.choices(range(len(text) + 1), k=dice.randint(0, 4)))
        yield [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def checked(screen: Screen, text: str, safe: str) -> None:
    """After safe text nothing was changed that is the user's."""
    screen.reset()
    screen.draw("mine")
    screen.linefeed()
    screen.carriage_return()
    feed(screen, safe)
    assert screen.changed == [], repr(text)
    assert screen.replied == [], repr(text)
    assert "\x1b]" not in safe, repr(text)
    assert not set(safe) & set("\x07\x08\x9b\x9d\x90\u202e\u2066"), repr(text)
    assert "".join(screen.buffer[0][x].data for x in range(6)) == "mine  ", repr(text)


def test_20000_strings_in_pieces_do_nothing_to_a_terminal() -> None:
    screen = Screen(COLUMNS, LINES)
    for pieces in hostile(20_000):
        safe = "".join(map(safe_text, pieces))
        assert not set(safe) & set("\x1b\r"), repr(safe)
        checked(screen, "".join(pieces), safe)


@pytest.mark.parametrize("count", [1_000, pytest.param(20_000, marks=pytest.mark.long)])
def test_strings_in_pieces_do_nothing_as_markdown(count: int) -> None:
    screen = Screen(COLUMNS, 3 * LINES)
    for pieces in hostile(count):
        checked(screen, "".join(pieces), shown(pieces))


def shown(pieces: list[str], *, height: int = LINES) -> str:
    """What a terminal is sent for the pieces."""
    sent = io.StringIO()
    page = Page(Console(file=sent, force_terminal=True, width=COLUMNS, height=height))
    for piece in pieces:
        page.add(piece)
    page.close()
    return sent.getvalue()


def screen_of(pieces: list[str], *, height: int = LINES) -> list[str]:
    """The lines that are seen at the end."""
    screen = Screen(COLUMNS, 400)
    feed(screen, shown(pieces, height=height))
    return [line.rstrip() for line in screen.display if line.strip()]


def test_blocks_are_set_as_they_come_in_any_pieces() -> None:
    text = "# Findings\n\nThe **heart** is\nnormal.\n\n- left\n- right\n\n```\na\n\nb\n```\n\nDone."
    whole = screen_of([text])
    assert whole == screen_of(list(text))
    assert [line.strip() for line in whole] == [
        *("Findings", "The heart is normal.", "• left", "• right", "a", "b", "Done.")
    ]


def test_no_word_is_left_out() -> None:
    text = "if a <b and c> d, <!-- e --> </table> &lt; f\n\n[g]: h\n\n<div>\ni\n</div>\n\nj"
    assert " ".join(screen_of([text])).split() == text.split()


def test_an_answer_longer_than_the_screen_is_there_once() -> None:
    words = [f"word{number} " for number in range(300)]
    seen = " ".join(screen_of(words, height=8)).split()
    assert seen == [word.strip() for word in words]


def test_chinese_is_wrapped_at_its_width() -> None:
    lines = screen_of(["心" * 100])
    assert [len(line) for line in lines] == [30, 30, 30, 10]


def test_a_link_shows_where_it_leads_and_leads_nowhere() -> None:
    sent = shown(["[report](http://example.org)"])
    assert "http://example.org" in sent
    assert "\x1b]8" not in sent


def test_an_image_in_an_answer_is_a_text() -> None:
    assert screen_of(["![a](b)"]) == ["!a (b)"]
