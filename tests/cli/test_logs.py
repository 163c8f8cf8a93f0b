"""The command line shows warnings always, and llama.cpp's words where `--verbose` wants them."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edge_med import _platform
from edge_med.cli import root
from tests.conftest import Models

LLAMA_CPP = "edge_med.llama_cpp: "


@pytest.fixture
def tiny(model: Models) -> Path:
    return model("text", "F32") / "text-F32.gguf"


def ask(tiny: Path, *flags: str) -> Result:
    small = ("--max-new-tokens", "1", "--context", "64", "--threads", "1")
    return CliRunner().invoke(root, ["ask", "x", "--model", str(tiny), *small, *flags])


def test_memory_that_is_short_is_a_warning_where_that_is_wanted(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_platform, "available_memory", lambda: 1)
    done = ask(tiny, "--memory", "warn")
    assert done.exit_code == 0
    assert sum(line.startswith("The model needs") for line in done.stderr.splitlines()) == 1


def test_llama_cpp_is_silent(tiny: Path) -> None:
    assert LLAMA_CPP not in ask(tiny).stderr


def test_llama_cpp_says_each_thing_once_with_verbose(tiny: Path) -> None:
    shown = [
        line
        for line in ask(tiny, "--verbose").stderr.splitlines()
        if "general.architecture" in line
    ]
    assert len(shown) == 1
    assert shown[0].startswith(LLAMA_CPP)


def test_nothing_stays_of_it(tiny: Path) -> None:
    loggers = [logging.getLogger(name) for name in ("edge_med", "edge_med.llama_cpp")]
    before = [(list(logger.handlers), logger.level) for logger in loggers]
    ask(tiny, "--verbose")
    assert [(list(logger.handlers), logger.level) for logger in loggers] == before
