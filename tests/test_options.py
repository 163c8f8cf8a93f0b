"""What a user can set is checked before anything is loaded or asked."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from edge_med import Options
from edge_med.config import MOST_THREADS, LoadOptions
from edge_med.errors import PromptError, UsageError
from edge_med.messages import Message, as_messages


@pytest.mark.parametrize("threads", [0, -1, MOST_THREADS + 1, 1.5, True, "4"])
def test_threads_that_llama_cpp_would_abort_for_are_refused(threads: Any) -> None:
    with pytest.raises(UsageError, match="threads is"):
        LoadOptions(threads=threads)


@pytest.mark.parametrize("name", ["context", "batch", "checkpoint_bytes", "embedding_bytes"])
@pytest.mark.parametrize("value", [-1, 512.5, "512", None])
def test_what_a_model_is_loaded_with_is_whole_numbers(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"{name} is"):
        LoadOptions(**{name: value})


@pytest.mark.parametrize("name", ["max_new_tokens", "top_k", "logprobs"])
@pytest.mark.parametrize("value", [10.5, -1, True, "10", None])
def test_what_is_counted_is_a_whole_number(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"{name} is"):
        Options(**{name: value})


@pytest.mark.parametrize("name", ["temperature", "top_p", "min_p"])
@pytest.mark.parametrize("value", [-0.5, float("nan"), "1", None])
def test_a_rule_of_sampling_is_a_number(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"{name} is"):
        Options(**{name: value})


@pytest.mark.parametrize("seed", [1.5, "1", True])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(UsageError, match="seed"):
        Options(seed=seed)


def test_a_single_text_may_end_an_answer() -> None:
    assert Options(stop="ab").stop == Options(stop=("ab",)).stop == ("ab",)


def test_sequences_of_any_kind_may_end_an_answer() -> None:
    given = Options(stop=["a", "b"], stop_ids=[1, 106])
    assert given == Options(stop=("a", "b"), stop_ids=(1, 106))


def test_numbers_of_numpy_are_taken_as_numbers() -> None:
    half: Any = np.float32(0.5)
    seven: Any = np.int64(7)
    given = Options(temperature=half, max_new_tokens=seven, stop_ids=[seven])
    assert json.loads(json.dumps([given.temperature, given.max_new_tokens, given.stop_ids])) == [
        0.5,
        7,
        [7],
    ]


def test_options_can_be_keys() -> None:
    answers = {Options(schema={"type": "object"}, logit_bias={1: -1.0}): 1}
    assert answers[Options(schema={"type": "object"}, logit_bias={1: -1.0})] == 1
    assert Options() not in answers


@pytest.mark.parametrize("rule", ["foo", None, True])
def test_a_rule_for_memory_that_there_is_not_is_refused(rule: Any) -> None:
    with pytest.raises(UsageError, match="memory is"):
        LoadOptions(memory=rule)


@pytest.mark.parametrize("value", ["no", None, 0])
def test_whether_a_file_is_mapped_is_yes_or_no(value: Any) -> None:
    with pytest.raises(UsageError, match="mmap is"):
        LoadOptions(mmap=value)


@pytest.mark.parametrize("stop", [5, None, (5,), ("",), ""])
def test_what_is_no_text_cannot_end_an_answer(stop: Any) -> None:
    with pytest.raises(UsageError):
        Options(stop=stop)


def test_a_message_of_an_unknown_role_is_refused() -> None:
    with pytest.raises(PromptError, match="role"):
        Message("nurse", ())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given",
    [
        {"grammar": 5},
        {"grammar": b"root ::= ."},
        {"adapters": ["a"]},
        {"adapters": None},
        {"logit_bias": [1]},
        {"logit_bias": {"a": 1.0}},
        {"logit_bias": {1: "a"}},
        {"stop_ids": 5},
        {"stop_ids": ("a",)},
        {"stop_ids": (-1,)},
        {"stop_ids": (True,)},
    ],
    ids=str,
)
def test_an_option_of_another_kind_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(given))):
        Options(**given)


@pytest.mark.parametrize("prompt", [None, 5, [5], b"x", {"prompt": "user"}])
def test_what_is_no_prompt_is_refused(prompt: Any) -> None:
    with pytest.raises(PromptError, match=r"isn't a (prompt|message)"):
        as_messages(prompt)


def test_a_system_text_that_is_none_is_refused() -> None:
    with pytest.raises(PromptError, match="type int isn't a text"):
        as_messages("x", system=5)  # type: ignore[arg-type]


def test_a_message_without_content_is_refused_in_a_whole_sentence() -> None:
    with pytest.raises(PromptError) as caught:
        as_messages([{"role": "user", "content": None}])
    assert caught.value.message == "A message has no content."


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ({"content": "x"}, "no role"),
        ({"role": "nurse", "content": "x"}, "the role nurse"),
        ({"role": "Mrs. Smithfield, 1950", "content": "x"}, "another role"),
        ({"role": "user", "content": [{"type": "video", "video": "x"}]}, "type video"),
        ({"role": "user", "content": [{"type": None, "caption": "x"}]}, "key caption"),
    ],
)
def test_messages_of_other_programs_are_refused_by_what_is_unknown(
    message: dict[str, Any], named: str
) -> None:
    with pytest.raises(PromptError, match=named):
        as_messages([message])
