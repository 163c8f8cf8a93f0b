"""`edge-med inspect` and `edge-med verify` as a user meets them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_med.artifacts.gguf import read_header
from tests.cli.conftest import Run
from tests.conftest import Models

Command = Callable[..., Run]
TEXT = "multimodal-Q8_0.gguf"


def test_inspect_shows_the_facts(edge_med: Command, model: Models) -> None:
    done = edge_med("inspect", model("multimodal", "Q8_0") / TEXT)
    assert done.code == 0
    facts = dict(line.split(None, 1) for line in done.out.splitlines())
    assert facts["architecture"] == "gemma3"
    assert facts["quant"] == "Q8_0"
    assert facts["layers"] == "6"


def test_inspect_as_json(edge_med: Command, model: Models) -> None:
    facts = json.loads(edge_med("inspect", model("multimodal", "Q8_0") / TEXT, "--json").out)
    assert (facts["role"], facts["window"]) == ("text", 32)


def test_inspect_of_what_is_no_gguf_exits_with_4(edge_med: Command, tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"no")
    done = edge_med("inspect", tmp_path / "x.gguf")
    assert (done.code, done.out) == (4, "")
    assert "error: x.gguf isn't a GGUF file." in done.err


def test_verify_of_a_sound_folder(edge_med: Command, model: Models) -> None:
    done = edge_med("verify", model("multimodal", "Q8_0"))
    assert done.code == 0
    assert done.out.splitlines() == [
        "ok        multimodal-Q8_0.gguf",
        "ok        multimodal-mmproj-F16.gguf",
    ]


def test_verify_tells_of_a_conversion_that_was_interrupted(
    edge_med: Command, model: Models, tmp_path: Path
) -> None:
    folder = shutil.copytree(model("multimodal", "Q8_0"), tmp_path / "model")
    shutil.copy(folder / "manifest.json", folder / "manifest.json.partial")
    assert "was interrupted" in edge_med("verify", folder).err


def test_verify_names_the_damaged_tensor_and_exits_with_4(
    edge_med: Command, model: Models, tmp_path: Path
) -> None:
    folder = shutil.copytree(model("multimodal", "Q8_0"), tmp_path / "model")
    tensor = read_header(folder / TEXT).tensors[7]
    data = bytearray((folder / TEXT).read_bytes())
    data[tensor.offset] ^= 255
    (folder / TEXT).write_bytes(data)
    done = edge_med("verify", folder)
    assert done.code == 4
    assert f"the tensor {tensor.name} is damaged" in done.out
    verdict = json.loads(edge_med("verify", folder, "--json").out)
    assert verdict["sound"] is False


def test_verify_upgrade(edge_med: Command, model: Models, tmp_path: Path) -> None:
    folder = shutil.copytree(model("multimodal", "Q8_0"), tmp_path / "model")
    data = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(data))
    done = edge_med("verify", folder, "--upgrade")
    assert done.code == 0
    assert done.out.splitlines()[-1] == "upgraded  manifest.json: it has today's form now"
    done = edge_med("verify", folder, "--upgrade")
    assert done.out.splitlines()[-1] == "ok        manifest.json: it had today's form before"
    assert json.loads(edge_med("verify", folder, "--upgrade", "--json").out)["upgraded"] is False


def test_verify_upgrade_of_a_damaged_folder(
    edge_med: Command, model: Models, tmp_path: Path
) -> None:
    folder = shutil.copytree(model("multimodal", "Q8_0"), tmp_path / "model")
    text = json.dumps(json.loads((folder / "manifest.json").read_text()))
    (folder / "manifest.json").write_text(text)
    (folder / TEXT).write_bytes(b"no")
    done = edge_med("verify", folder, "--upgrade")
    assert done.code == 4
    assert "The manifest was not rewritten, because the folder is damaged." in done.err
    assert (folder / "manifest.json").read_text() == text


def test_verify_upgrade_of_a_single_file(edge_med: Command, model: Models) -> None:
    done = edge_med("verify", model("multimodal", "Q8_0") / TEXT, "--upgrade")
    assert done.code == 2
    assert "A single file has no manifest to upgrade." in done.err


def test_verify_run_reads_a_text_and_sees_a_picture(edge_med: Command, model: Models) -> None:
    done = edge_med("verify", "--run", model("multimodal", "Q8_0"))
    assert done.code == 0
    read, seen = done.out.splitlines()[2:]
    assert read == "runs      multimodal-Q8_0.gguf: a text is read"
    assert seen.startswith(
        "encodes   multimodal-Q8_0.gguf: a test picture on the CPU, with the same result"
    )


def test_verify_run_as_json(edge_med: Command, model: Models) -> None:
    done = edge_med("verify", "--run", model("multimodal", "Q8_0"), "--json")
    (run,) = json.loads(done.out)["run"]
    assert (run["device"], run["sound"], run["finite"], run["error"]) == ("cpu", True, True, 0)


def test_verify_run_of_a_model_that_sees_something_else_exits_with_4(
    edge_med: Command, model: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MED_CHILD", "1")  # it stays in this process
    monkeypatch.setattr("edge_med.engine.tasks.selftest.compare", lambda *_: (0.5, 0.9))
    done = edge_med("verify", "--run", model("multimodal", "Q8_0"))
    assert done.code == 4
    assert "fails     multimodal-Q8_0.gguf: a test picture has another result on cpu" in done.out


@pytest.fixture
def alone(model: Models, tmp_path: Path) -> Path:
    """A pair in a folder that says nothing of it."""
    folder = shutil.copytree(model("multimodal", "Q8_0"), tmp_path / "alone")
    (folder / "manifest.json").unlink()
    return folder


def test_verify_run_tries_a_folder_that_has_no_manifest(edge_med: Command, alone: Path) -> None:
    done = edge_med("verify", "--run", alone)
    assert done.code == 0
    assert done.out.splitlines()[0] == "unlisted  multimodal-Q8_0.gguf"
    assert "encodes   multimodal-Q8_0.gguf: a test picture" in done.out


@pytest.mark.parametrize("lost", ["token_embd.weight", "output_norm.weight"])
def test_verify_run_of_a_text_model_without_weights_fails(
    lost: str, edge_med: Command, model: Models, tmp_path: Path
) -> None:
    path = Path(shutil.copy(model("multimodal", "F32") / "multimodal-F32.gguf", tmp_path))
    tensor = next(one for one in read_header(path).tensors if one.name == lost)
    data = bytearray(path.read_bytes())
    data[tensor.offset : tensor.offset + tensor.size] = bytes(tensor.size)
    path.write_bytes(data)
    done = edge_med("verify", "--run", path)
    assert done.code == 4
    assert "fails     multimodal-F32.gguf: after a text all tokens are equally likely" in done.out
    assert "runs" not in done.out


def test_verify_run_says_that_a_projector_has_no_weights(edge_med: Command, alone: Path) -> None:
    path = alone / "multimodal-mmproj-F16.gguf"
    header, data = read_header(path), bytearray(path.read_bytes())
    for tensor in header.tensors:
        data[tensor.offset : tensor.offset + tensor.size] = bytes(tensor.size)
    path.write_bytes(data)
    done = edge_med("verify", "--run", alone)
    assert done.code == 4
    assert "holds nothing but zeros" in done.err
    assert "Warning" not in done.err


def test_verify_run_of_a_projector_that_sees_nothing_says_what_it_gives(
    edge_med: Command, model: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MED_CHILD", "1")  # it stays in this process
    blind = np.zeros((4, 256), np.float32)
    monkeypatch.setattr("edge_med.engine.tasks.selftest._seen", lambda *_: blind)
    done = edge_med("verify", "--run", model("multimodal", "Q8_0"))
    assert done.code == 4
    assert (
        "fails     multimodal-Q8_0.gguf: for a picture the projector gives nothing but zeros"
        in done.out
    )
    assert "Warning" not in done.err


def test_escapes_in_a_file_name_do_not_reach_the_terminal(
    edge_med: Command, tmp_path: Path
) -> None:
    path = tmp_path / "x\x1b]0;owned\x07.gguf"
    path.write_bytes(b"no")
    done = edge_med("inspect", path)
    assert "\x1b" not in done.err
    assert "\\x1b]0;owned" in done.err


def test_verify_tries_every_text_model(edge_med: Command, model: Models) -> None:
    folder = model("multimodal", "Q4_K_M", "Q8_0")
    done = edge_med("verify", folder, "--run", "--json")
    runs = json.loads(done.out)["run"]
    assert [run["file"] for run in runs] == ["multimodal-Q4_K_M.gguf", TEXT]
    assert all(run["sound"] for run in runs)


def test_inspect_of_a_folder_names_its_files(edge_med: Command, model: Models) -> None:
    done = edge_med("inspect", model("text", "Q8_0"))
    assert done.code == 4
    assert "is a folder. It holds" in done.err
    assert "text-Q8_0.gguf" in done.err
