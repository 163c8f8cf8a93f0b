"""A window that isn't the published one is told; shapes that nobody published are left alone."""

from __future__ import annotations

from pathlib import Path

import gguf
import pytest

from edge_med.artifacts.published import WINDOWS, window_words
from edge_med.artifacts.verify import verify
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
