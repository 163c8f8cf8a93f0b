"""Show text from outside on a terminal without letting it act there."""

from __future__ import annotations

import re

_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line feed, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional marks
    "\U000e0000-\U000e007f\ud800-\udfff]"  # tag characters, half surrogates
)


def safe_text(text: str) -> str:
    """The text with control characters, bidirectional marks and tags spelled out.

    Characters are treated one by one, so a text may come in pieces. Joiners that scripts and emoji
    need stay as they are.
    """
    return _HARMFUL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def safe_line(text: str) -> str:
    """The same for one line: line feeds and tabs are spelled out as well."""
    return safe_text(text).replace("\n", "\\n").replace("\t", "\\t")
