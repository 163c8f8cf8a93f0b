"""The projector: pixels reach it unchanged, its work can be stopped, and failures are ours."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from devtools.checkpoints.tiny import MULTIMODAL
from edge_med import imaging
from edge_med.config import LoadOptions
from edge_med.engine.cache.ledger import ImageBlock, Item
from edge_med.engine.engine import Engine
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.llama.bindings import mtmd_cpp
from edge_med.engine.llama.text_model import TextModel
from edge_med.engine.tasks import selftest
from edge_med.engine.vision import crosscheck
from edge_med.engine.vision.mtmd import MtmdEncoder
from edge_med.errors import CancelledError, EngineError, ImageError, UsageError
from edge_med.imaging import Picture
from edge_med.native import native_library
from tests.conftest import Models

SIDE, PATCH, LAYERS = 56, 14, MULTIMODAL.vision.layers if MULTIMODAL.vision else 0
OPTIONS = LoadOptions(context=256, batch=64, threads=1)


@pytest.fixture(scope="module")
def folder(model: Models) -> Path:
    return model("multimodal", "F32")


@pytest.fixture
def text(folder: Path) -> Iterator[TextModel]:
    with TextModel(folder / "multimodal-F32.gguf") as opened:
        yield opened


@pytest.fixture
def picture() -> Picture:
    pixels = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    return imaging.open(pixels, side=SIDE)


def projector(folder: Path, text: TextModel) -> MtmdEncoder:
    return MtmdEncoder(folder / "multimodal-mmproj-F16.gguf", text, OPTIONS)


class Tensor(ctypes.Structure):
    """The first fields of `ggml_tensor` (ggml.h)."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("ne", ctypes.c_int64 * 4),
    )


class Spy(MtmdEncoder):
    """Looks at the patches that llama.cpp cuts out of the picture, before anything is computed."""

    patches: npt.NDArray[np.float16]

    def _on_node(self, tensor: Any, ask: bool, _data: object) -> bool:
        ggml = ctypes.CDLL(str(native_library("ggml-base")))
        ggml.ggml_op_desc.restype = ctypes.c_char_p
        ggml.ggml_get_data.restype = ctypes.c_void_p
        pointer = ctypes.c_void_p(tensor)
        if ask:
            return bool(ggml.ggml_op_desc(pointer) == b"IM2COL")
        numbers, across, down, _ = Tensor.from_address(tensor).ne
        shape = (down, across, numbers)
        data = ctypes.cast(ggml.ggml_get_data(pointer), ctypes.POINTER(ctypes.c_uint16))
        self.patches = np.ctypeslib.as_array(data, shape).view(np.float16).copy()
        return True


def test_llama_cpp_copies_the_pixels_unchanged(
    folder: Path, text: TextModel, picture: Picture
) -> None:
    spy = Spy(folder / "multimodal-mmproj-F16.gguf", text, OPTIONS)
    spy.encode(picture)
    spy.close()
    count = SIDE // PATCH
    values = spy.patches.astype(np.float64).reshape(count, count, 3, PATCH, PATCH)
    square = values.transpose(0, 3, 1, 4, 2).reshape(SIDE, SIDE, 3)
    seen = np.rint((square + 1) * 127.5)  # from -1 to 1, as the checkpoint's processor has it
    assert np.array_equal(seen, picture.pixels)


def test_rows_are_as_many_and_as_wide_as_the_text_model_wants(
    folder: Path, text: TextModel, picture: Picture
) -> None:
    opened = projector(folder, text)
    rows = opened.encode(picture)
    assert rows.shape == (4, text.width)
    assert np.array_equal(opened.encode(picture), rows)
    opened.close()
    opened.close()


def test_stop_is_heeded_within_a_layer(folder: Path, text: TextModel, picture: Picture) -> None:
    opened, asked = projector(folder, text), itertools.count()
    with pytest.raises(CancelledError):
        opened.encode(picture, lambda: next(asked) >= 0)
    assert next(asked) == 1, "the first look ends it"
    opened.encode(picture, lambda: next(asked) < 0)
    assert next(asked) - 2 > LAYERS
    opened.close()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_goes_wrong_while_looking_ends_it_and_comes_out(
    error: type[BaseException], folder: Path, text: TextModel, picture: Picture
) -> None:
    """llama.cpp calls it a success; an exception that ctypes swallows would be one of garbage."""
    opened, asked = projector(folder, text), itertools.count()

    def stop() -> bool:
        next(asked)
        raise error

    with pytest.raises(error):
        opened.encode(picture, stop)
    assert next(asked) == 1
    assert len(opened.encode(picture)) == 4
    opened.close()


