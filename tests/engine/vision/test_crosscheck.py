"""A projector is relied on where it sees what the CPU sees, and nowhere else; devices are fakes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from edge_med import imaging
from edge_med.config import LoadOptions, Options
from edge_med.engine.cache.ledger import ImageBlock
from edge_med.engine.engine import Engine
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.llama.context import NEVER, Stop
from edge_med.engine.vision import verified
from edge_med.engine.vision.crosscheck import alike, fault, open_verified
from edge_med.engine.vision.crosscheck import picture as trial_picture
from edge_med.engine.vision.encoder import UNWATCHED, Advance
from edge_med.engine.vision.mtmd import MtmdEncoder
from edge_med.engine.vision.verified import VerifiedProjectors
from edge_med.errors import CancelledError, EngineError
from edge_med.imaging import Picture
from edge_med.planner.placement_types import CPU
from tests.conftest import Models
from tests.engine.scripted import ask, ended

ROWS = np.random.default_rng(5).normal(size=(4, 32)).astype(np.float32)
NODES = 64
OPTIONS = LoadOptions(context=256, threads=1)
SHORT = Options(max_new_tokens=2)
Damage = Callable[[Floats], Floats]

DAMAGES: dict[str, tuple[Damage, str]] = {
    "not a number": (lambda rows: np.where(rows > 1, np.nan, rows), "aren't numbers"),
    "infinite": (lambda rows: np.where(rows > 1, np.inf, rows), "aren't numbers"),
    "zeros": (np.zeros_like, "zeros"),
    "one value off": (lambda rows: rows + 0.1 * np.abs(rows).max() * (rows == rows[2, 5]), "CPU"),
    "rows swapped": (lambda rows: rows[::-1], "CPU"),
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path))
    monkeypatch.setattr(verified, "_HERE", set())
    return tmp_path


class FakeProjector:
    """Sees rows, damaged on a GPU."""

    def __init__(self, device: str, damage: Damage) -> None:
        self.device, self.side, self.closed, self.steps = device, 56, False, 0
        self._damage = damage

    def encode(self, _picture: Picture, stop: Stop = NEVER, advance: Advance = UNWATCHED) -> Floats:
        for self.steps in (16, 32, 48, NODES):
            advance(self.steps)
            if stop():
                raise CancelledError("Stopped.", "Ask again.")
        return ROWS if self.device == CPU else self._damage(ROWS)

    def close(self) -> None:
        self.closed = True


class Opener:
    """Opens fakes, and remembers them."""

    def __init__(self, damage: Damage = lambda rows: rows, *, loads: bool = True) -> None:
        self.opened: list[FakeProjector] = []
        self._damage, self._loads = damage, loads

    def __call__(self, _path: Path, _model: Any, _options: Any, device: str = CPU) -> Any:
        if device != CPU and not self._loads:
            raise EngineError("No room.", "Wait.")
        self.opened.append(FakeProjector(device, self._damage))
        return self.opened[-1]

    @property
    def reference(self) -> Opener:
        """Fakes are compared with fakes."""
        return self

    @property
    def open_devices(self) -> list[str]:
        return [one.device for one in self.opened if not one.closed]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "eye.gguf"
    path.write_bytes(b"eye")
    return path


def tried(file: Path, opener: Opener, device: str = "GPU0", stop: Stop = NEVER) -> tuple[Any, Any]:
    model: Any = None
    return open_verified(file, model, OPTIONS, device, stop, opener)


def test_on_the_cpu_nothing_is_tried(file: Path) -> None:
    opener = Opener()
    projector, why = tried(file, opener, CPU)
    assert (projector.device, why, len(opener.opened)) == (CPU, None, 1)


def test_a_projector_that_sees_alike_stays_on_its_device(file: Path) -> None:
    opener = Opener(lambda rows: rows * np.float32(1.001))
    projector, why = tried(file, opener)
    assert (projector.device, why) == ("GPU0", None)
    assert opener.open_devices == ["GPU0"]


@pytest.mark.parametrize("name", DAMAGES)
def test_one_that_does_not_goes_to_the_cpu_and_says_why(name: str, file: Path) -> None:
    damage, told = DAMAGES[name]
    opener = Opener(damage)
    projector, why = tried(file, opener)
    assert projector.device == CPU
    assert told in why
    assert "GPU0" in why
    assert opener.open_devices == [CPU]


def test_one_that_does_not_load_goes_to_the_cpu(file: Path) -> None:
    projector, why = tried(file, Opener(loads=False))
    assert projector.device == CPU
    assert "can't be loaded on GPU0" in why


def test_one_that_fails_to_encode_goes_to_the_cpu(file: Path) -> None:
    def fail(_rows: Floats) -> Floats:
        raise EngineError("Device lost.", "Wait.")

    projector, why = tried(file, Opener(fail))
    assert projector.device == CPU
    assert "fails on GPU0" in why


def test_a_trial_can_be_stopped_and_leaves_nothing_open(file: Path) -> None:
    asked, opener = itertools.count(), Opener()
    with pytest.raises(CancelledError):
        tried(file, opener, stop=lambda: next(asked) > 0)
    assert opener.open_devices == []


def test_while_the_cpu_looks_it_is_told_how_long_that_takes(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, model, told = itertools.count(0, 3.0), cast("Any", None), list[float]()
    monkeypatch.setattr("edge_med.engine.vision.crosscheck.time.perf_counter", lambda: next(clock))
    open_verified(file, model, OPTIONS, "GPU0", opener=Opener(), on_seconds_left=told.append)
    assert told == [3 * 3.0, 1 * 6.0, pytest.approx(9.0 / 3), 0.0]


def test_a_trial_on_a_real_projector_counts_the_same_nodes_twice(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tiny model's CPU stands in for the GPU, so that its graph is the CPU's."""
    path, told = engine.images._path, list[float]()
    assert path is not None
    on_cpu = lambda path, model, options, device=CPU: MtmdEncoder(path, model, options)  # noqa: E731
    on_cpu.reference = on_cpu  # type: ignore[attr-defined]
    projector, why = open_verified(path, engine.model, OPTIONS, "GPU0", NEVER, on_cpu, told.append)
    steps = projector.steps
    projector.encode(trial_picture(projector.side))
    projector.close()
    assert why is None
    assert projector.steps == steps > 2 * 16  # two layers and what is around them
    assert len(told) == steps // 16
    assert min(told) >= 0
    assert told[-1] < max(told)


