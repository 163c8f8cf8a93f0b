"""`edge-med compare` as a user meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.checkpoints.tiny import PADDED_VOCABULARY, Text, Tiny, write_tiny
from edge_med import _platform
from tests.cli.conftest import Run
from tests.cli.test_ask import everything
from tests.conftest import Models

Command = Callable[..., Run]

ALONE = ("--threads", 1)
"""Two threads wait for each other on a machine that has other work."""


@pytest.fixture
def base(model: Models) -> Path:
    return model("text", "F32", "Q8_0") / "text-F32.gguf"


@pytest.fixture
def other(model: Models) -> Path:
    return model("text", "F32", "Q8_0") / "text-Q8_0.gguf"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Two chunks and a bit."""
    path = tmp_path / "text.txt"
    path.write_text("x7" * 600 + "\n")
    return path


def test_both_perplexities_and_the_divergence_are_told(
    edge_med: Command, base: Path, other: Path, text: Path
) -> None:
    done = edge_med("compare", base, other, "--text", text, *ALONE)
    assert (done.code, done.err) == (0, "")
    told = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert (told["A"], told["B"]) == ("text-F32.gguf", "text-Q8_0.gguf")
    assert told["positions"] == "510 in 2 chunks of 512 tokens"
    assert {"KL", "same", "ln(B"} <= set(told)


def test_json_has_the_same_figures(edge_med: Command, base: Path, other: Path, text: Path) -> None:
    found = json.loads(edge_med("compare", base, other, "--text", text, "--json", *ALONE).out)
    assert (found["tokens"], found["chunks"], found["positions"]) == (1201, 2, 510)
    assert 0 < found["divergence"]["mean"]["value"] < found["divergence"]["maximum"]
    assert found["base_perplexity"]["value"] > 1


def test_a_file_is_no_different_from_itself(edge_med: Command, base: Path, text: Path) -> None:
    found = json.loads(edge_med("compare", base, base, "--text", text, "--json", *ALONE).out)
    assert found["divergence"]["maximum"] == pytest.approx(0, abs=1e-6)
    assert found["log_ratio"]["value"] == pytest.approx(0, abs=1e-6)
    assert found["same_top"]["value"] == 1


def test_a_short_text_exits_with_3(
    edge_med: Command, base: Path, other: Path, tmp_path: Path
) -> None:
    (tmp_path / "short.txt").write_text("x7" * 200)
    done = edge_med("compare", base, other, "--text", tmp_path / "short.txt")
    assert done.code == 3
    assert "has 401 tokens" in done.err


def test_a_text_in_another_encoding_exits_with_3(
    edge_med: Command, base: Path, other: Path, tmp_path: Path
) -> None:
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    assert edge_med("compare", base, other, "--text", tmp_path / "latin.txt").code == 3


def test_a_file_that_is_no_model_exits_with_4(edge_med: Command, base: Path, text: Path) -> None:
    assert edge_med("compare", base, text, "--text", text).code == 4


def test_models_of_different_vocabularies_exit_with_4(
    edge_med: Command, base: Path, text: Path, tmp_path: Path
) -> None:
    wider = Tiny(text=Text(layers=6, vocabulary=PADDED_VOCABULARY + 64))
    source = write_tiny(wider, tmp_path / "wider")
    convert(ConversionRequest(source=source, folder=tmp_path / "out", quants=("Q8_0",)))
    other = tmp_path / "out/wider-Q8_0.gguf"
    done = edge_med("compare", base, other, "--text", text, *ALONE)
    assert done.code == 4
    assert "different vocabularies" in done.err


def test_too_little_memory_exits_with_5_unless_it_is_ignored(
    edge_med: Command, base: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MED_CHILD", "1")  # it stays in this process
    monkeypatch.setattr(_platform, "available_memory", lambda: 1 << 20)
    both = ("compare", base, base, "--text", text, *ALONE)
    refused = edge_med(*both)
    assert (refused.code, refused.out) == (5, "")
    assert "--memory" in refused.err
    assert edge_med(*both, "--memory", "ignore").code == 0


def test_a_missing_file_exits_with_2(edge_med: Command, base: Path, text: Path) -> None:
    assert edge_med("compare", base, text.parent / "none.gguf", "--text", text).code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_ctrl_c_ends_it_with_130(base: Path, other: Path, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("x7" * 200_000)
    command = ["compare", base, other, "--text", tmp_path / "long.txt", "--threads", "1"]
    ours, theirs = os.openpty()  # only a terminal is shown the progress
    with subprocess.Popen(
        [sys.executable, "-m", "edge_med", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        try:
            assert os.read(ours, 1), "its progress: it has begun"
            process.send_signal(signal.SIGINT)
            err = everything(ours)
            process.communicate(timeout=60)
        finally:
            process.kill()
            os.close(ours)
    assert process.returncode == 130
    assert b"Traceback" not in err
