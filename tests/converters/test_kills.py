"""A run killed at any moment leaves no file that doesn't verify, and no manifest that lies."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from io import FileIO
from pathlib import Path

import pytest

from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.checkpoints.tiny import TINY, write_tiny
from edge_med import _platform
from edge_med.artifacts.file_names import PENDING
from edge_med.artifacts.verification import verify
from tests.converters import kills

SPREAD, AFTER_FIRST_RENAME = 40, 10
Rename = Callable[[Path, Path], None]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(TINY["multimodal"], tmp_path_factory.mktemp("source") / "multimodal")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An earlier set, which the killed runs replace: files of the same sizes and other weights."""
    folder = tmp_path_factory.mktemp("finished")
    earlier = dataclasses.replace(TINY["multimodal"], seed=99)
    source = write_tiny(earlier, folder / "multimodal")
    convert(ConversionRequest(source=source, folder=folder / "out", quants=kills.QUANTS))
    return folder / "out"


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
    convert(
        ConversionRequest(source=source, folder=folder, quants=kills.QUANTS, force=True, threads=1)
    )
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
    convert(ConversionRequest(source=source, folder=folder, quants=kills.QUANTS, force=True))
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


@pytest.mark.parametrize("error", [KeyboardInterrupt, PermissionError(13, "held by a scanner")])
def test_an_error_at_any_renaming_leaves_no_lie(
    error: BaseException,
    source: Path,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, steps = traced(source, shutil.copytree(finished, tmp_path / "traced"), monkeypatch)
    for number in range(sum(step.startswith("replace") for step in steps)):
        folder = shutil.copytree(finished, tmp_path / f"stopped-{number}")
        plain, left = _platform.replace, [number]

        def replace(old: Path, new: Path, plain: Rename = plain, left: list[int] = left) -> None:
            if left[0] == 0:
                raise error
            left[0] -= 1
            plain(old, new)

        monkeypatch.setattr(_platform, "replace", replace)
        with pytest.raises(type(error) if isinstance(error, OSError) else KeyboardInterrupt):
            convert(
                ConversionRequest(source=source, folder=folder, quants=kills.QUANTS, force=True)
            )
        monkeypatch.undo()
        assert_nothing_lies(folder)
        assert_the_next_run_cleans_up(source, folder)


def test_a_run_killed_while_it_cleans_up_leaves_no_lie(
    source: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(finished, tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr("converters.pipeline.commit", lambda *_: None)
        convert(ConversionRequest(source=source, folder=folder, quants=kills.QUANTS, force=True))
    assert (folder / PENDING).exists()
    damaged = folder / "multimodal-Q4_0.gguf.partial"
    damaged.write_bytes(damaged.read_bytes()[:-1])  # so that it can't be finished, but is swept
    removed: list[Path] = []

    def unlink(path: Path, *, missing_ok: bool = False) -> None:
        assert missing_ok
        if path.exists():
            if removed:
                raise KeyboardInterrupt
            removed.append(path)
            path.rename(tmp_path / path.name)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink)
        with pytest.raises(KeyboardInterrupt):
            convert(
                ConversionRequest(source=source, folder=folder, quants=kills.QUANTS, force=True)
            )
    assert removed == [folder / PENDING]
    assert_nothing_lies(folder)
    assert_the_next_run_cleans_up(source, folder)


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
    done = convert(ConversionRequest(source=source, folder=folder, quants=("F16",)))
    assert done.written == ("multimodal-F16.gguf",)
    assert done.recovered == (
        "multimodal-Q8_0.gguf",
        "multimodal-Q4_0.gguf",
        "multimodal-mmproj-F16.gguf",
    )
