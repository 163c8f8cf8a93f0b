"""The vocabulary comes out the same from tokenizer.model and from tokenizer.json alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from converters.checkpoint import open_checkpoint
from converters.vocabulary import Vocabulary, read_vocabulary
from devtools.checkpoints.tiny import PADDED_VOCABULARY
from devtools.checkpoints.tokenizer import tiny_tokenizer
from edge_med.errors import CheckpointError
from tests.conftest import Checkpoints

SPACES, CONTROL, USER_DEFINED, UNUSED = "   ", 3, 4, 5


@pytest.fixture
def folder(checkpoint: Checkpoints, tmp_path: Path) -> Path:
    return shutil.copytree(checkpoint("text"), tmp_path / "copy")


def read(folder: Path) -> Vocabulary:
    return read_vocabulary(open_checkpoint(folder), PADDED_VOCABULARY)


def test_both_sources_give_the_same(checkpoint: Checkpoints) -> None:
    assert read(checkpoint("text")) == read(checkpoint("tokenizer-json"))


def test_runs_of_spaces_are_written_with_spaces(checkpoint: Checkpoints) -> None:
    vocabulary = read(checkpoint("text"))
    token_id = tiny_tokenizer().id("\u2581" * len(SPACES))
    assert vocabulary.tokens[token_id] == SPACES
    assert vocabulary.types[token_id] == USER_DEFINED


def test_ids_without_a_token_are_padding(checkpoint: Checkpoints) -> None:
    vocabulary = read(checkpoint("text"))
    last = PADDED_VOCABULARY - 1
    assert len(vocabulary) == PADDED_VOCABULARY
    assert (vocabulary.tokens[last], vocabulary.types[last]) == (f"[PAD{last}]", UNUSED)


def test_a_token_beyond_the_pieces_has_its_place(checkpoint: Checkpoints) -> None:
    vocabulary = read(checkpoint("text"))
    token_id = vocabulary.tokens.index("<image_soft_token>")
    assert token_id == len(tiny_tokenizer().tokens)
    assert vocabulary.types[token_id] == CONTROL


def test_added_tokens_are_found_where_transformers_5_keeps_them(folder: Path) -> None:
    expected = read(folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    del config["added_tokens_decoder"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert read(folder) == expected


def test_added_tokens_json_counts_as_well(folder: Path) -> None:
    last = PADDED_VOCABULARY - 1
    (folder / "added_tokens.json").write_text(json.dumps({"<mine>": last}))
    vocabulary = read(folder)
    assert (vocabulary.tokens[last], vocabulary.types[last]) == ("<mine>", USER_DEFINED)


def test_without_a_tokenizer_it_is_refused(folder: Path) -> None:
    for name in ("tokenizer.model", "tokenizer.json"):
        (folder / name).unlink()
    with pytest.raises(CheckpointError, match=r"neither tokenizer\.model nor"):
        read(folder)


@pytest.mark.parametrize(
    "damage",
    [
        {"type": "Unigram"},
        {"byte_fallback": False},
        {"vocab": []},
        {"vocab": {}},
        {"vocab": {"a": -1}},
        {"vocab": {"a": 1 << 40}},
        {"merges": [1]},
        {"merges": ["ab"]},
    ],
)
def test_another_or_a_damaged_tokenizer_is_refused(
    damage: dict[str, object], checkpoint: Checkpoints, tmp_path: Path
) -> None:
    folder = shutil.copytree(checkpoint("tokenizer-json"), tmp_path / "copy")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"] |= damage
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(CheckpointError, match=r"token"):
        read(folder)


@pytest.mark.parametrize("entry", [{"content": 3}, {}, [], {"content": "x", "id": "y"}])
def test_damaged_added_tokens_are_refused(folder: Path, entry: object) -> None:
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"added_tokens_decoder": {"x": entry}})
    )
    with pytest.raises(CheckpointError):
        read(folder)
