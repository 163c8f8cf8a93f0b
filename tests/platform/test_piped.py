"""What waits on an input is counted and left there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_med._platform.piped import waiting

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows doesn't tell")


def test_what_waits_in_a_pipe_is_counted_and_stays() -> None:
    reads, writes = os.pipe()
    assert waiting(reads) == 0
    os.write(writes, b"report")
    assert waiting(reads) == len(b"report")
    assert os.read(reads, 9) == b"report"
    os.close(writes)
    assert waiting(reads) == 0
    os.close(reads)
    assert waiting(reads) == 0


def test_nothing_waits_where_nothing_can(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for path in (Path(os.devnull), tmp_path / "empty"):
        with path.open("rb") as opened:
            assert waiting(opened.fileno()) == 0
