"""Numbers that aren't the published ones are told; shapes that nobody published are left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import pytest

from edge_med.artifacts.hparams import read_text_params
from edge_med.artifacts.published import WINDOWS, config_words, window_words
from edge_med.artifacts.verification import verify
from edge_med.cli import main


@pytest.mark.parametrize("shape", WINDOWS)
def test_the_published_window_is_not_spoken_of(shape: tuple[int, int]) -> None:
    assert window_words(*shape, WINDOWS[shape]) is None
    said = window_words(*shape, 32)
    assert said is not None
    assert f"is 32 tokens, and Gemma 3 of {shape[0]} layers has {WINDOWS[shape]}" in said


@pytest.mark.parametrize("shape", [(7, 256), (34, 640), (None, None)])
def test_another_shape_may_have_any_window(shape: tuple[int | None, int | None]) -> None:
    assert window_words(*shape, 64) is None


GOOGLES: dict[str, Any] = {
    "num_hidden_layers": 34,
    "hidden_size": 2560,
    "num_attention_heads": 8,
    "sliding_window": 1024,
    "rope_scaling": {"rope_type": "linear", "factor": 8.0},
}
"""config.json of google/gemma-3-4b-it, of its text model."""


def said_of(**other: Any) -> str | None:
    given = {key: value for key, value in (GOOGLES | other).items() if value is not None}
    return config_words(read_text_params({"model_type": "gemma3_text", **given}))


def test_the_published_numbers_are_not_spoken_of() -> None:
    assert said_of() is None
    small = {"num_hidden_layers": 18, "hidden_size": 640, "num_attention_heads": 4}
    assert said_of(**small, sliding_window=512, rope_scaling=None) is None
    assert said_of(num_hidden_layers=7, sliding_window=64, rope_scaling=None) is None


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"rope_scaling": None}, "34 layers: the factor of rope_scaling none, there 8. No"),
        ({"sliding_window": None}, "sliding_window 4096, there 1024"),
        ({"rope_theta": 10_000}, "rope_theta 10000, there 1e+06"),
        ({"rope_local_base_freq": 1_000_000}, "rope_local_base_freq 1e+06, there 10000"),
        ({"rms_norm_eps": 1e-5}, "rms_norm_eps 1e-05, there 1e-06"),
        ({"final_logit_softcapping": 30.0}, "final_logit_softcapping 30, there none"),
    ],
)
def test_a_config_json_with_another_number_is_told(other: dict[str, Any], words: str) -> None:
    assert words in str(said_of(**other))


def test_inspect_and_verify_tell_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "theirs.gguf"
    writer = gguf.GGUFWriter(path, "gemma3")
    writer.add_block_count(34)
    writer.add_embedding_length(2560)
    writer.add_sliding_window(64)
    writer.add_token_list(["<start_of_turn>", "<end_of_turn>"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(SystemExit):
        main(["inspect", str(path)])
    assert "note: The sliding window of this file is 64 tokens" in capsys.readouterr().err
    (checked,) = verify(path).files
    assert any("sliding window" in note for note in checked.notes)
