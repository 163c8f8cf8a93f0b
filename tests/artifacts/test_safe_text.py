"""Text from outside can't act on a terminal."""

from __future__ import annotations

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_med.artifacts.safe_text import safe_line, safe_text


def harmful(character: str) -> bool:
    kind = unicodedata.category(character)
    joiner = character in "\u200c\u200d\ufeff\u00ad\u2060"
    bidirectional = unicodedata.bidirectional(character) in (
        *("LRE", "RLE", "LRO", "RLO", "PDF"),
        *("LRI", "RLI", "FSI", "PDI"),
    )
    return (kind == "Cc" and character not in "\n\t") or (bidirectional and not joiner)


@given(st.text())
@settings(max_examples=500)
def test_no_control_character_or_bidirectional_mark_is_left(text: str) -> None:
    assert not any(map(harmful, safe_text(text)))


@given(st.text(), st.integers(0, 20))
def test_a_text_may_come_in_pieces(text: str, cut: int) -> None:
    assert safe_text(text[:cut]) + safe_text(text[cut:]) == safe_text(text)


def test_escapes_become_visible_and_scripts_stay() -> None:
    assert safe_text("\x1b]52;c;aGk=\x07") == "\\x1b]52;c;aGk=\\x07"
    assert safe_text("نعم 👩\u200d⚕️ naïve\n") == "نعم 👩\u200d⚕️ naïve\n"
    assert safe_line("two\nlines\t") == "two\\nlines\\t"
