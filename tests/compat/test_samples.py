"""The model cards' samples run, and say what transformers says: contract.md, the tie rule."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import takewhile
from typing import Any

import numpy as np
import pytest

from devtools.golden.compat import IMAGE_ID, SAMPLES, Seen, about, golden, picture
from devtools.tie_rule import MARGIN
from edge_med import compat
from edge_med.compat.tensors import as_floats

pytestmark = pytest.mark.filterwarnings("ignore::edge_med.compat.arguments.IgnoredWarning")

GOLDEN = golden()["samples"]
DIRECT = [name for name in SAMPLES if name.startswith("direct")]
PIPELINES = [name for name in SAMPLES if name.startswith("pipeline")]


Run = Callable[[str], Seen]
RUNS: dict[tuple[str, str], Seen] = {}


@pytest.fixture
def run(torch: Any) -> Run:
    """A sample's run; each is run but once with torch and once without."""

    def once(name: str) -> Seen:
        key = (name, torch.__name__)
        if key not in RUNS:
            RUNS[key] = SAMPLES[name](compat, torch)
        return RUNS[key]

    return once


def same_up_to_a_tie(generated: list[int], sample: dict[str, Any]) -> int:
    """How many tokens are the reference's; the first that isn't must be an excused tie."""
    pairs = zip(generated, sample["generated"], strict=False)
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
    assert same == len(sample["generated"]) or sample["margins"][same] < MARGIN
    return same


@pytest.mark.parametrize("name", DIRECT)
def test_generated_tokens_are_those_of_transformers(name: str, run: Run) -> None:
    seen = run(name)
    assert seen.generated is not None
    same = same_up_to_a_tie(seen.generated, GOLDEN[name])
    print(f"{name}: {same} of {len(GOLDEN[name]['generated'])} tokens")
    assert same > 40


@pytest.mark.parametrize("name", DIRECT)
def test_inputs_are_those_of_transformers(name: str, run: Run, torch: Any) -> None:
    inputs, wanted = run(name).inputs, GOLDEN[name]
    assert list(inputs) == list(wanted["inputs"])
    assert {k: list(v.shape) for k, v in inputs.items()} == {
        k: v["shape"] for k, v in wanted["inputs"].items()
    }
    assert inputs["input_ids"].tolist() == [wanted["input_ids"]]
    assert inputs["input_ids"].dtype == torch.int64


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_says_what_the_direct_way_says(name: str, run: Run) -> None:
    direct = run(name.replace("pipeline", "direct"))
    assert run(name).text == direct.text


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipelines_text_is_that_of_transformers_up_to_a_tie(name: str, run: Run) -> None:
    seen, wanted = run(name), GOLDEN[name]["text"]
    direct = GOLDEN[name.replace("pipeline", "direct")]
    # A character of an answer comes of at most one token, bytes of it aside.
    clear = next((n for n, m in enumerate(direct["margins"]) if m < MARGIN), len(wanted))
    assert seen.text == wanted or seen.text[:clear] == wanted[:clear]


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipelines_record_has_the_form_of_transformers(name: str, run: Run) -> None:
    (record,) = run(name).output
    assert sorted(record) == GOLDEN[name]["keys"]
    assert record["generated_text"][-1]["role"] == "assistant"


def test_pixel_values_are_those_of_transformers(torch: Any) -> None:
    processor = compat.AutoProcessor.from_pretrained(IMAGE_ID)
    inputs = processor.apply_chat_template(
        about(picture()), tokenize=True, return_dict=True, return_tensors="pt"
    )
    values = as_floats(inputs["pixel_values"])
    assert inputs["pixel_values"].dtype == torch.float32
    assert hashlib.sha256(values.tobytes()).hexdigest() == GOLDEN["direct_with_image"]["pixels"]


def test_another_image_makes_another_answer(torch: Any) -> None:
    pipe = compat.pipeline("image-text-to-text", model=IMAGE_ID)
    texts = {
        pipe(text=about(picture(name)), max_new_tokens=30, return_full_text=False)[0][
            "generated_text"
        ]
        for name in ("wide", "disc", "bar")
    }
    assert len(texts) == 3


def test_the_reference_is_an_answer_worth_comparing() -> None:
    for name in DIRECT:
        assert len(set(GOLDEN[name]["generated"])) > 40, name
        assert np.mean(np.array(GOLDEN[name]["margins"]) > MARGIN) > 0.9
