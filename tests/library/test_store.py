"""A path, a folder or a name leads to one text model and the projector that belongs to it."""

from __future__ import annotations

import shutil
from pathlib import Path

import platformdirs
import pytest

from devtools.checkpoints.adapters import Lora, write_peft
from devtools.checkpoints.tiny import TINY
from edge_med.artifacts import manifest as manifests
from edge_med.artifacts.file_names import FILE_TYPES
from edge_med.errors import ArtifactError, UsageError
from edge_med.library import store
from edge_med.library.store import find
from tests.library.headers import projector, text, write

TEXT, PROJECTOR = "multimodal-Q8_0.gguf", "multimodal-mmproj-F16.gguf"


def test_a_converted_folder_is_a_pair_with_the_hashes_of_its_manifest(converted: Path) -> None:
    found = find(converted)
    assert (found.text, found.projector) == (converted / TEXT, converted / PROJECTOR)
    assert found.quant == "Q8_0"
    assert found.header.integer("gemma3.embedding_length") == 256
    assert found.projector_header is not None
    hashes = {entry.path: entry.sha256 for entry in manifests.load(converted).files}  # type: ignore[union-attr]
    assert (found.model_sha256, found.projector_sha256) == (hashes[TEXT], hashes[PROJECTOR])


def test_a_file_brings_the_projector_beside_it(converted: Path) -> None:
    assert find(str(converted / TEXT)) == find(converted)


def test_a_name_is_a_folder_of_the_models(
    converted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path / "home"))
    shutil.copytree(converted, tmp_path / "home/models/medgemma")
    assert find("medgemma").text == tmp_path / "home/models/medgemma" / TEXT


def test_what_exists_as_a_path_is_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    text(tmp_path / "home/models/medgemma/there.gguf")
    text(tmp_path / "medgemma/here.gguf")
    assert find("medgemma").text == Path("medgemma/here.gguf")


def test_without_a_home_models_are_where_the_system_keeps_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(name: str, *, appauthor: bool) -> Path:
        assert not appauthor  # or Windows would have edge-med/edge-med
        return tmp_path / name

    monkeypatch.setattr(platformdirs, "user_data_path", asked)
    model = text(tmp_path / "edge-med/models/medgemma/m.gguf")
    assert find("medgemma").text == model


@pytest.mark.parametrize("name", ["skin", "", "../models/medgemma", "no/such.gguf"])
def test_an_unknown_name_is_told_the_known_ones(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path))
    text(tmp_path / "models/medgemma/x.gguf")
    text(tmp_path / "models/.hidden/x.gguf")
    with pytest.raises(UsageError, match=f"There is no model '{name}'") as caught:
        find(name)
    assert caught.value.hint == "Give a path or one of these names: medgemma."


def test_where_no_name_is_known_a_path_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path))
    with pytest.raises(UsageError) as caught:
        find("medgemma")
    assert caught.value.hint.startswith("Give the path of a GGUF file")


def test_a_folder_without_a_manifest_is_searched_by_headers(tmp_path: Path) -> None:
    mine = text(tmp_path / "My model.gguf")
    eyes = projector(tmp_path / "mmproj-model-f16.gguf")
    write(tmp_path / "other.gguf", {"general.architecture": "llama"})
    text(tmp_path / "._copy.gguf")
    text(tmp_path / "next.gguf.partial")
    (tmp_path / "damaged.gguf").write_bytes(b"GGUF")
    found = find(tmp_path)
    assert (found.text, found.projector) == (mine, eyes)
    assert (found.model_sha256, found.projector_sha256) == (None, None)


def test_of_several_quants_of_a_model_the_recommended_is_taken(tmp_path: Path) -> None:
    for quant in reversed(store.RECOMMENDED):  # each better than those before it
        best = text(tmp_path / f"m-{quant}.gguf", quant)
        assert find(tmp_path).text == best
    assert [path.name for path in find(tmp_path).others] == [
        f"m-{quant}.gguf" for quant in store.RECOMMENDED[1:]
    ]
    assert find(tmp_path / "m-Q8_0.gguf").others == ()


def test_every_quant_is_recommended_somewhere() -> None:
    assert sorted(store.RECOMMENDED) == sorted(FILE_TYPES)


def test_of_several_models_one_must_be_named(tmp_path: Path) -> None:
    for name in ("m-Q4_K_M", "n-Q4_K_M"):
        text(tmp_path / f"{name}.gguf")
    with pytest.raises(
        UsageError, match=r"several text models: m-Q4_K_M\.gguf, n-Q4_K_M\.gguf"
    ) as e:
        find(tmp_path)
    assert str(tmp_path / "m-Q4_K_M.gguf") in e.value.hint


def test_a_folder_without_a_text_model_is_an_error(tmp_path: Path) -> None:
    projector(tmp_path / "mmproj.gguf")
    with pytest.raises(ArtifactError, match="has no Gemma 3 text model"):
        find(tmp_path)


def test_store_ignores_files_that_the_manifest_does_not_list(
    converted: Path,
) -> None:
    text(converted / "another.gguf", width=64)
    assert find(converted).text == converted / TEXT


