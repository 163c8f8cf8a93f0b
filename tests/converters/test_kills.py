"""A run killed at any moment leaves no file that doesn't verify, and no manifest that lies."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from io import FileIO
from pathlib import Path

import pytest

from converters.pipeline import convert
from converters.request import Request
from edge_med import _platform
from edge_med.artifacts.verify import verify
from tests.checkpoints.tiny import TINY, write_tiny
from tests.converters import kills

SPREAD, AFTER_FIRST_RENAME = 40, 10


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(TINY["multimodal"], tmp_path_factory.mktemp("source") / "multimodal")


@pytest.fixture(scope="module")
def finished(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a whole run makes: an earlier set, which the killed runs replace."""
    folder = tmp_path_factory.mktemp("finished") / "out"
    convert(Request(source=source, folder=folder, quants=kills.QUANTS))
    return folder


def traced(source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[str]]:
    """How many bytes a run writes, and its renamings and syncings in order."""
    total, steps = [0], list[str]()

    def write(file: FileIO, data: memoryview) -> int:
        total[0] += data.nbytes
        return file.write(data)

    monkeypatch.setattr(_platform, "write", write)
    for name in kills.STEPS:
        plain = getattr(_platform, name)

        def step(*arguments: object, name: str = name, plain: object = plain) -> None:
            target = str(arguments[-1])
            steps.append(f"{name} {Path(target).name}" if name == "replace" else name)
            plain(*arguments)  # type: ignore[operator]

        monkeypatch.setattr(_platform, name, step)
    convert(Request(source=source, folder=folder, quants=kills.QUANTS, force=True, threads=1))
    monkeypatch.undo()
    return total[0], steps


def kill(source: Path, folder: Path, moment: str) -> int:
    """Run a conversion that dies; its exit status."""
    if not hasattr(os, "fork"):
        command = [sys.executable, "-m", "tests.converters.kills", str(source), str(folder), moment]
        return subprocess.run(command, capture_output=True, check=False).returncode
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking is safe: no thread is alive
        child = os.fork()
    if child == 0:
        try:
            kills.run(source, folder, moment)
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1]


def assert_nothing_lies(folder: Path) -> None:
    """Every file under a final name is whole, and what the manifest lists is what is there."""
    verdicts = [verify(path) for path in folder.glob("*.gguf")]
    if (folder / "manifest.json").exists():
        verdicts.append(verify(folder))
    assert [v for v in verdicts if not v.sound] == []


def assert_the_next_run_cleans_up(source: Path, folder: Path) -> None:
    convert(Request(source=source, folder=folder, quants=kills.QUANTS, force=True))
    verdict = verify(folder)
    assert verdict.sound
    assert [(f.file, f.listed) for f in verdict.files] == [
        ("multimodal-Q4_0.gguf", True),
        ("multimodal-Q8_0.gguf", True),
        ("multimodal-mmproj-F16.gguf", True),
    ]
    assert [p.name for p in folder.iterdir() if "partial" in p.name or "new" in p.name] == []


def test_50_kills(
    source: Path,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    total, replacing = traced(source, shutil.copytree(finished, tmp_path / "traced"), monkeypatch)
    _, first = traced(source, tmp_path / "traced-first", monkeypatch)
    moments = [f"bytes:{1 + total * n // SPREAD}" for n in range(SPREAD)]
    moments += renaming_moments(first, replacing)
    for number, moment in enumerate(moments):
        folder = tmp_path / f"killed-{number}"
        # Half of the runs replace a set, half make the first one.
        if number % 2:
            shutil.copytree(finished, folder)
        assert kill(source, folder, moment) != 0, moment
        assert_nothing_lies(folder)
        if number % 5 == 0:
            assert_the_next_run_cleans_up(source, folder)
        shutil.rmtree(folder)
    with capsys.disabled():
        print(f"\n{len(moments)} kills over {total:,} bytes: {' '.join(moments)}")


def renaming_moments(first: list[str], replacing: list[str]) -> list[str]:
    """Moments after the first renaming of a file and before that of the manifest, ten in all.

    A run that replaces a set takes its files out of the manifest before, so that it has other steps
    than a first run; the two kinds come in turn.
    """
    moments = []
    for number in range(AFTER_FIRST_RENAME):
        steps = replacing if number % 2 else first
        begin = next(n for n, step in enumerate(steps) if step.startswith("replace multimodal"))
        end = max(n for n, step in enumerate(steps) if step == "replace manifest.json")
        between = range(begin + 1, end + 1)
        moments.append(f"step:{between[number // 2 % len(between)]}")
    return moments


def test_the_next_run_finishes_what_was_whole(source: Path, finished: Path, tmp_path: Path) -> None:
    """A killed run whose files were all written isn't lost: whoever comes next renames them."""
    folder = tmp_path / "out"
    steps = 3 + 1  # the three files are synced, and the manifest beside them
    assert kill(source, folder, f"step:{steps}") != 0
    assert sorted(p.name for p in folder.glob("*.gguf*")) == [
        "multimodal-Q4_0.gguf.partial",
        "multimodal-Q8_0.gguf.partial",
        "multimodal-mmproj-F16.gguf.partial",
    ]
    done = convert(Request(source=source, folder=folder, quants=("F16",)))
    assert done.written == ("multimodal-F16.gguf",)
    assert done.finished == (
        "multimodal-Q8_0.gguf",
        "multimodal-Q4_0.gguf",
        "multimodal-mmproj-F16.gguf",
    )
