"""What a model takes is known from its headers, and agrees with what llama.cpp takes."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from devtools.checkpoints import medgemma, tiny
from devtools.checkpoints.adapters import Lora, write_gguf
from edge_med._platform import MACHINE
from edge_med.artifacts import manifest as manifests
from edge_med.artifacts.adapters.gguf_adapter import read_adapter
from edge_med.artifacts.gguf import TEXT, Array, Header, read_header
from edge_med.config import KV, LoadOptions, MemoryRule
from edge_med.engine.engine import Engine
from edge_med.engine.llama.bindings import LOGGER
from edge_med.errors import ArtifactError, MemoryShortError
from edge_med.planner import memory_plan, sizes
from edge_med.planner.memory_plan import MemoryPlan, check, plan
from edge_med.planner.sizes import kv_bytes
from tests.conftest import Models

MIB = 1 << 20
TYPES: tuple[KV, ...] = ("f16", "q8_0")


def text_header(text: tiny.Text) -> Header:
    """The keys that a text model's header has of itself."""
    keys = {
        "block_count": text.layers,
        "embedding_length": text.hidden,
        "feed_forward_length": text.feed_forward,
        "attention.head_count": text.heads,
        "attention.head_count_kv": text.key_value_heads,
        "attention.key_length": text.head_size,
        "attention.value_length": text.head_size,
        "attention.sliding_window": text.window,
    }
    tokens = Array(TEXT, medgemma.VOCABULARY, b"")
    metadata = {f"gemma3.{key}": value for key, value in keys.items()}
    return Header(3, {**metadata, "tokenizer.ggml.tokens": tokens}, (), 0, 0)


# MiB; llama.cpp 0.5.0 with a window cache, batches of 512 and one sequence, rounded by half.
KV_CACHE: dict[str, dict[int, tuple[int, int]]] = {
    "4b": {4096: (254, 135), 8192: (334, 177), 32_768: (814, 432), 131_072: (2734, 1452)},
    "27b": {4096: (944, 502), 8192: (1264, 672), 32_768: (3184, 1692), 131_072: (10_864, 5772)},
}


@pytest.mark.parametrize("size", KV_CACHE)
@pytest.mark.parametrize("tokens", [4096, 8192, 32_768, 131_072])
def test_the_kv_cache_of_medgemma(size: str, tokens: int) -> None:
    header = text_header(medgemma.TEXT[size])
    for kv, expected in zip(TYPES, KV_CACHE[size][tokens], strict=True):
        found = kv_bytes(header, LoadOptions(context=tokens, kv=kv)) / MIB
        assert found == pytest.approx(expected, abs=1)


# MiB of «compute buffer» that llama.cpp 0.5.0 logs for files of these shapes on the CPU, with 32
# outputs; at a batch of 64 the logits weigh more than a layer. F16 first, Q8_0 second:
# F16 goes without flash attention as long as its scores are small enough.
COMPUTE: dict[tuple[str, int, int], tuple[float, float]] = {
    ("4b", 300, 512): (52.16, 49.76),
    ("4b", 8192, 64): (33.26, 32.95),
    ("4b", 8192, 256): (88.76, 46.67),
    ("4b", 8192, 512): (178.01, 93.05),
    ("4b", 8192, 1024): (358.02, 186.57),
    ("4b", 32_768, 512): (610.01, 117.05),
    ("4b", 131_072, 512): (208.52, 213.05),
    ("27b", 300, 512): (112.21, 102.41),
    ("27b", 8192, 256): (291.76, 91.54),
    ("27b", 8192, 512): (584.01, 183.18),
    ("27b", 131_072, 512): (295.02, 303.18),
}


@pytest.mark.parametrize("case", COMPUTE, ids=lambda case: " ".join(map(str, case)))
def test_what_the_text_model_computes_in(case: tuple[str, int, int]) -> None:
    size, tokens, batch = case
    header = text_header(medgemma.TEXT[size])
    rows = 32 * 4 * medgemma.VOCABULARY  # the logits' own buffer, which grows to this
    for kv, logged in zip(TYPES, COMPUTE[case], strict=True):
        options = LoadOptions(context=tokens, kv=kv, batch=batch)
        found = (sizes.text_compute_bytes(header, options) - rows) / MIB
        assert found == pytest.approx(logged, rel=0.06)