def test_the_encoder_gets_as_many_threads_as_the_model(
    folder: Path, text: TextModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, real = [], mtmd_cpp().mtmd_init_from_file

    def init(path: bytes, model: object, params: Any) -> Any:
        seen.append(params.n_threads)
        return real(path, model, params)

    monkeypatch.setattr(mtmd_cpp(), "mtmd_init_from_file", init)
    monkeypatch.setattr("edge_med._platform.performance_cores", lambda: 3)
    for threads in (2, None):
        options = replace(OPTIONS, threads=threads)
        MtmdEncoder(folder / "multimodal-mmproj-F16.gguf", text, options).close()
    assert seen == [2, 3]


def test_what_was_cancelled_before_it_began_costs_nothing(folder: Path, picture: Picture) -> None:
    engine = Engine(folder / "multimodal-F32.gguf", folder / "multimodal-mmproj-F16.gguf", OPTIONS)
    engine.slot.prefill([2, *range(300, 320)])
    held = list(engine.slot.ledger.items)
    with pytest.raises(CancelledError):
        engine.slot.prefill([2, 400], stop=lambda: True)
    assert engine.slot.ledger.items == held
    assert engine.slot.prefill([*held, 400]).cached == len(held)
    engine.close()


def test_a_cancelled_prompt_opens_no_projector(folder: Path, picture: Picture) -> None:
    engine = Engine(folder / "multimodal-F32.gguf", folder / "multimodal-mmproj-F16.gguf", OPTIONS)
    asked = itertools.count()
    items: list[Item] = [ImageBlock(picture.sha256, 4), 3]
    with pytest.raises(CancelledError):
        engine.slot.prefill(items, {picture.sha256: picture}, stop=lambda: next(asked) > 0)
    assert engine.images.encoder is None
    engine.close()


def test_an_image_that_was_stopped_is_not_kept(folder: Path, picture: Picture) -> None:
    engine = Engine(folder / "multimodal-F32.gguf", folder / "multimodal-mmproj-F16.gguf", OPTIONS)
    items: list[Item] = [2, ImageBlock(picture.sha256, 4), 3]
    with pytest.raises(CancelledError):
        engine.slot.prefill(
            items, {picture.sha256: picture}, stop=lambda: engine.images.encoder is not None
        )
    assert engine.images.cache.size == 0
    assert ImageBlock(picture.sha256, 4) not in engine.slot.ledger.items
    assert engine.slot.prefill(items, {picture.sha256: picture}).encode > 0
    engine.close()


def test_embeddings_are_kept_within_their_limit(folder: Path) -> None:
    one = 4 * MULTIMODAL.text.hidden * 4  # rows, width, bytes
    options = LoadOptions(context=256, batch=64, threads=1, embedding_bytes=2 * one)
    files = folder / "multimodal-F32.gguf", folder / "multimodal-mmproj-F16.gguf"
    engine = Engine(*files, options)
    greys = [imaging.open(np.full((8, 8), grey, np.uint8), side=SIDE) for grey in (10, 90, 200)]
    pictures = {grey.sha256: grey for grey in greys}
    engine.slot.prefill([2, *(ImageBlock(key, 4) for key in pictures), 3], pictures)
    assert engine.images.cache.size == 2 * one
    assert engine.images.cache.get(greys[0].sha256) is None
    engine.close()


def test_another_number_of_rows_is_an_error(folder: Path, picture: Picture) -> None:
    files = folder / "multimodal-F32.gguf", folder / "multimodal-mmproj-F16.gguf"
    engine = Engine(*files, OPTIONS)
    with pytest.raises(EngineError, match="4 rows of an image instead of 5"):
        engine.slot.prefill([2, ImageBlock(picture.sha256, 5)], {picture.sha256: picture})
    engine.close()


def test_an_image_that_fits_no_batch_is_refused(folder: Path, picture: Picture) -> None:
    files = folder / "multimodal-F32.gguf", folder / "multimodal-mmproj-F16.gguf"
    engine = Engine(*files, OPTIONS)
    with pytest.raises(UsageError, match="one batch of 64"):
        engine.slot.prefill([2, ImageBlock(picture.sha256, 65)], {picture.sha256: picture})
    engine.close()


def test_a_model_without_a_projector_refuses_images(folder: Path, picture: Picture) -> None:
    engine = Engine(folder / "multimodal-F32.gguf", None, OPTIONS)
    with pytest.raises(ImageError, match="can't see"):
        engine.slot.prefill([2, ImageBlock(picture.sha256, 4)], {picture.sha256: picture})
    engine.close()


def test_a_model_tries_itself(folder: Path) -> None:
    tried = selftest.run(
        folder / "multimodal-F32.gguf", folder / "multimodal-mmproj-F16.gguf", SIDE
    )
    assert tried.sound
    assert tried.cosine == pytest.approx(1)
    assert tried.error == 0


def test_an_encoder_that_sees_something_else_makes_it_unsound(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second encoder stands for another device: one number of its rows is another."""
    real, turns = MtmdEncoder.encode, itertools.count()

    def encode(self: MtmdEncoder, picture: Picture, *rest: Any) -> Floats:
        rows = real(self, picture, *rest)
        rows[2, 5] += 0.1 * np.abs(rows).max() * next(turns)
        return rows

    monkeypatch.setattr(MtmdEncoder, "encode", encode)
    tried = selftest.run(
        folder / "multimodal-F32.gguf", folder / "multimodal-mmproj-F16.gguf", SIDE
    )
    assert tried.finite
    assert not tried.sound


def test_a_device_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="'cuda'"):
        selftest.run(folder / "multimodal-F32.gguf", None, SIDE, "cuda")


def test_a_device_that_sees_something_else_is_found_out() -> None:
    rows = np.random.default_rng(2).normal(size=(4, 32)).astype(np.float32)
    wrong = rows.copy()
    wrong[2, 5] += 0.1 * np.abs(rows).max()
    cosine, error = crosscheck.compare(rows, wrong)
    assert error > crosscheck.ERROR
    assert cosine < 1
