"""What Ollama, llama.cpp or others have stored is found, and paired as it belongs together."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from converters.header import TensorLine, pack_header
from edge_med.errors import ArtifactError, PairingError, UsageError
from edge_med.library import ollama
from edge_med.library.ollama import PROJECTOR, TEXT
from edge_med.library.store import find
from tests.artifacts.hostile import Value
from tests.library.headers import Keys, projector, text, write


class Store:
    """A folder as Ollama keeps its models in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "blobs").mkdir(parents=True)

    def blob(self, made: Path) -> Path:
        """Move a file among the blobs."""
        name = hashlib.sha256(made.read_bytes() + made.name.encode()).hexdigest()
        return made.rename(self.root / "blobs" / f"sha256-{name}")

    def tag(self, name: str, **layers: Path) -> Path:
        """A model's manifest, with other layers around those that are given."""
        path = self.root / "manifests/registry.ollama.ai/library" / name.replace(":", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        kinds = {"text": TEXT, "projector": PROJECTOR}
        listed = [
            {"mediaType": kinds[kind], "digest": blob.name.replace("-", ":"), "size": 1}
            for kind, blob in layers.items()
        ]
        terms = {"mediaType": "application/vnd.ollama.image.license", "digest": f"sha256:{0:064}"}
        path.write_text(json.dumps({"schemaVersion": 2, "layers": [*listed, terms]}))
        return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "ollama")


def test_a_manifest_is_a_pair(store: Store, tmp_path: Path) -> None:
    model, eyes = store.blob(text(tmp_path / "t")), store.blob(projector(tmp_path / "p"))
    found = find(store.tag("medgemma:4b", text=model, projector=eyes))
    assert (found.text, found.projector) == (model, eyes)
    assert found.model_sha256 == model.name.removeprefix("sha256-")
    assert found.quant == "Q4_K_M"


def test_a_blob_brings_the_projector_of_its_own_model(store: Store, tmp_path: Path) -> None:
    models = [store.blob(text(tmp_path / f"t{n}")) for n in range(3)]
    eyes = [store.blob(projector(tmp_path / f"p{n}")) for n in range(2)]
    for number, name in enumerate(("gemma3:4b", "medgemma:4b")):
        store.tag(name, text=models[number], projector=eyes[number])
    store.tag("medgemma:text", text=models[2])
    assert [find(model).projector for model in models] == [*eyes, None]


def test_of_two_tags_of_a_blob_the_one_that_sees_counts(store: Store, tmp_path: Path) -> None:
    model, eyes = store.blob(text(tmp_path / "t")), store.blob(projector(tmp_path / "p"))
    store.tag("a:blind", text=model)
    store.tag("b:sees", text=model, projector=eyes)
    store.tag("c:blind", text=model)
    assert find(model).projector == eyes


def test_a_projector_that_does_not_fit_is_told(store: Store, tmp_path: Path) -> None:
    model = store.blob(text(tmp_path / "t", width=256))
    eyes = store.blob(projector(tmp_path / "p", width=64))
    with pytest.raises(PairingError, match="text model 64 wide, and this one is 256"):
        find(store.tag("medgemma:4b", text=model, projector=eyes))


def test_a_projector_that_is_given_goes_first(store: Store, tmp_path: Path) -> None:
    model, eyes = store.blob(text(tmp_path / "t")), store.blob(projector(tmp_path / "p"))
    mine = projector(tmp_path / "mine.gguf")
    assert find(store.tag("m:1", text=model, projector=eyes), mine).projector == mine


def test_blobs_in_another_folder_are_a_pair_by_their_headers(store: Store, tmp_path: Path) -> None:
    model, eyes = store.blob(text(tmp_path / "t")), store.blob(projector(tmp_path / "p"))
    copied = tmp_path / "copied"
    copied.mkdir()
    moved = [blob.rename(copied / blob.name) for blob in (model, eyes)]
    (copied / "readme").write_text("not a blob")
    found = find(copied)
    assert [found.text, found.projector] == moved
    assert find(moved[0]).projector == moved[1]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"layers": 3}',
        b'{"layers": [{"mediaType": "x"}]}',
        b'{"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "../../x"}]}',
        b"[" * 100_000,
        b" " * (ollama.MAX_MANIFEST + 1),
    ],
    ids=["empty", "cut off", "a list", "a number", "no digest", "a path", "deep", "huge"],
)
def test_a_manifest_that_is_none_is_refused(content: bytes, store: Store) -> None:
    path = store.tag("medgemma:4b")
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="manifest medgemma:4b has no text model"):
        find(path)


def test_a_blob_may_be_a_link(store: Store, tmp_path: Path) -> None:
    real = text(tmp_path / "m.gguf")
    link = store.root / "blobs" / f"sha256-{1:064}"
    link.symlink_to(real)
    eyes = store.blob(projector(tmp_path / "p"))
    store.tag("medgemma:4b", text=link, projector=eyes)
    assert find(link).projector == eyes


def test_damaged_manifests_of_others_are_passed_over(store: Store, tmp_path: Path) -> None:
    model = store.blob(text(tmp_path / "t"))
    store.tag("broken:1").write_bytes(b"{")
    assert find(model).text == model


def test_a_file_that_holds_both_is_told_apart(tmp_path: Path) -> None:
    """Ollama's own engine has the vision tower's tensors in the text model's file."""
    path = tmp_path / "both.gguf"
    path.write_bytes(both())
    with pytest.raises(ArtifactError, match="text model and projector in one") as caught:
        find(path)
    assert "two GGUF files" in caught.value.hint


def both() -> bytes:
    names = ("token_embd.weight", "v.patch_embedding.weight")
    lines = [TensorLine(name, 0, (8,), 32 * number) for number, name in enumerate(names)]
    values: dict[str, Any] = {"general.architecture": Value("gemma3", 8)}
    return pack_header(values, lines) + bytes(64)


def named(path: Path, name: str, *, eyes: bool = False) -> Path:
    if not eyes:
        return text(path, more={"general.name": name})
    keys: Keys = {"general.architecture": "clip", "general.file_type": 1, "general.name": name}
    return write(path, keys | {"clip.vision.projection_dim": 256})


def test_of_two_projectors_the_one_of_the_same_model_is_taken(tmp_path: Path) -> None:
    """MedGemma's and Gemma's have the same shapes, and mustn't be mixed up."""
    model = named(tmp_path / "medgemma-4b-it-Q4_K_M.gguf", "Medgemma 4b It")
    named(tmp_path / "gemma-3-4b-it-mmproj.gguf", "Gemma 3 4b It", eyes=True)
    own = named(tmp_path / "mmproj-F16.gguf", "MedGemma-4B-It", eyes=True)
    assert find(model).projector == own


def test_of_two_projectors_of_the_same_model_one_must_be_named(tmp_path: Path) -> None:
    model = named(tmp_path / "m.gguf", "Medgemma 4b It")
    for number in range(2):
        named(tmp_path / f"mmproj-{number}.gguf", "Medgemma 4b It", eyes=True)
    with pytest.raises(UsageError, match="several projectors that fit"):
        find(model)
