"""`edge-med plan` tells what goes where, of models that aren't there and machines that aren't."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.conftest import Checkpoints, Models

EdgeMed = Callable[..., Run]

LAPTOP = ("medgemma-27b-text-it", "--quant", "Q4_K_M", "--machine", "16GB,gpu=12GB")


def planned(edge_med: EdgeMed, *arguments: object) -> dict[str, Any]:
    run = edge_med("plan", *arguments, "--json")
    assert run.code == 0, run.err
    (plan,) = json.loads(run.out)["plans"]
    assert isinstance(plan, dict)
    return plan


def test_27b_on_a_laptop_with_a_gpu(edge_med: EdgeMed) -> None:
    run = edge_med("plan", *LAPTOP)
    assert run.code == 0
    assert run.out.startswith("Fits.\nmedgemma-27b-text-it Q4_K_M on 16GB,gpu=12GB: 12.00 of 16.00")
    assert "Memory: 18.69 GiB. Disk: files of 15.40 GiB, and 50.31 GiB" in run.out
    assert " for its checkpoint until it is converted." in run.out
    assert "Of 63 layers: 39 on GPU0, 24 on cpu." in run.out
    assert "Next smaller: medgemma-27b-text-it Q4_K_S" in run.out
    assert run.err == ""


def test_a_context_beyond_the_models_own_is_told_first(edge_med: EdgeMed) -> None:
    first = edge_med("plan", "micro", "--context", 8192).out.splitlines()[0]
    assert first == "Fits, but the model was trained with 4,096 tokens at most: --context 4096."


def test_what_it_says_in_json_is_the_same(edge_med: EdgeMed) -> None:
    plan = planned(edge_med, *LAPTOP)
    assert plan["fits"]
    assert (plan["gpu_layers"], plan["layers"]) == (39, 63)
    assert plan["total"] == sum(share["total"] for share in plan["devices"])
    assert plan["projector_device"] is None


def test_what_does_not_fit_is_warned_of_on_stderr(edge_med: EdgeMed) -> None:
    run = edge_med("plan", "medgemma-27b-it", "--machine", "16GB")
    assert run.code == 0
    assert "warning: This is more than the memory" in run.err
    assert run.out.startswith("Doesn't fit: ")
    assert " GiB short.\n" in run.out.splitlines(keepends=True)[0]
    assert "Longest context: none fits." in run.out
    assert "Next smaller: medgemma-4b-it" in run.out


def test_what_is_a_budget_is_told_apart_from_what_is_taken_at_once(edge_med: EdgeMed) -> None:
    run = edge_med("plan", "micro", "--quant", "Q8_0", "--machine", "16GB")
    assert "caches: grow with use up to this; 0.13 GiB at the start" in run.out
    assert "0.003" in run.out  # its weights


def test_without_budgets_nothing_is_said_of_them(edge_med: EdgeMed) -> None:
    run = edge_med("plan", "gemma-3-270m", "--machine", "16GB", "--context", "512")
    assert "caches:" not in run.out


def test_a_context_beyond_the_models_own_is_told(edge_med: EdgeMed) -> None:
    run = edge_med("plan", "micro", "--machine", "16GB", "--context", "8192")
    assert "Longest context: 4,096 tokens, the model's own limit." in run.out


def test_a_known_bandwidth_tells_the_speed(edge_med: EdgeMed) -> None:
    run = edge_med("plan", "medgemma-4b-it", "--machine", "8GB,bandwidth=50GB/s")
    assert "Speed: at most 20.1 tokens a second." in run.out


def test_several_quants_are_planned_one_after_the_other(edge_med: EdgeMed) -> None:
    quants = ("--quant", "q8_0", "--quant", "Q4_K_M")
    run = edge_med("plan", "medgemma-4b-it", *quants, "--machine", "16GB")
    assert run.out.index("medgemma-4b-it Q8_0") < run.out.index("medgemma-4b-it Q4_K_M")


def test_what_a_context_is_worth_is_told(edge_med: EdgeMed) -> None:
    run = edge_med("plan", "medgemma-4b-it", "--machine", "16GB")
    assert "8192 tokens (about 9 pages of text, or 24 images), KV cache f16" in run.out
    assert "doctor" not in run.out  # that measures this machine, not another


def test_a_checkpoint_is_planned_before_it_is_converted(
    edge_med: EdgeMed, checkpoint: Checkpoints
) -> None:
    plan = planned(edge_med, checkpoint("multimodal"), "--machine", "8GB,unified")
    assert (plan["model"], plan["quant"]) == ("multimodal", "Q4_K_M")
    assert plan["projector_device"] == "GPU0"


def test_a_file_is_planned_on_this_machine(edge_med: EdgeMed, model: Models) -> None:
    plan = planned(edge_med, model("text", "Q8_0") / "text-Q8_0.gguf", "--device", "cpu")
    assert plan["fits"]
    assert [share["device"] for share in plan["devices"]] == ["cpu"]


def test_flags_reach_the_plan(edge_med: EdgeMed) -> None:
    flags = {
        "--context": 1024,
        "--kv": "q8_0",
        "--parallel": 4,
        "--gpu-layers": 7,
        "--tensor-split": "2,5",
        "--projector-device": "gpu1",
    }
    listed = [item for pair in flags.items() for item in pair]
    plan = planned(edge_med, "medgemma-4b-it", "--machine", "32GB,gpu=8GB,gpu=8GB", *listed)
    assert (plan["context"], plan["kv"], plan["parallel"]) == (1024, "q8_0", 4)
    assert (plan["gpu_layers"], plan["projector_device"]) == (7, "GPU1")
    assert [share["layers"] for share in plan["devices"]] == [2, 5, 28]


def test_settings_stand_in_for_flags(
    edge_med: EdgeMed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text('context = 1024\nkv = "q8_0"\n')
    plan = planned(edge_med, "medgemma-4b-it", "--machine", "16GB")
    assert (plan["context"], plan["kv"]) == (1024, "q8_0")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("medgema",), "There is no model 'medgema'"),
        (("medgemma-4b",), "Did you mean medgemma-4b-it?"),
        (("medgemma-4b-it", "--machine", "16GB,gpu 8GB"), "Write gpu=8GB."),
        (("medgemma-4b-it", "--machine", "M2 16GB"), "Write 16GB, or for a Mac 16GB,unified."),
        (("medgemma-4b-it", "--machine", "much"), "isn't a size of memory"),
        (("medgemma-4b-it", "--machine", "8GB", "--device", "CUDA0"), "has no device 'CUDA0'"),
        (("medgemma-4b-it", "--machine", ""), "isn't a size of memory"),
        (("medgemma-4b-it", "--gpu-layers", "most"), "neither auto nor a number"),
        (("medgemma-4b-it", "--gpu-layers", "-1"), "neither auto nor a number"),
        (("medgemma-4b-it", "--gpu-layers", "10001"), "not in the range"),
        (("medgemma-4b-it", "--machine", "8GB", "--gpu-layers", "9"), "no GPU for 9 layers"),
        ((*LAPTOP, "--device", "cpu", "--gpu-layers", "9"), "no GPU for 9 layers"),
        (("medgemma-4b-it", "--tensor-split", "half"), "isn't a list of numbers"),
        (("medgemma-4b-it", "--machine", "8GB", "--tensor-split", "3,1"), "2 parts for 0 devices"),
    ],
)
def test_what_is_wrong_is_a_usage_error(
    arguments: tuple[str, ...], told: str, edge_med: EdgeMed
) -> None:
    run = edge_med("plan", *arguments)
    assert run.code == 2
    assert any(part in run.err for part in told.split("|"))


def test_a_system_that_tells_nothing_is_to_be_described(
    edge_med: EdgeMed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_med._platform.available_memory", lambda: None)
    run = edge_med("plan", "medgemma-4b-it")
    assert run.code == 2
    assert "--machine 16GB,gpu=12GB" in run.err


def test_a_gpu_of_this_machine_that_llama_cpp_has_not_is_asked_for_in_vain(
    edge_med: EdgeMed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_med.engine.llama.devices.gpus", lambda: ())
    monkeypatch.setattr("edge_med.engine.llama.devices.backends", lambda: ("CPU",))
    run = edge_med("plan", "medgemma-4b-it", "--device", "CUDA0")
    assert run.code == 2
    assert "-DGGML_CUDA=on" in run.err