def test_what_passed_is_not_tried_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried(file, Opener())
    for forgetful in (False, True):
        if forgetful:  # another process
            monkeypatch.setattr(verified, "_HERE", set())
        again = Opener()
        tried(file, again)
        assert [one.device for one in again.opened] == ["GPU0"]


def test_what_failed_is_tried_again(file: Path) -> None:
    tried(file, Opener(np.zeros_like))
    assert not VerifiedProjectors(file, "GPU0").remembered


def test_another_device_or_another_file_is_tried(file: Path) -> None:
    tried(file, Opener())
    assert VerifiedProjectors(file, "GPU0").remembered
    assert not VerifiedProjectors(file, "GPU1").remembered
    file.write_bytes(b"another")
    assert not VerifiedProjectors(file, "GPU0").remembered


def test_what_is_remembered_tells_nobody_anything(file: Path, home: Path) -> None:
    tried(file, Opener())
    (key,) = json.loads((home / "state" / verified.FILE).read_text())
    assert set(key) <= set("0123456789abcdef")


@pytest.mark.parametrize("content", ["", "{}", "[1, null]", "[" * 100_000])
def test_a_file_that_cannot_be_read_remembers_nothing(content: str, file: Path, home: Path) -> None:
    (home / "state").mkdir()
    (home / "state" / verified.FILE).write_text(content)
    assert not VerifiedProjectors(file, "GPU0").remembered
    tried(file, Opener())
    assert VerifiedProjectors(file, "GPU0").remembered


def test_rounding_is_no_fault_and_another_shape_is() -> None:
    assert fault(ROWS) is None
    assert alike(ROWS, ROWS + np.float32(1e-3))
    assert not alike(ROWS, ROWS[:2])


@pytest.fixture
def picture() -> Picture:
    pixels = np.random.default_rng(1).integers(0, 256, (56, 56, 3), dtype=np.uint8)
    return imaging.open(pixels, side=56)


@pytest.fixture
def engine(model: Models) -> Iterator[Engine]:
    folder = model("multimodal", "F32")
    files = folder / "multimodal-F32.gguf", folder / "multimodal-mmproj-F16.gguf"
    opened = Engine(*files, OPTIONS)
    opened.images._wanted = "GPU0"  # as a placement would have it
    yield opened
    opened.close()


def test_an_engine_sees_by_the_cpu_if_the_gpu_cannot(engine: Engine, picture: Picture) -> None:
    """There is no GPU0 here, so that it can't be loaded there; the image is seen all the same."""
    events: list[object] = []
    engine.slot.prefill(
        [2, ImageBlock(picture.sha256, 4)], {picture.sha256: picture}, emit=events.append
    )
    assert engine.vision_device == CPU
    assert engine.fallbacks == ["the projector can't be loaded on GPU0"]
    assert engine.usage[-1].projector > 0


def test_the_next_answer_says_so_once(engine: Engine, picture: Picture) -> None:
    engine.slot.prefill([2, ImageBlock(picture.sha256, 4)], {picture.sha256: picture})
    first, second = (ended(ask(engine, SHORT)) for _ in range(2))
    assert "projector_on_cpu" in [notice.code for notice in first.notices]
    assert "projector_on_cpu" not in [notice.code for notice in second.notices]
    assert first.provenance.fallback == second.provenance.fallback == engine.fallbacks[0]
    assert (first.provenance.device, first.provenance.projector_device) == (CPU, None)
