"""The vocabulary: tokens, scores and types as GGUF stores them, out of the checkpoint's files.

The rules are those of llama.cpp's converter (`conversion/base.py`, _create_vocab_sentencepiece) for
a tokenizer.model, so that both write the same. Of a tokenizer.json alone, which its converter can't
use for Gemma, the same three lists are rebuilt from the merges.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from converters.checkpoint import Checkpoint
from converters.sentencepiece import (
    BYTE,
    CONTROL,
    NORMAL,
    UNUSED,
    USER_DEFINED,
    VocabularyPiece,
    read_pieces,
)
from edge_med.errors import CheckpointError

SPACE = "\u2581"
ADDED_SCORE, PADDING_SCORE = -1000.0, -10000.0

_PICTURE = "<image_soft_token>"
_BYTE_TOKEN = re.compile(r"<0x[0-9A-F]{2}>")
_LOOKS_SPECIAL = re.compile(
    r"<pad>|<mask>|<2mass>|\[@BOS@\]|<\|.*\|>|<｜.*｜>|<unused.*>",  # noqa: RUF001
    re.DOTALL,
)
"""Tokens that converters take for control tokens though tokenizer_config.json doesn't say so."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Three lists of the same length; a token's id is its place in them.

    Attributes:
        beyond: tokens that the model has no row for, by their ids.
    """

    tokens: list[str]
    scores: list[float]
    types: list[int]
    beyond: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, slots=True)
class _Added:
    """A token that was added to the vocabulary."""

    id: int
    text: str
    special: bool


def read_vocabulary(checkpoint: Checkpoint, size: int) -> Vocabulary:
    """The vocabulary of a checkpoint.

    Args:
        checkpoint: checkpoint with the tokenizer's files.
        size: `vocab_size` of config.json; ids without a token become padding.

    Raises:
        CheckpointError: there is no tokenizer, or it is damaged or of another kind.
    """
    filled = Vocabulary([f"[PAD{n}]" for n in range(size)], [PADDING_SCORE] * size, [UNUSED] * size)
    for token_id, piece in enumerate(_pieces(checkpoint)):
        _put(filled, token_id, piece)
    for token_id, text in _added_tokens_file(checkpoint):
        _put(filled, token_id, VocabularyPiece(text, ADDED_SCORE, USER_DEFINED))
    for added in _added_tokens(checkpoint):
        _put(filled, added.id, _as_piece(added))
    return filled


def _put(vocabulary: Vocabulary, token_id: int, piece: VocabularyPiece) -> None:
    """Fill an id, or keep it aside where the tokenizer knows more than the model has rows for.

    A text model has no row for the place of a picture, though its tokenizer is the same.
    """
    if token_id < len(vocabulary):
        vocabulary.tokens[token_id] = piece.text
        vocabulary.scores[token_id] = piece.score
        vocabulary.types[token_id] = piece.type
    elif piece.type != UNUSED and piece.text != _PICTURE:
        vocabulary.beyond[token_id] = piece.text


def _as_piece(added: _Added) -> VocabularyPiece:
    if added.special or _LOOKS_SPECIAL.fullmatch(added.text):
        return VocabularyPiece(added.text, ADDED_SCORE, CONTROL)
    return VocabularyPiece(added.text.replace(SPACE, " "), ADDED_SCORE, USER_DEFINED)


def _pieces(checkpoint: Checkpoint) -> list[VocabularyPiece]:
    model = checkpoint.small.path("tokenizer.model")
    if model.is_file():
        # llama.cpp takes user-defined pieces for normal ones here, and leaves it to
        # tokenizer_config.json to say otherwise.
        return [
            p._replace(type=NORMAL) if p.type == USER_DEFINED else p for p in read_pieces(model)
        ]
    if checkpoint.small.path("tokenizer.json").is_file():
        return _rebuilt_pieces(checkpoint.json("tokenizer.json"))
    raise CheckpointError(
        "The checkpoint has neither tokenizer.model nor tokenizer.json.",
        "Take them from the base model: --base FOLDER does.",
    )


def _added_tokens_file(checkpoint: Checkpoint) -> Iterator[tuple[int, str]]:
    for text, token_id in checkpoint.json("added_tokens.json").items():
        yield _token_id(token_id), text


def _added_tokens(checkpoint: Checkpoint) -> Iterator[_Added]:
    """From tokenizer_config.json, as llama.cpp does; transformers 5 keeps them elsewhere."""
    decoder = checkpoint.json("tokenizer_config.json").get("added_tokens_decoder")
    if isinstance(decoder, dict):
        for token_id, entry in decoder.items():
            yield _added(token_id, entry)
        return
    listed = checkpoint.json("tokenizer.json").get("added_tokens") or []
    for entry in listed if isinstance(listed, list) else [None]:
        yield _added(entry.get("id") if isinstance(entry, dict) else None, entry)


def _added(token_id: Any, entry: Any) -> _Added:
    if not isinstance(entry, dict) or not isinstance(entry.get("content"), str):
        raise CheckpointError("The tokenizer's added tokens are damaged.", "Download it again.")
    return _Added(_token_id(token_id), entry["content"], bool(entry.get("special")))


def _token_id(value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if number < 0:
        raise CheckpointError(f"The tokenizer has the token id {value!r}.", "Download it again.")
    return number


def _rebuilt_pieces(tokenizer: dict[str, Any]) -> list[VocabularyPiece]:
    """The pieces that a tokenizer.model would have held, out of a tokenizer.json.

    A normal token's score falls by one from token to token, in the order in which the merges first
    make them; the single characters, which no merge makes, come after. In Google's file the scores
    step over 31 numbers between the two, which is how many runs of tabs it has among its added
    tokens. Only the order of scores matters to a tokenizer, so the step can't change a result.
    """
    vocab, merges, added = _bpe_parts(tokenizer)
    made = dict.fromkeys(left + right for left, right in merges)
    normal = [text for text in made if text in vocab and text not in added]
    known = added.union(normal)
    single = sorted((i, t) for t, i in vocab.items() if t not in known and not _is_byte(t))
    step = sum(1 for text in added if set(text) == {"\t"})
    scores = {text: -float(rank) for rank, text in enumerate(normal)}
    first = len(normal) + step
    scores |= {text: -float(first + rank) for rank, (_, text) in enumerate(single)}
    pieces = [VocabularyPiece("", 0.0, UNUSED)] * (max(vocab.values()) + 1)
    for text, token_id in vocab.items():
        pieces[token_id] = VocabularyPiece(
            text, scores.get(text, 0.0), BYTE if _is_byte(text) else NORMAL
        )
    return pieces


def _is_byte(text: str) -> bool:
    return bool(_BYTE_TOKEN.fullmatch(text))


def _bpe_parts(
    tokenizer: dict[str, Any],
) -> tuple[dict[str, int], list[tuple[str, str]], set[str]]:
    """Vocabulary, merges and added tokens of a tokenizer.json, checked.

    Raises:
        CheckpointError: it isn't byte-fallback BPE, or is damaged.
    """
    model = tokenizer.get("model")
    bpe = isinstance(model, dict) and model.get("type") == "BPE" and model.get("byte_fallback")
    if not bpe or not isinstance(model, dict):
        raise CheckpointError(
            "tokenizer.json isn't a Gemma tokenizer (BPE with byte fallback).",
            "Put the model's tokenizer.model into the folder.",
        )
    try:
        vocab = {str(text): _token_id(token_id) for text, token_id in model["vocab"].items()}
        pairs = [m.split(" ", 1) if isinstance(m, str) else m for m in model["merges"]]
        merges = [(str(left), str(right)) for left, right in pairs]
        added = {str(entry["content"]) for entry in tokenizer.get("added_tokens") or []}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise CheckpointError("tokenizer.json is damaged.", "Download it again.") from None
    if not vocab or max(vocab.values()) > 1 << 20:
        raise CheckpointError("tokenizer.json has no usable vocabulary.", "Download it again.")
    return vocab, merges, added
