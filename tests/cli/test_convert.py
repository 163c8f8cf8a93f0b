"""`edge-med convert` as a user meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_med.artifacts.verification import verify
from tests.cli.conftest import Run
from tests.conftest import Checkpoints

Command = Callable[..., Run]


def test_it_converts_and_says_what_it_wrote(
    edge_med: Command, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    done = edge_med(
        "convert",
        checkpoint("multimodal"),
        "--out",
        tmp_path,
        "--quant",
        "q4_k_m",
        "--quant",
        "Q8_0",
    )
    assert done.code == 0
    assert done.out.splitlines() == [
        f"2.2 MiB  {tmp_path / 'multimodal-Q4_K_M.gguf'}",
        f"3.8 MiB  {tmp_path / 'multimodal-Q8_0.gguf'}",
        f"0.3 MiB  {tmp_path / 'multimodal-mmproj-F16.gguf'}",
    ]
    assert "quantize" in done.err
    assert verify(tmp_path).sound


def test_json_has_the_hashes_of_the_files(
    edge_med: Command, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    done = edge_med("convert", checkpoint("text"), "--out", tmp_path, "--quant", "Q4_0", "--json")
    result = json.loads(done.out)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert result["files"][0]["sha256"] == manifest["files"][0]["sha256"]
    assert result["seconds"]["quantize"] >= 0


def test_a_dry_run_begins_with_what_it_costs_and_writes_nothing(
    edge_med: Command, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = edge_med(
        "convert", checkpoint("odd-rows"), "--out", out, "--quant", "Q4_K_M", "--dry-run"
    )
    assert done.code == 0
    total, *files = done.out.splitlines()
    assert "in 1 file, from" in total
    assert "on this machine" in total
    assert len(files) == 1
    assert not out.exists()


def test_a_dry_run_lists_every_tensor_if_that_is_wanted(
    edge_med: Command, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    flags = ("--out", tmp_path / "out", "--quant", "Q4_K_M", "--dry-run", "--verbose")
    lines = edge_med("convert", checkpoint("odd-rows"), *flags).out.splitlines()
    assert len(lines) == 2 + (13 * 10 + 2)
    assert lines[2].split() == [
        "token_embd.weight",
        "Q8_0",
        "704x160",
        "119,680",
        "model.embed_tokens.weight",
    ]


def test_a_dry_run_as_json_adds_up(
    edge_med: Command, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    done = edge_med(
        "convert",
        checkpoint("multimodal"),
        "--out",
        tmp_path,
        "--quant",
        "Q8_0",
        "--dry-run",
        "--json",
    )
    plan = json.loads(done.out)
    assert plan["size"] == sum(file["size"] for file in plan["files"])
    assert plan["seconds"] > 0
    assert plan["files"][0]["tensors"][0]["source"] == "language_model.model.embed_tokens.weight"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--quant", "Q3_K"], 2, "'Q3_K' is not one of"),
        ([], 2, "Missing option '--quant'"),
        (["--quant", "Q8_0", "--tensor-type", "x"], 2, "isn't REGEX=TYPE"),
        (["--quant", "Q8_0", "--name", "a/b"], 2, "can't be the name of a model"),
    ],
)
def test_a_wrong_request_exits_with_2(
    arguments: list[str],
    code: int,
    message: str,
    edge_med: Command,
    checkpoint: Checkpoints,
    tmp_path: Path,
) -> None:
    done = edge_med("convert", checkpoint("text"), "--out", tmp_path / "out", *arguments)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("error: ")
    assert message in done.err
    assert "hint: " in done.err
    assert not (tmp_path / "out").exists()


def test_what_is_no_checkpoint_exits_with_4(edge_med: Command, tmp_path: Path) -> None:
    done = edge_med("convert", tmp_path, "--out", tmp_path / "out", "--quant", "Q8_0")
    assert done.code == 4
    assert done.err.splitlines()[0].endswith("isn't a checkpoint: it has no config.json.")
    assert done.err.splitlines()[1].startswith("hint: ")


def test_a_file_that_is_there_exits_with_3(
    edge_med: Command, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    arguments = ("convert", checkpoint("text"), "--out", tmp_path, "--quant", "Q4_0")
    assert edge_med(*arguments).code == 0
    assert edge_med(*arguments).code == 3
    assert edge_med(*arguments, "--force").code == 0
