"""tokenizer.model is read as the sentencepiece library reads it, and damage is our own error."""

from __future__ import annotations

from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.sentencepiece import read_pieces
from edge_med.demo.sentencepiece_model import sentencepiece_model
from edge_med.errors import CheckpointError
from tests.conftest import Checkpoints

SMALL = sentencepiece_model(
    [
        ("<unk>", 0.0, 2),
        ("<bos>", 0.0, 3),
        ("<eos>", 0.0, 3),
        ("<pad>", 0.0, 3),
        ("\u2581a", -1.5, 1),
    ]
)


def test_pieces_are_those_of_the_sentencepiece_library(checkpoint: Checkpoints) -> None:
    path = checkpoint("text") / "tokenizer.model"
    library = sentencepiece.SentencePieceProcessor(model_file=str(path))
    ours = read_pieces(path)
    assert len(ours) == library.vocab_size()
    for token_id, piece in enumerate(ours):
        assert piece.text == library.IdToPiece(token_id)
        assert piece.score == library.GetScore(token_id)
        assert (piece.type == 3) == library.IsControl(token_id)
        assert (piece.type == 6) == library.IsByte(token_id)


@given(
    changes=st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), max_size=4),
    cut=st.integers(),
)
@settings(max_examples=2000)
def test_any_damage_gives_pieces_or_our_error(
    changes: list[tuple[int, int]], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "tokenizer.model"
    data = bytearray(SMALL)
    for at, byte in changes:
        data[at] = byte
    path.write_bytes(data[: cut % (2 * len(data))])
    try:
        read_pieces(path)
    except CheckpointError as error:
        assert "tokenizer.model" in error.message


def test_a_number_without_an_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(b"\xff" * 64)
    with pytest.raises(CheckpointError):
        read_pieces(path)