def test_what_an_image_is_computed_in() -> None:
    keys = {"image_size": 896, "patch_size": 14, "embedding_length": 1152}
    keys["feed_forward_length"] = 4304
    header = Header(3, {f"clip.vision.{key}": value for key, value in keys.items()}, (), 0, 0)
    logged = 121.25  # MiB, by llama.cpp 0.5.0 for MedGemma's projector
    assert sizes.image_compute_bytes(header) / MIB == pytest.approx(logged, abs=0.01)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What llama.cpp logs."""
    caplog.set_level(logging.INFO, LOGGER.name)
    return caplog


def logged_sizes(log: pytest.LogCaptureFixture, what: str) -> list[float]:
    """MiB of each buffer of a kind that llama.cpp has logged."""
    lines = (re.search(rf"{what} buffer size = +([\d.]+) MiB", r.message) for r in log.records)
    return [float(line[1]) for line in lines if line]


def buffers(log: pytest.LogCaptureFixture, what: str) -> float:
    """MiB of all of them."""
    return sum(logged_sizes(log, what))


@pytest.mark.parametrize("name", ["text", "62-layers"])
@pytest.mark.parametrize("kv", TYPES)
@pytest.mark.parametrize("tokens", [300, 4096])
def test_llama_cpp_takes_what_was_planned(
    name: str, kv: KV, tokens: int, model: Models, log: pytest.LogCaptureFixture
) -> None:
    path = model(name, "F32") / f"{name}-F32.gguf"
    options = LoadOptions(context=tokens, kv=kv, batch=64, threads=1)
    Engine(path, None, options).close()
    planned = plan(read_header(path), options)
    logged = buffers(log, "KV")
    assert logged > 0.1
    assert planned.kv / MIB == pytest.approx(logged, abs=0.011)  # two lines, each rounded
    assert buffers(log, "compute") * MIB < planned.compute


@pytest.mark.parametrize("quant", ["Q4_0", "Q4_K_M"])
def test_weights_that_llama_cpp_copies_are_planned(
    quant: str, model: Models, log: pytest.LogCaptureFixture
) -> None:
    path = model("text", quant) / f"text-{quant}.gguf"
    options = LoadOptions(context=300, batch=64, threads=1)
    engine = Engine(path, None, options)
    engine.close()
    planned = plan(read_header(path), engine.options)
    copied = sum(buffers(log, f"{name} model") for name in sizes.ROWS)
    assert planned.repacked / MIB == pytest.approx(copied, abs=0.006)  # rounded
    assert copied > 0.5 or not sizes.REPACKED.get(MACHINE)
    mapped = buffers(log, "CPU_Mapped model")
    assert planned.weights / MIB == pytest.approx(mapped, abs=0.1)  # up to a page at either end


def test_an_arm_processor_copies_more_types(model: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    header = read_header(model("text", "Q8_0") / "text-Q8_0.gguf")
    planned = {}
    for machine in ("x86_64", "arm64", "riscv64"):
        monkeypatch.setattr("edge_med._platform.MACHINE", machine)
        planned[machine] = sizes.copies(header, LoadOptions()).size
    assert planned["x86_64"] == planned["riscv64"] == 0
    assert planned["arm64"] > 0.9 * memory_plan.plan(header, LoadOptions()).weights


def test_what_is_kept_for_later_is_planned_where_it_can_be(model: Models) -> None:
    """A window that holds the whole context needs no checkpoint; without a projector no image."""
    folder = model("multimodal", "Q8_0")
    text = read_header(folder / "multimodal-Q8_0.gguf")
    eye = read_header(folder / "multimodal-mmproj-F16.gguf")
    checkpoints, embeddings = LoadOptions().checkpoint_bytes, LoadOptions().embedding_bytes
    short, long = LoadOptions(context=256), LoadOptions(context=8192)
    assert plan(text, short).cache_budget == 0
    assert plan(text, long).cache_budget == checkpoints
    assert plan(text, short, eye).cache_budget == embeddings
    assert plan(text, long, eye).cache_budget == checkpoints + embeddings


def ours(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said of memory, llama.cpp's own words left out."""
    return [record.message for record in caplog.records if record.name == memory_plan.LOGGER.name]


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize("quant", ["F32", "Q4_K_M"])
def test_a_model_that_takes_what_was_planned_is_no_news(
    quant: str, mmap: bool, model: Models, caplog: pytest.LogCaptureFixture
) -> None:
    options = LoadOptions(context=4096, mmap=mmap)
    Engine(model("text", quant) / f"text-{quant}.gguf", None, options).close()
    assert ours(caplog) == []


def test_a_plan_that_was_wrong_is_told_of(
    model: Models, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_plan, "kv_bytes", lambda *_: 64 * MIB)
    Engine(model("text", "F32") / "text-F32.gguf", None, LoadOptions(context=300)).close()
    (message,) = ours(caplog)
    assert re.search(r"[\d.]+ MiB of memory were planned, and [\d.]+ MiB are used", message)


