"""What a model is until it is closed, and what is left of it then."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.images.photos import scene
from edge_med import MedGemma, imaging
from edge_med.closing import Closeable
from edge_med.imaging.sandbox.pool import POOL
from tests.conftest import Models


class Thing(Closeable):
    """Something that counts how often it was freed."""

    def __init__(self) -> None:
        super().__init__()
        self.freed = 0

    def _free(self) -> None:
        self.freed += 1


@pytest.fixture
def no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of other tests may be open."""
    monkeypatch.setattr("edge_med.closing._OPEN", set())


@pytest.fixture
def png() -> bytes:
    return imaging.open(scene(8, 8), side=8).png()


@pytest.fixture
def decoder(png: bytes) -> Iterator[None]:
    """A process that waits for images to decode."""
    imaging.open(png, side=8)
    yield
    POOL.close()


def test_it_is_closed_at_the_end_of_a_with() -> None:
    with Thing() as thing:
        assert not thing.closed
    assert (thing.closed, thing.freed) == (True, 1)


def test_it_may_be_closed_twice() -> None:
    thing = Thing()
    thing.close()
    thing.close()
    assert thing.closed


@pytest.mark.usefixtures("no_others", "decoder")
def test_the_last_that_is_closed_ends_the_processes_that_decode() -> None:
    first, last = Thing(), Thing()
    first.close()
    assert POOL.living
    last.close()
    assert not POOL.living


@pytest.mark.usefixtures("no_others", "decoder")
def test_images_are_decoded_after_that(png: bytes) -> None:
    Thing().close()
    assert imaging.open(png, side=8).pixels.shape == (8, 8, 3)


def test_a_model_is_shown_in_a_line(model: Models) -> None:
    with MedGemma.load(model("multimodal", "F32"), context=256, threads=1) as tiny:
        assert repr(tiny) == "<MedGemma multimodal-F32.gguf: sees images, context 256>"
    assert repr(tiny) == "<MedGemma multimodal-F32.gguf: closed, sees images, context 256>"


def test_a_conversation_is_shown_without_its_content(model: Models) -> None:
    with MedGemma.load(model("text", "F32"), context=256, threads=1) as tiny:
        assert repr(tiny.chat("Mrs. Smithfield")) == "<Conversation of 1 messages>"


MEMORY = """
import sys
from pathlib import Path
from edge_med.config import LoadOptions
from edge_med.engine.engine import Engine

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

options = LoadOptions(context=4096, threads=1, mmap=False)
Engine(Path(sys.argv[1]), None, options).close()  # what stays is there now
before = anonymous()
engine = Engine(Path(sys.argv[1]), None, options)
engine.slot.prefill(engine.model.vocabulary.tokenize("the heart " * 200))
engine.slot.save_checkpoint(logits=True)
held = [b"x" * 100_000 for _ in range(300)]  # of the size that glibc keeps after it is freed
del held
engine.close()
print(anonymous() - before)
"""


def test_memory_goes_back_to_the_system(model: Models) -> None:
    if not Path("/proc/self/status").exists() or not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("of glibc, which keeps it otherwise")
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(model("text", "F32") / "text-F32.gguf")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 8192, "KiB"
