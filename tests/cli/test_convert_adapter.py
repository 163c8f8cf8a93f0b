"""`edge-med convert --as-gguf`, and PEFT folders wherever they are given, as a user meets them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from devtools.checkpoints.peft import EVERYTHING, LAYER, SETTINGS, TOWER, pair, save_adapter
from tests.cli.conftest import Run
from tests.conftest import Checkpoints, Models

Command = Callable[..., Run]

Q = pair(f"{LAYER}self_attn.q_proj", 256, 256)


@pytest.fixture
def chest(tmp_path: Path) -> Path:
    """An adapter with more than a GGUF file can hold."""
    return save_adapter(tmp_path / "chest", EVERYTHING, **SETTINGS)


@pytest.fixture
def base(checkpoint: Checkpoints) -> Path:
    return checkpoint("multimodal")


def test_it_says_what_it_wrote_and_what_it_left_out(
    edge_med: Command, base: Path, chest: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = edge_med("convert", base, "--adapter", chest, "--as-gguf", "--out", out)
    assert done.code == 0
    (line,) = done.out.splitlines()
    assert line.endswith(f"{out / 'chest.gguf'}  2 of 5 tensors")
    assert (
        "note: Left out of chest.gguf: what is changed in 2 tensors of the text model" in done.err
    )
    assert "Answers about texts differ" in done.err
    assert "--quant Q4_K_M" in done.err


def test_verbose_lists_every_tensor(
    edge_med: Command, base: Path, chest: Path, tmp_path: Path
) -> None:
    flags = ("--as-gguf", "--out", tmp_path / "out", "--verbose", "--dry-run")
    done = edge_med("convert", base, "--adapter", chest, *flags)
    assert "  blk.1.ffn_down.weight\n" in done.out
    assert "token_embd.weight                left out: rows of it were trained alone" in done.out
    assert "Nothing was written" in done.err
    assert not (tmp_path / "out").exists()


def test_json_has_all_of_it(edge_med: Command, base: Path, chest: Path, tmp_path: Path) -> None:
    flags = ("--as-gguf", "--out", tmp_path / "out", "--quant", "F16", "--json")
    data = json.loads(edge_med("convert", base, "--adapter", f"{chest}=1", *flags).out)
    (file,) = data["files"]
    assert (file["path"], file["role"], file["quant"]) == ("chest.gguf", "adapter", "F16")
    assert file["tensors"] == ["blk.1.attn_q.weight", "blk.1.ffn_down.weight"]
    assert {one["name"]: one["of_text"] for one in file["left_out"]} == {
        "v.blk.0.attn_q.weight": False,
        "blk.1.attn_norm.weight": True,
        "token_embd.weight": True,
    }
    assert [told["code"] for told in data["warnings"]] == ["adapter_left_out", "adapter_base"]
    assert file["strength"] == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--mmproj", "F32"], "--mmproj has no meaning"),
        (["--tensor-type", "attn_v=Q8_0"], "--tensor-type has no meaning"),
        (["--quant", "Q4_K_M"], "can't be Q4_K_M"),
        (["--quant", "F16", "--quant", "F32"], "one type"),
    ],
)
def test_flags_of_a_models_files_are_refused(
    flags: list[str], words: str, edge_med: Command, base: Path, chest: Path, tmp_path: Path
) -> None:
    out = ("--as-gguf", "--out", tmp_path / "out")
    done = edge_med("convert", base, "--adapter", chest, *out, *flags)
    assert done.code == 2
    assert words in done.err


def test_without_an_adapter_there_is_nothing_to_make(
    edge_med: Command, base: Path, tmp_path: Path
) -> None:
    done = edge_med("convert", base, "--as-gguf", "--out", tmp_path)
    assert (done.code, "There is no --adapter." in done.err) == (2, True)


def test_the_file_is_applied_and_what_it_lacks_is_told(
    edge_med: Command, model: Models, base: Path, tmp_path: Path
) -> None:
    tower = pair(f"{TOWER}self_attn.q_proj", 64, 64)
    chest = save_adapter(tmp_path / "chest", Q | tower)
    assert edge_med("convert", base, "--adapter", chest, "--as-gguf", "--out", chest).code == 0
    folder, file = model("multimodal", "F32"), chest / "chest.gguf"
    small = ("--model", folder, "--context", "512", "--max-new-tokens", "1", "--threads", "1")
    done = edge_med("ask", "is it large", *small, "--adapter", file)
    assert done.code == 0
    assert (
        "lacks changes of chest, the adapter in the same folder: 1 tensor of the vision tower"
        in " ".join(done.err.split())
    )
    data = json.loads(edge_med("inspect", file, "--json").out)
    assert "1 tensor of the vision tower" in data["notes"][0]


@pytest.mark.parametrize(
    "command",
    [
        ["convert", "CHEST", "--out", "OUT", "--quant", "F16"],
        ["verify", "CHEST"],
        ["ask", "x", "--model", "CHEST"],
        ["ask", "x", "--model", "MODEL", "--adapter", "CHEST"],
        ["ask", "x", "--model", "MODEL", "--adapter", "CHEST/adapter_model.safetensors=0.5"],
    ],
    ids=" ".join,
)
def test_a_peft_folder_is_told_as_one_with_the_command_that_merges_it(
    command: list[str], edge_med: Command, model: Models, chest: Path, tmp_path: Path
) -> None:
    places = {"CHEST": chest, "OUT": tmp_path / "out", "MODEL": model("multimodal", "F32")}
    for name, path in places.items():
        command = [part.replace(name, str(path)) for part in command]
    done = edge_med(*command)
    assert done.code == 4
    wanted = "GGUF adapter" if "--adapter" in command else "whole model"
    assert f"is a PEFT adapter (LORA) for google/tiny, and no {wanted}" in done.err
    assert f"edge-med convert BASE --adapter {chest} --out" in done.err
    assert "`" not in done.err


def test_inspect_shows_what_is_in_a_peft_folder(edge_med: Command, chest: Path) -> None:
    done = edge_med("inspect", chest)
    assert done.code == 0
    lines = dict(line.split(maxsplit=1) for line in done.out.splitlines() if line[0] != " ")
    assert lines["base"] == "google/tiny"
    assert lines["changes"] == "4 tensors of the text model, 1 of the vision tower"
    assert lines["scale"] == "1.41421, 2.82843"
    assert "  token_embd.weight: rows of it were trained alone" in done.out
    assert f"Merge it: edge-med convert BASE --adapter {chest}" in " ".join(done.err.split())


def test_a_peft_folder_with_gguf_adapters_is_still_one(
    edge_med: Command, base: Path, chest: Path
) -> None:
    assert edge_med("convert", base, "--adapter", chest, "--as-gguf", "--out", chest).code == 0
    shown = edge_med("inspect", chest).out.splitlines()
    assert "gguf files         chest.gguf" in shown
    done = edge_med("ask", "x", "--model", chest)
    assert "is a PEFT adapter (LORA) for google/tiny" in done.err


def test_inspect_of_what_cannot_be_merged_says_why(edge_med: Command, tmp_path: Path) -> None:
    done = edge_med("inspect", save_adapter(tmp_path / "chest", Q, peft_type="LOHA"))
    assert done.code == 0
    assert "no: The adapter was trained with peft_type = LOHA" in done.out
    assert "Merge it:" not in done.err


def test_inspect_of_a_checkpoints_folder_says_what_it_is(edge_med: Command, base: Path) -> None:
    done = edge_med("inspect", base)
    assert done.code == 4
    assert "is a folder with a checkpoint" in done.err
    assert f"edge-med convert {base} --out" in done.err


def test_a_dry_run_has_scales_and_hashes(
    edge_med: Command, base: Path, chest: Path, tmp_path: Path
) -> None:
    flags = ("--out", tmp_path / "out", "--quant", "Q8_0", "--dry-run", "--verbose")
    done = edge_med("convert", base, "--adapter", chest, *flags)
    sha256 = hashlib.sha256((chest / "adapter_model.safetensors").read_bytes()).hexdigest()
    assert f"chest  strength 1  sha256 {sha256}" in done.out
    lines = {words[0]: line for line in done.out.splitlines() if (words := line.split())}
    assert lines["blk.1.ffn_down.weight"].endswith("merged: lora 2.82843")
    assert lines["token_embd.weight"].endswith("merged: rows 1")
    assert "merged" not in lines["blk.0.ffn_down.weight"]
