"""README's first command, on the real weights."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge_med.demo import gemma_270m
from edge_med.errors import IntegrityError

pytestmark = pytest.mark.real

SECONDS = 120


def test_the_demonstration_answers_in_time_and_leaves_nothing_large(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "edge_med", "demo"],
        env={**os.environ, "TMPDIR": str(temporary), "TEMP": str(temporary)},
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - start < SECONDS
    assert "never for diagnosis or treatment" in done.stdout.splitlines()[0]
    assert "Gemma Terms of Use" in done.stdout
    assert " body. The heart is the organ that pumps blood" in done.stdout
    assert list(temporary.iterdir()) == []
    small = sum(path.stat().st_size for path in (tmp_path / "edge-med-demo").rglob("*.*"))
    assert small < 20_000_000


def test_another_file_than_the_one_that_was_seen_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gemma_270m, "SHA256", "0" * 64)
    with pytest.raises(IntegrityError, match="holds another file"):
        gemma_270m.assemble(tmp_path / "assembled.gguf")
    assert list(tmp_path.iterdir()) == []
