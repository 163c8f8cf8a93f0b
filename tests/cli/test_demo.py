"""`edge-med demo`: micro looks at a phantom and is right; tests/real has the real weights."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from devtools.micro.questions import answer, description
from edge_med.cli.commands import demo_images, demo_text
from edge_med.demo import gemma_270m
from edge_med.demo.phantom import phantom, where
from edge_med.errors import DiskShortError
from tests.cli.conftest import Run

Command = Callable[..., Run]


@pytest.fixture
def shown(edge_med: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, Path]:
    """A demonstration without the package of real weights."""
    monkeypatch.setattr(demo_text, "is_installed", lambda: False)
    monkeypatch.chdir(tmp_path)
    return edge_med("demo", "--threads", 1), tmp_path / "edge-med-demo"


def test_what_it_calls_right_is_right() -> None:
    drawn = phantom(demo_images.SHOWN.seed)
    (_, described), (_, enlarged) = demo_images.SHOWN.asked
    assert described == description(drawn)
    assert enlarged == answer("presence", "enlarged heart", drawn)
    assert where(drawn, demo_images.SHOWN.wanted)


def test_micro_answers_right_and_looks_once(shown: tuple[Run, Path]) -> None:
    done, _ = shown
    assert done.code == 0, done.err
    assert done.out.startswith("For research and education; never for diagnosis or treatment.")
    for question, right in demo_images.SHOWN.asked:
        assert f"> {question}\n{right}\n" in done.out
    assert done.out.count("looked at the image in") == 1
    assert done.out.count("image not read again") == len(demo_images.SHOWN.asked) - 1


def test_it_leaves_the_model_the_phantom_and_the_phantom_with_a_box(
    shown: tuple[Run, Path],
) -> None:
    done, folder = shown
    assert sorted(path.name for path in folder.iterdir()) == [
        "micro",
        "phantom-box.png",
        "phantom.png",
    ]
    for name in ("phantom.png", "phantom-box.png"):
        with Image.open(folder / name) as picture:
            assert picture.size == (demo_images.SIDE, demo_images.SIDE)
    assert f"({demo_images.SHOWN.wanted}: x " in done.out


def test_it_says_what_to_install_for_real_weights(shown: tuple[Run, Path]) -> None:
    assert demo_text.INSTALL in shown[0].out


def test_without_the_package_there_are_no_real_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert not demo_text.is_installed()


def test_a_disk_too_small_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gemma_270m, "terms_file", lambda: Path("terms.html"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=5))
    with pytest.raises(DiskShortError) as caught:
        demo_text.show(tmp_path, None)
    assert "--keep" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
