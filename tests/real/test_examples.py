"""The examples that name `gemma` print what is shown below them, with Gemma 3 270M."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import RealModels
from tests.examples import check_output, examples

pytestmark = pytest.mark.real


def test_the_examples_print_what_is_shown(
    real_model: RealModels,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("models").mkdir()
    Path("models/gemma-3-270m").symlink_to(real_model("F32").parent, target_is_directory=True)
    names: dict[str, object] = {}
    for example in (one for one in examples("docs/guide/python.md") if one.real or one.defines):
        capsys.readouterr()
        exec(compile(example.code, "docs/guide/python.md", "exec"), names)
        if example.shown:
            check_output(capsys.readouterr().out, example.shown)
