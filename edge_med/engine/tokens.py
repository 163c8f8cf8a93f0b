"""Text to token ids and back."""

from __future__ import annotations

import codecs
import ctypes
from collections.abc import Sequence

from edge_med.engine.model import Model
from edge_med.engine.native import llama_cpp
from edge_med.errors import EngineError

_LONGEST_PIECE = 256  # bytes; Gemma's longest has 93


def tokenize(model: Model, text: str) -> list[int]:
    """The ids of a text; control tokens that are spelled out in it stay plain text."""
    data = text.encode()
    room = len(data) + 8
    ids = (ctypes.c_int32 * room)()
    count = llama_cpp().llama_tokenize(model.vocabulary, data, len(data), ids, room, False, False)
    if count < 0:
        raise EngineError("llama.cpp can't tokenize the prompt.")
    return list(ids[:count])


def control_token(model: Model, name: str) -> int | None:
    """The id of a control token by its name; None if the vocabulary hasn't got it."""
    data = name.encode()
    ids = (ctypes.c_int32 * (len(data) + 8))()
    count = llama_cpp().llama_tokenize(
        model.vocabulary, data, len(data), ids, len(ids), False, True
    )
    return ids[0] if count == 1 else None


def ends_generation(model: Model, token: int) -> bool:
    """Whether a token ends an answer: the end of the turn or of the text."""
    return bool(llama_cpp().llama_vocab_is_eog(model.vocabulary, token))


class Detokenizer:
    """Turns tokens into text as they come, and holds back a character that isn't whole yet."""

    def __init__(self, model: Model) -> None:
        self._vocabulary = model.vocabulary
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._buffer = ctypes.create_string_buffer(_LONGEST_PIECE)

    def add(self, token: int) -> str:
        """The text that a token completes; control tokens have none."""
        size = llama_cpp().llama_token_to_piece(
            self._vocabulary, token, self._buffer, _LONGEST_PIECE, 0, False
        )
        if size < 0:
            raise EngineError(f"The vocabulary has a piece of {-size} bytes.")
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
        raise EngineError("The model has a chat template, but no tokens for turns.")
    question = tokenize(model, f"user\n{text.strip()}")
    answer = tokenize(model, "model\n")
    break_line = tokenize(model, "\n")
    return [*start, open_turn, *question, close_turn, *break_line, open_turn, *answer]