def test_a_listed_text_model_that_was_deleted_does_not_count(converted: Path) -> None:
    (converted / TEXT).unlink()
    with pytest.raises(ArtifactError, match="has no Gemma 3 text model"):
        find(converted)


@pytest.mark.parametrize("name", [TEXT, PROJECTOR])
def test_a_file_of_another_size_than_the_manifest_says_is_damaged(
    name: str, converted: Path
) -> None:
    data = (converted / name).read_bytes()
    (converted / name).write_bytes(data[:-100])
    told = f"{name} has {len(data) - 100} bytes; the manifest says {len(data)}"
    with pytest.raises(ArtifactError, match=told) as caught:
        find(converted)
    assert f"edge-med verify {converted / name}" in caught.value.hint


def test_a_file_that_is_not_finished_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="isn't complete"):
        find(text(tmp_path / "m.gguf.partial"))
    with pytest.raises(ArtifactError, match="isn't complete"):
        find(text(tmp_path / "m.gguf"), projector(tmp_path / "p.gguf.partial"))


def test_a_projector_is_no_text_model(converted: Path) -> None:
    with pytest.raises(ArtifactError, match="is a projector") as caught:
        find(converted / PROJECTOR)
    assert "the projector in the same folder is found automatically" in caught.value.hint


def test_a_model_that_is_known_but_not_here_is_called_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path))
    for name in ("medgemma-4b-it", "google/medgemma-4b-it"):
        with pytest.raises(UsageError, match="medgemma-4b-it isn't on this machine yet") as caught:
            find(name)
        assert "Download google/medgemma-4b-it, and convert it" in caught.value.hint
    with pytest.raises(UsageError, match="micro isn't on this machine yet") as caught:
        find("micro")
    assert "--model micro" in caught.value.hint


@pytest.mark.parametrize("answer", [Path("~/.local/share/edge-med"), RuntimeError("no home")])
def test_a_user_without_a_home_folder_is_asked_for_one(
    answer: Path | RuntimeError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_home(*_args: object, **_named: object) -> Path:
        if isinstance(answer, RuntimeError):
            raise answer
        return answer

    monkeypatch.delenv("EDGE_MED_HOME", raising=False)
    monkeypatch.setattr(platformdirs, "user_data_path", without_home)
    with pytest.raises(UsageError, match="no home folder") as caught:
        store.home()
    assert "EDGE_MED_HOME" in caught.value.hint


def test_a_name_that_is_misspelt_is_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path))
    (tmp_path / "models/chest").mkdir(parents=True)
    both = "medgemma-4b-it or medgemma-4b-pt"
    for name, meant in (("medgemma-4b", both), ("Chests", "chest")):
        with pytest.raises(UsageError) as caught:
            find(name)
        assert caught.value.hint == f"Did you mean {meant}?"


def test_of_a_folder_without_a_model_those_below_it_are_named(tmp_path: Path) -> None:
    text(tmp_path / "kept/micro/micro.gguf")
    text(tmp_path / "kept/models/gemma/gemma.gguf")
    projector(tmp_path / "kept/eyes/eye.gguf")
    with pytest.raises(ArtifactError) as caught:
        find(tmp_path / "kept")
    named = ", ".join(str(tmp_path / "kept" / one) for one in ("micro", "models/gemma"))
    assert (
        caught.value.message
        == f"kept has no Gemma 3 text model. Folders below it have one: {named}."
    )


def test_a_model_of_another_architecture_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "m.gguf", {"general.architecture": "llama"})
    with pytest.raises(ArtifactError, match="architecture llama, not gemma3"):
        find(path)


def test_a_quant_that_is_none_of_ours_is_unknown(tmp_path: Path) -> None:
    q3_k_m = 12  # llama_ftype
    assert find(text(tmp_path / "m.gguf", more={"general.file_type": q3_k_m})).quant == "unknown"
    bare = write(tmp_path / "n.gguf", {"general.architecture": "gemma3"})
    assert find(bare).quant == "unknown"


def test_the_default_model_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.default_model() is None
    monkeypatch.setenv("EDGE_MED_MODEL", "")
    assert store.default_model() is None
    monkeypatch.setenv("EDGE_MED_MODEL", "medgemma")
    assert store.default_model() == "medgemma"


def adapter(path: Path) -> Path:
    return write(path, {"general.architecture": "gemma3", "general.type": "adapter"})


def test_an_adapter_beside_a_model_is_not_taken_for_one(tmp_path: Path) -> None:
    path = text(tmp_path / "model.gguf")
    adapter(tmp_path / "adapter.gguf")
    assert find(tmp_path).text == path


def test_an_adapter_is_no_text_model(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is an adapter"):
        find(adapter(tmp_path / "adapter.gguf"))


def test_a_peft_folder_is_told_as_one(tmp_path: Path) -> None:
    folder = write_peft(Lora(seed=1), TINY["text"], tmp_path / "chest")
    for path in (folder, folder / "adapter_model.safetensors"):
        with pytest.raises(ArtifactError, match=r"chest is a PEFT adapter \(LORA\) for tiny") as e:
            store.find(path)
        assert "edge-med convert BASE --adapter" in e.value.hint