def test_adapters_take_what_was_planned(
    model: Models, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    path = model("text", "F32") / "text-F32.gguf"
    options = LoadOptions(context=300, batch=64, threads=1)
    lora = write_gguf(Lora(seed=1, rank=16), tiny.TINY["text"], tmp_path / "chest.gguf")
    engine = Engine(path, None, options, {"chest": lora})
    engine.slot.prefill(list(range(10, 100)), adapters={"chest": 1.0})
    engine.close()
    planned = plan(read_header(path), options, adapters=[read_adapter(lora)])
    assert planned.adapters / MIB == pytest.approx(buffers(log, "LoRA"), abs=0.006)
    without, adapted = logged_sizes(log, "compute")  # the graph is made anew for the adapter
    assert without <= adapted
    assert adapted * MIB < planned.compute


def test_a_context_takes_whole_steps_of_256_cells() -> None:
    header = text_header(medgemma.TEXT["4b"])
    sizes = [kv_bytes(header, LoadOptions(context=tokens)) for tokens in (256, 257, 512, 513)]
    assert sizes[0] < sizes[1] == sizes[2] < sizes[3]


def test_without_a_window_every_layer_holds_everything() -> None:
    full = 17_408 * MIB  # 4B at 131,072 tokens
    header = text_header(medgemma.TEXT["4b"])
    metadata = {k: v for k, v in header.metadata.items() if not k.endswith("sliding_window")}
    found = kv_bytes(Header(3, metadata, (), 0, 0), LoadOptions(context=131_072))
    assert found == full


def test_weights_are_the_tensors_of_both_files(model: Models) -> None:
    folder = model("multimodal", "Q8_0")
    manifest = manifests.load(folder)
    assert manifest is not None
    sizes = {e.role: sum(tensor.size for tensor in e.tensors) for e in manifest.files}
    headers = {e.role: read_header(folder / e.path) for e in manifest.files}
    planned = plan(headers["text"], LoadOptions(), headers["projector"])
    assert (planned.weights, planned.projector) == (sizes["text"], sizes["projector"])


def test_without_a_projector_nothing_is_planned_for_images(model: Models) -> None:
    folder = model("multimodal", "Q8_0")
    text = read_header(folder / "multimodal-Q8_0.gguf")
    seeing = plan(text, LoadOptions(), read_header(folder / "multimodal-mmproj-F16.gguf"))
    blind = plan(text, LoadOptions())
    assert blind.projector == 0
    assert blind.compute < seeing.compute


@pytest.mark.parametrize(
    "key", ["gemma3.block_count", "gemma3.attention.key_length", "tokenizer.ggml.tokens"]
)
def test_a_header_that_does_not_tell_enough_is_an_error(key: str) -> None:
    header = text_header(medgemma.TEXT["4b"])
    metadata = {k: v for k, v in header.metadata.items() if k != key}
    with pytest.raises(ArtifactError, match=f"lacks {key}"):
        plan(Header(3, metadata, (), 0, 0), LoadOptions())


PLAN = MemoryPlan(
    weights=2_500_000_000,
    projector=850_000_000,
    kv=350_000_000,
    compute=300_000_000,
    repacked=1_500_000_000,
    cache_budget=800_000_000,
    originals=1_500_000_000,
)
NUMBERS = (
    r"needs 4\.47 GiB of memory, and 2\.98 GiB are free: "
    r"weights 2\.33 GiB, projector 0\.79 GiB, KV cache 0\.33 GiB, "
    r"computing 0\.28 GiB, caches for later turns up to 0\.75 GiB"
)


def test_a_plan_that_does_not_fit_is_refused_with_its_numbers() -> None:
    with pytest.raises(MemoryShortError, match=NUMBERS) as caught:
        check(PLAN, "plan", 3_200_000_000)
    for way_out in ("`context`", '`kv="q8_0"`', "quant", '`memory="ignore"`'):
        assert way_out in caught.value.hint


def test_the_rule_can_be_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    check(PLAN, "warn", 3_200_000_000)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert re.search(NUMBERS, record.message)


@pytest.mark.parametrize(
    ("rule", "available"),
    [("ignore", 0), ("plan", PLAN.needed), ("warn", PLAN.needed), ("plan", None), ("warn", None)],
)
def test_nothing_is_said_where_it_fits_or_nobody_knows_or_cares(
    rule: MemoryRule, available: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    check(PLAN, rule, available)
    assert caplog.records == []
