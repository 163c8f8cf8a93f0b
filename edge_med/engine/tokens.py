"""Text to token ids and back."""

from __future__ import annotations

import codecs
import ctypes
import re
from collections.abc import Sequence

from edge_med.engine.model import Model
from edge_med.engine.native import llama_cpp
from edge_med.errors import EngineError

_NOT_GEMMA = "Convert the original checkpoint with edge-med convert."
_LONGEST_PIECE = 256  # bytes; Gemma's longest has 93


_SPACE = "\u2581"
_STRIKE_END = "</s>"
_APART = re.compile(f"({_SPACE}{{2,31}}|{_STRIKE_END})")
"""Texts that have a token for Hugging Face and, if they aren't tokenized apart, none for llama.cpp.

The vocabulary writes spaces as U+2581, and llama.cpp doesn't take the character itself for one. The
end of struck text, a token of markup like `</b>`, it takes for the end of other models' answers.
"""


def tokenize(model: Model, text: str) -> list[int]:
    """The ids of a text; control tokens that are spelled out in it stay plain text."""
    markup = _is_markup(model, control_token(model, _STRIKE_END))
    return [
        token
        for part in _APART.split(text)
        for token in _ids(model, part.replace(_SPACE, " "), special=markup and part == _STRIKE_END)
    ]


def _ids(model: Model, text: str, *, special: bool) -> list[int]:
    """What llama.cpp makes of a text, whose control tokens it heeds only if `special`."""
    data = text.encode()
    room = len(data) + 8
    ids = (ctypes.c_int32 * room)()
    count = llama_cpp().llama_tokenize(model.vocabulary, data, len(data), ids, room, False, special)
    if count < 0:
        raise EngineError("llama.cpp can't tokenize the prompt.", "See why with --verbose.")
    return list(ids[:count])


def _is_markup(model: Model, token: int | None) -> bool:
    """Whether the file calls a token user-defined, even if llama.cpp takes it for control."""
    if token is None:
        return False
    api = llama_cpp()
    attributes: int = api.llama_vocab_get_attr(model.vocabulary, token)
    return bool(attributes & api.LLAMA_TOKEN_ATTR_USER_DEFINED)


def control_token(model: Model, name: str) -> int | None:
    """The id of a control token by its name; None if the vocabulary hasn't got it."""
    ids = _ids(model, name, special=True)
    return ids[0] if len(ids) == 1 else None


def ends_generation(model: Model, token: int) -> bool:
    """Whether a token ends an answer: the end of the turn or of the text."""
    ends = llama_cpp().llama_vocab_is_eog(model.vocabulary, token)
    return bool(ends) and not _is_markup(model, token)


class Detokenizer:
    """Turns tokens into text as they come, and holds back a character that isn't whole yet."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._buffer = ctypes.create_string_buffer(_LONGEST_PIECE)

    def add(self, token: int) -> str:
        """The text that a token completes; control tokens have none."""
        markup = _is_markup(self._model, token)
        size = llama_cpp().llama_token_to_piece(
            self._model.vocabulary, token, self._buffer, _LONGEST_PIECE, 0, markup
        )
        if size < 0:
            raise EngineError(f"The vocabulary has a piece of {-size} bytes.", _NOT_GEMMA)
        return self._decoder.decode(self._buffer.raw[:size])

    def finish(self) -> str:
        """What is left when no token follows: a mark for a character that was cut off."""
        return self._decoder.decode(b"", final=True)


def compose(model: Model, text: str) -> Sequence[int]:
    """The prompt for one question: a user's turn, or the plain text if the model has no turns.

    A file without a chat template holds a base model, which continues a text.
    """
    start = [token for name in ("<bos>",) if (token := control_token(model, name)) is not None]
    if model.header.text("tokenizer.chat_template") is None:
        return [*start, *tokenize(model, text)]
    open_turn, close_turn = (control_token(model, f"<{n}_of_turn>") for n in ("start", "end"))
    if open_turn is None or close_turn is None:
        raise EngineError("The model has a chat template, but no tokens for turns.", _NOT_GEMMA)
    question = tokenize(model, f"user\n{text.strip()}")
    answer = tokenize(model, "model\n")
    break_line = tokenize(model, "\n")
    return [*start, open_turn, *question, close_turn, *break_line, open_turn, *answer]
