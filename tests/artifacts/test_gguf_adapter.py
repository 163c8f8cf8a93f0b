"""An adapter's header is checked before llama.cpp sees it; what it can't apply whole is refused."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devtools.checkpoints.adapters import Lora, finished, sound_writer, write_gguf
from devtools.checkpoints.tiny import TINY
from edge_med.artifacts.adapters.gguf_adapter import GgufAdapter, check_fits, read_adapter
from edge_med.artifacts.gguf import Header, read_header
from edge_med.artifacts.gguf_facts import inspect
from edge_med.engine.llama.lora import Adapters
from edge_med.engine.llama.text_model import TextModel
from edge_med.errors import ArtifactError, IntegrityError, PairingError
from tests.conftest import Models

LORA = Lora(seed=1, modules=("self_attn.q_proj", "mlp.down_proj"))
SMALL = Lora(seed=1, rank=1, modules=("self_attn.k_proj",))
TEXT = TINY["multimodal"]

WEIGHT = "blk.0.attn_q.weight"
A, B = (np.ones(shape, np.float32) for shape in ((4, 256), (256, 4)))
INTEGERS = np.ones((256, 4), np.int8)

Build = Callable[[gguf.GGUFWriter], None]


@pytest.fixture
def base(model: Models) -> Path:
    return model("multimodal", "F32") / "multimodal-F32.gguf"


@pytest.fixture
def text(base: Path) -> Header:
    return read_header(base)


def written(path: Path, build: Build, alpha: float = 2.0) -> Path:
    """An adapter with one pair or less, as a case makes it."""
    writer = sound_writer(path, alpha)
    build(writer)
    return finished(writer, path)


def pair(weight: str, a: np.ndarray = A, b: np.ndarray = B) -> Build:
    def build(writer: gguf.GGUFWriter) -> None:
        writer.add_tensor(f"{weight}.lora_a", a)
        writer.add_tensor(f"{weight}.lora_b", b)

    return build


def lone(name: str, values: np.ndarray = A) -> Build:
    return lambda writer: writer.add_tensor(name, values)


def invoked(writer: gguf.GGUFWriter) -> None:
    writer.add_array("adapter.alora.invocation_tokens", [1, 2])
    pair(WEIGHT)(writer)


def test_a_sound_adapter_is_read_and_fits(tmp_path: Path, text: Header) -> None:
    adapter = read_adapter(write_gguf(LORA, TEXT, tmp_path / "chest.gguf"))
    check_fits(adapter, text)
    assert (adapter.file, adapter.rank, adapter.alpha) == ("chest.gguf", 4, 2.0)
    assert len(adapter.pairs) == 2 * TEXT.text.layers
    assert adapter.size == TEXT.text.layers * 4 * 4 * ((256 + 256) + (512 + 256))


def test_its_facts_are_inspected(tmp_path: Path) -> None:
    facts = inspect(write_gguf(LORA, TEXT, tmp_path / "chest.gguf"))
    assert (facts.role, facts.architecture) == ("adapter", "gemma3")
    assert (facts.rank, facts.alpha) == (4, 2.0)


REFUSED: dict[str, tuple[Build, str]] = {
    "the embedding": (pair("token_embd.weight"), "token_embd.weight.lora_a, which can't be"),
    "a norm": (lone("blk.0.attn_norm.weight", A[0]), "attn_norm.weight, which can't be"),
    "a pair for a norm": (pair("blk.0.attn_norm.weight"), "attn_norm.weight.lora_a, which can't"),
    "a whole weight": (lone(WEIGHT), f"a {WEIGHT}, which can't be"),
    "a suffix within a name": (lone(f"{WEIGHT}.lora_a.lora_a"), "which can't be"),
    "no pair": (lambda _: None, "is empty"),
    "half a pair": (lone(f"{WEIGHT}.lora_a"), f"half of what belongs to {WEIGHT}"),
    "two ranks": (pair(WEIGHT, b=B[:, :3]), f"a {WEIGHT}.lora_b of 256 x 3"),
    "three dimensions": (pair(WEIGHT, a=A[None]), f"a {WEIGHT}.lora_a of 1 x 4 x 256"),
    "integers": (pair(WEIGHT, b=INTEGERS), "256 x 4 in I8"),
    "invocation tokens": (invoked, "invocation tokens"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_applied_whole_is_refused_by_name(case: str, tmp_path: Path) -> None:
    build, message = REFUSED[case]
    with pytest.raises(ArtifactError, match=message) as caught:
        read_adapter(written(tmp_path / "bad.gguf", build))
    assert "bad.gguf" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), float("inf")])
def test_an_alpha_that_means_nothing_is_refused(alpha: float, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="an alpha of"):
        read_adapter(written(tmp_path / "bad.gguf", pair(WEIGHT), alpha))


KEYS: dict[str, Callable[[gguf.GGUFWriter], None]] = {
    "alpha of 64 bits": lambda writer: writer.add_float64("adapter.lora.alpha", 2.0),
    "alpha as an integer": lambda writer: writer.add_uint32("adapter.lora.alpha", 2),
    "no alpha": lambda _: None,
}


@pytest.mark.parametrize("case", KEYS)
def test_an_alpha_at_which_llama_cpp_would_end_the_process_is_refused(
    case: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.gguf"
    writer = gguf.GGUFWriter(path, "gemma3")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    KEYS[case](writer)
    pair(WEIGHT)(writer)
    with pytest.raises(ArtifactError, match="an alpha of"):
        read_adapter(finished(writer, path))


def test_another_kind_of_adapter_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.gguf"
    writer = gguf.GGUFWriter(path, "gemma3")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "ia3")
    with pytest.raises(ArtifactError, match="of type ia3"):
        read_adapter(finished(writer, path))


def test_a_model_is_no_adapter(base: Path) -> None:
    with pytest.raises(ArtifactError, match="isn't an adapter"):
        read_adapter(base)


def test_another_width_is_refused_with_the_first_tensor_that_does_not_fit(
    tmp_path: Path, text: Header
) -> None:
    adapter = read_adapter(write_gguf(LORA, TINY["odd-rows"], tmp_path / "other.gguf"))
    with pytest.raises(PairingError, match=r"other.gguf is for a blk.0.attn_q.weight of 128 x 160"):
        check_fits(adapter, text)


def test_more_layers_are_refused(tmp_path: Path, text: Header) -> None:
    adapter = read_adapter(write_gguf(LORA, TINY["text"], tmp_path / "deep.gguf"))
    with pytest.raises(PairingError, match=r"for blk.6.attn_q.weight, which the model"):
        check_fits(adapter, text)


def test_an_adapter_of_the_output_head_needs_one(tmp_path: Path, text: Header) -> None:
    path = written(tmp_path / "head.gguf", pair("output.weight"))
    with pytest.raises(PairingError, match="is for the output head, which is the embedding") as c:
        check_fits(read_adapter(path), text)
    assert "edge-med convert BASE --adapter" in c.value.hint


def test_another_architecture_is_refused(tmp_path: Path, text: Header) -> None:
    path = tmp_path / "llama.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 2.0)
    pair(WEIGHT)(writer)
    adapter = read_adapter(finished(writer, path))
    with pytest.raises(PairingError, match=r"llama.gguf is made for llama, not for gemma3"):
        check_fits(adapter, text)


def test_a_key_that_llama_cpp_would_take_for_another_is_refused(tmp_path: Path) -> None:
    """It compares names up to their first zero byte."""
    path = write_gguf(SMALL, TEXT, tmp_path / "bad.gguf")
    key = b"general.architecture"
    path.write_bytes(path.read_bytes().replace(key, key[:-1] + b"\0", 1))
    with pytest.raises(ArtifactError, match="zero byte"):
        read_adapter(path)


def checked(path: Path, text: Header) -> GgufAdapter | None:
    """The adapter, if it passes."""
    try:
        adapter = read_adapter(path)
        check_fits(adapter, text)
    except IntegrityError as error:
        assert error.hint
        return None
    return adapter


EDIT = st.tuples(st.integers(0, 1 << 13), st.binary(min_size=1, max_size=8))


@settings(
    max_examples=400,
    derandomize=True,
)
@given(edits=st.lists(EDIT, min_size=1, max_size=3), cut=st.none() | st.integers(0, 1 << 13))
def test_damaged_headers_raise_nothing_else_and_what_passes_is_loaded(
    edits: list[tuple[int, bytes]], cut: int | None, sound: bytes, opened: TextModel, tmp_path: Path
) -> None:
    """llama.cpp loads what we let pass, or says so; it never ends the process."""
    data = bytearray(sound)
    for at, part in edits:
        data[at % HEADER : at % HEADER + len(part)] = part
    path = tmp_path / "mutant.gguf"
    path.write_bytes(data[:cut] if cut is not None else data)
    if checked(path, opened.header):
        Adapters(opened, {"mutant": path}).close()


HEADER = 1 << 10
"""Bytes at the beginning that are changed: the whole header, and a little more."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_gguf(SMALL, TEXT, tmp_path_factory.mktemp("sound") / "sound.gguf").read_bytes()


@pytest.fixture(scope="module")
def opened(model: Models) -> TextModel:
    return TextModel(model("multimodal", "F32") / "multimodal-F32.gguf")


@pytest.mark.parametrize("suffix", [b"", struct.pack("<Q", 1 << 63)])
def test_what_is_no_gguf_is_refused(suffix: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(b"GGUF" + suffix)
    with pytest.raises(ArtifactError, match="isn't a GGUF file"):
        read_adapter(path)
