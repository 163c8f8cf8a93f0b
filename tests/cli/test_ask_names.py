"""`edge-med ask` where a file was meant and not given, or has nothing in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from devtools.images.photos import scene
from edge_med.answers import Notice
from edge_med.library.integrity import Watch
from tests.cli.conftest import Run
from tests.conftest import Models

Command = Callable[..., Run]


@pytest.fixture
def tiny(model: Models) -> Path:
    return model("text", "F32") / "text-F32.gguf"


def test_a_file_that_is_named_within_a_question_is_not_passed_over(
    edge_med: Command, model: Models, tmp_path: Path
) -> None:
    path = tmp_path / "phantom.png"
    Image.fromarray(scene(300, 200)).save(path)
    small = ("--model", model("multimodal", "F32"), "--max-new-tokens", 1)
    done = edge_med("ask", f"Describe {path}", *small)
    assert (done.code, done.out) == (2, "")
    assert f"{path} is inside the question, so it isn't opened." in " ".join(done.err.split())
    assert f"--image {path}" in " ".join(done.err.split())
    assert edge_med("ask", f"Describe {path}", *small, "--image", path).code == 0
    other = tmp_path / "other.png"
    other.write_bytes(path.read_bytes())
    done = edge_med("ask", f"What changed from {other.name} to {path}?", *small, "--image", path)
    assert done.code == 0  # nothing of that name lies here
    done = edge_med("ask", f"What changed from {other} to {path}?", *small, "--image", path)
    assert (done.code, done.out) == (2, "")
    assert f"--image {other}" in " ".join(done.err.split())


def test_that_a_file_is_damaged_is_told_even_if_quiet(
    edge_med: Command, model: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [Notice("damaged", "Its bytes are others.")]
    monkeypatch.setattr(Watch, "notices", property(lambda _: told))
    small = ("--model", model("text", "Q8_0"), "--max-new-tokens", 1, "--quiet")
    assert edge_med("ask", "the heart", *small).err == "Its bytes are others.\n"


def test_that_no_image_was_shown_is_told_even_if_quiet(edge_med: Command, model: Models) -> None:
    small = ("--model", model("multimodal", "F32"), "--max-new-tokens", 1, "--quiet")
    done = edge_med("ask", "Describe this X-ray", *small)
    assert done.err == "No image was shown: the answer isn't based on one.\n"


def test_an_empty_file_is_refused_by_its_name(
    edge_med: Command, tiny: Path, tmp_path: Path
) -> None:
    for name, content in {"empty.txt": "", "blank.txt": " \n\ufeff"}.items():
        (tmp_path / name).write_text(content, "utf-8")
        done = edge_med("ask", "Is it large?", "--model", tiny, "--file", tmp_path / name)
        assert (done.code, done.out) == (3, "")
        assert f"{name} is empty" in " ".join(done.err.split())
