"""Strings that a tokenizer may treat in its own way: runs, digits, odd characters, markup.

None holds the text of a control token: what a user's `<start_of_turn>` becomes is another matter.
"""

from __future__ import annotations

from collections.abc import Iterator

RUNS = (*range(1, 34), 62, 63, 64)
"""Gemma has tokens for runs of 2 to 31 spaces, and of 1 to 31 tabs and line breaks."""

SPECIAL = (
    # The only normal token that has the score of added tokens, -1000, is " high".
    "Code to highest level of cervical cord injury",
    "a high fever",
    # Spaces and breaks at the ends; kinds of whitespace side by side.
    " x",
    "x ",
    "  x  ",
    "\nx\n",
    "\tx\t",
    "a \tb\t c",
    " \n \n ",
    "a\n\n b\n\n\n  c",
    "a\r\nb\r\n\r\nc\rd",
    "\r",
    "\x0b\x0c",
    # U+2581, by which the vocabulary writes a space.
    "\u2581",
    "a\u2581b",
    "\u2581\u2581",
    "a\u2581\u2581\u2581b",
    " \u2581",
    "\u2581 \u2581",
    "\u2581\u2581 x",
    "\u2581" * 32 + "x",
    "▁▂▃▄▅▆▇█▇▆▅▄▃▂▁▁▁▂",
    # Other spaces, joiners, marks of direction, and a byte order mark.
    "a\u00a0b\u00a0\u00a0c",
    "\u2003\u2009\u202f\u205f",
    "\u3000\u3000全角",
    "a\u200bb\u200cc\u200dd\u2060e",
    "\u202babc\u202c \u2067\u05d0\u2069\u200e\u200f",
    "\ufefftext",
    "a\u2028b\u2029c\u0085d",
    # Characters without a token, or without a meaning; code points at the edges of UTF-8.
    "\x00",
    "a\x00b\x01\x1b[31mc\x7f",
    "\ufffd\ufffe\uffff",
    "\ue000\uf8ff",
    "\u007f\u0080\u07ff\u0800\ud7ff\uffff\U00010000\U0010ffff",
    "𒀀𓀀𐍈𝔘𝓷𝓲",
    # The same letter composed and not; marks upon marks.
    "é e\u0301",
    "한 \u1112\u1161\u11ab",
    "Z\u0351\u036b\u0343a\u0334\u0321l\u0489g\u0321o\u0337",
    "ﬁ ﷺ ㎎ ℃ ① Ⅷ ½",
    # Digits, one token each, in several scripts; numbers as they are written in medicine.
    "0123456789",
    "00 007 1000000 3.14159 1,234.56 1.234,56 -40 +5 ±2",
    "1e-9 0x1F 12:34:56 2024-02-29T16:05:09Z 10% 1/2 3×4",  # noqa: RUF001
    "٠١٢٣٤٥٦٧٨٩ ۰۱۲۳۴۵۶۷۸۹ ०१२३४५६७८९ ０１２３",  # noqa: RUF001 - digits of full width
    "BP 120/80 mmHg, SpO₂ 98 %, T 37,2 °C, HbA1c 6.5%",
    "5 \u00b5g · 5 \u03bcg · 5 mcg; 10³/\u00b5L; 1.73 m²",
    "T1N0M0 C7–T1 L4/5 q8h p.o. b.i.d.",  # noqa: RUF001 - an en dash
    # Markup that has tokens of its own, and what only looks like it.
    "<table><tr><td>1</td></tr></table>",
    "<b>x</b> <i> y </i><h1>\n</h1>",
    # llama.cpp takes this one for the end of an answer.
    "<s>x</s> </s></s></strong>",
    "<B>x</B> <td ><tdx>",
    "<0x41><0x0A>",
    "[multimodal]",
    "[PAD3] </div",
    # Code.
    "def f(x):\n\treturn {\n\t\t'a': x  # b\n\t}\n",
    "https://example.org/a_b?c=%20&d=é#e",
)


def special_strings() -> Iterator[str]:
    """Runs of each length, alone and between letters, and the table above."""
    for count in RUNS:
        yield from (" " * count, f"a{' ' * count}b", "\n" * count, "\t" * count)
    yield from SPECIAL
