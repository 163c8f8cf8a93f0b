"""`generate` continues exactly the ids it is given, as far as it is asked to, or says why not."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from devtools.golden.compat import IMAGE_ID, QUESTION, TEXT_ID, about, golden, picture
from edge_med import compat
from edge_med.compat.auto_model import Model
from edge_med.errors import EdgeMedError, ImageError, PromptError, UsageError

pytestmark = pytest.mark.filterwarnings("ignore::edge_med.compat.arguments.IgnoredWarning")

NEW = golden()["samples"]["direct_with_image"]["generated"]


@pytest.fixture
def inputs(torch: Any) -> Any:
    return compat.AutoProcessor.from_pretrained(IMAGE_ID).apply_chat_template(
        about(picture()),
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )


@pytest.fixture
def model(torch: Any) -> Model:
    return compat.AutoModelForImageTextToText.from_pretrained(IMAGE_ID)


def new(model: Model, inputs: Any, **options: Any) -> list[int]:
    out = model.generate(**inputs, **options)
    assert out[0][: inputs["input_ids"].shape[-1]].tolist() == inputs["input_ids"][0].tolist()
    tokens: list[int] = out[0][inputs["input_ids"].shape[-1] :].tolist()
    return tokens


def test_the_prompt_comes_first_and_the_length_is_kept(model: Model, inputs: Any) -> None:
    assert new(model, inputs, max_new_tokens=7) == NEW[:7]
    assert new(model, inputs, max_length=inputs["input_ids"].shape[-1] + 3) == NEW[:3]
    assert len(new(model, inputs)) == 20  # what transformers does if nobody says


def test_the_token_that_ends_it_is_part_of_it(model: Model, inputs: Any) -> None:
    end = NEW[3]
    assert new(model, inputs, eos_token_id=end) == NEW[: NEW.index(end) + 1]
    assert new(model, inputs, eos_token_id=[end, 5]) == NEW[: NEW.index(end) + 1]


def test_a_text_that_ends_it_is_part_of_it(model: Model, inputs: Any) -> None:
    tokenizer = compat.AutoTokenizer.from_pretrained(IMAGE_ID)
    end = tokenizer.decode(NEW[7:10])
    text = tokenizer.decode(new(model, inputs, max_new_tokens=30, stop_strings=[end]))
    assert text.endswith(end)


def test_half_precision_leaves_every_pixel_as_it_is(model: Model, inputs: Any, torch: Any) -> None:
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        assert new(model, inputs.to("cpu", dtype=dtype), max_new_tokens=7) == NEW[:7]


def test_ids_that_were_lengthened_are_continued(model: Model, inputs: Any, torch: Any) -> None:
    ids = torch.tensor([[*inputs["input_ids"][0].tolist(), *NEW[:5]]])
    out = model.generate(
        input_ids=ids, pixel_values=inputs["pixel_values"], max_new_tokens=3, do_sample=False
    )
    assert out[0].tolist()[-3:] == NEW[5:8]


def test_sampling_follows_its_options(model: Model, inputs: Any) -> None:
    only_best = new(model, inputs, do_sample=True, top_k=1, max_new_tokens=7)
    assert only_best == NEW[:7]
    hot = {tuple(new(model, inputs, do_sample=True, temperature=9.0)) for _ in range(2)}
    assert len(hot) == 2


def test_what_a_call_does_not_say_is_in_the_generation_config(model: Model, inputs: Any) -> None:
    config = model.generation_config
    assert not config.do_sample
    assert (config.temperature, config.top_k, config.top_p) == (1.0, 64, 0.95)
    config.max_new_tokens = 3
    assert new(model, inputs) == NEW[:3]
    assert new(model, inputs, max_new_tokens=2) == NEW[:2]
    config.do_sample, config.temperature, config.top_k, config.top_p = True, 9.0, None, None
    hot = {tuple(new(model, inputs, max_new_tokens=9)) for _ in range(2)}
    assert len(hot) == 2
    assert new(model, inputs, do_sample=False) == NEW[:3]
    config.top_k = 1
    assert new(model, inputs) == NEW[:3]


def test_each_model_has_a_generation_config_of_its_own(torch: Any) -> None:
    pipe = compat.pipeline("image-text-to-text", model=IMAGE_ID)
    pipe.model.generation_config.do_sample = False
    pipe.model.generation_config.max_new_tokens = 2
    (short,) = pipe(text=about(picture()), return_full_text=False)
    (longer,) = pipe(text=about(picture()), return_full_text=False, max_new_tokens=3)
    assert len(short["generated_text"]) < len(longer["generated_text"])
    other = compat.AutoModelForCausalLM.from_pretrained(IMAGE_ID)
    assert other.generation_config.max_new_tokens is None


def test_a_generation_config_refuses_what_cannot_be_had_where_it_is_set(model: Model) -> None:
    config = model.generation_config
    with pytest.raises(UsageError, match="num_beams can't be 4 here"):
        config.num_beams = 4
    with pytest.raises(AttributeError, match="no beams"):
        config.beams = 1
    config.num_beams, config.repetition_penalty = 1, 1.0
    with pytest.raises(UsageError, match=r"repetition_penalty can't be 1\.1"):
        compat.GenerationConfig(repetition_penalty=1.1)


@pytest.mark.parametrize(("name", "kind"), [(IMAGE_ID, "gemma3"), (TEXT_ID, "gemma3_text")])
def test_a_model_says_its_kind(name: str, kind: str, torch: Any) -> None:
    assert compat.AutoModelForCausalLM.from_pretrained(name).config.model_type == kind


def test_a_streamer_gets_the_prompt_each_token_and_the_end(model: Model, inputs: Any) -> None:
    heard: list[Any] = []

    class Streamer:
        def put(self, ids: Any) -> None:
            heard.append(ids.tolist())

        def end(self) -> None:
            heard.append("end")

    new(model, inputs, max_new_tokens=2, streamer=Streamer())
    assert heard == [inputs["input_ids"].tolist(), [NEW[0]], [NEW[1]], "end"]


def test_the_same_model_is_loaded_once_and_freed_with_its_last_user(torch: Any) -> None:
    first = compat.AutoModelForCausalLM.from_pretrained(TEXT_ID)
    second = compat.AutoModelForCausalLM.from_pretrained("words")
    assert first.medgemma is second.medgemma
    other = compat.AutoModelForCausalLM.from_pretrained(TEXT_ID, context=64)
    assert other.medgemma is not first.medgemma


def broken(inputs: Any, torch: Any, how: str) -> dict[str, Any]:
    ids, values = inputs["input_ids"].tolist(), inputs["pixel_values"]
    tensor = torch.tensor
    return {
        "no pixels": {"input_ids": tensor(ids)},
        "a place too few": {"input_ids": tensor([ids[0][:5]]), "pixel_values": values},
        "half a place": {
            "input_ids": tensor([ids[0][: ids[0].index(672) + 2]]),
            "pixel_values": values,
        },
        "other values": {
            "input_ids": tensor(ids),
            "pixel_values": tensor([[[[0.0] * 56] * 56] * 3]),
        },
        "another shape": {"input_ids": tensor(ids), "pixel_values": values[0]},
        "two prompts": {"input_ids": tensor(ids * 2), "pixel_values": values},
        "no batch": {"input_ids": tensor(ids[0]), "pixel_values": values},
        "no number": {"input_ids": [[*ids[0], "a"]], "pixel_values": values},
        "no token": {"input_ids": tensor([[*ids[0], 704]]), "pixel_values": values},
        "padding": {**inputs, "attention_mask": tensor([[0] + [1] * (len(ids[0]) - 1)])},
        "wrong types": {**inputs, "token_type_ids": tensor([[0] * len(ids[0])])},
    }[how]


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("no pixels", PromptError),
        ("a place too few", PromptError),
        ("half a place", PromptError),
        ("other values", ImageError),
        ("another shape", ImageError),
        ("two prompts", PromptError),
        ("no batch", PromptError),
        ("no number", PromptError),
        ("no token", PromptError),
        ("padding", PromptError),
        ("wrong types", PromptError),
    ],
)
def test_inputs_that_were_broken_are_refused(
    how: str, error: type[EdgeMedError], model: Model, inputs: Any, torch: Any
) -> None:
    with pytest.raises(error):
        model.generate(**broken(inputs, torch, how), max_new_tokens=2)


@pytest.mark.parametrize(
    "options",
    [
        {"num_beams": 4},
        {"num_return_sequences": 2},
        {"max_tokens": 5},
        *({"max_length": value} for value in (3, "5", 99.5)),
        *({"max_new_tokens": value} for value in ("abc", True, 3.7, -1)),
        *({"eos_token_id": value} for value in ("x", [1, "x"], 1.5, -1, 10**9)),
    ],
    ids=str,
)
def test_what_cannot_be_had_is_refused(options: Any, model: Model, inputs: Any) -> None:
    with pytest.raises(UsageError):
        model.generate(**inputs, **options)


def test_an_answer_that_the_context_cuts_is_told(torch: Any) -> None:
    narrow = compat.AutoModelForCausalLM.from_pretrained(TEXT_ID, context=32, threads=1)
    ids = torch.tensor([[2, 5, 7]])
    with pytest.warns(compat.CutWarning, match="after 30 tokens, where the context of 32") as told:
        out = narrow.generate(input_ids=ids, max_new_tokens=99)
    assert out.shape == (1, 33)
    assert told[0].filename == __file__


def test_an_answer_that_is_as_long_as_it_was_wanted_is_no_news(torch: Any) -> None:
    narrow = compat.AutoModelForCausalLM.from_pretrained(TEXT_ID, context=32, threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        narrow.generate(input_ids=torch.tensor([[2, 5, 7]]), max_new_tokens=30)


def test_what_changes_nothing_is_accepted(model: Model, inputs: Any) -> None:
    assert new(model, inputs, max_new_tokens=2, num_beams=1, use_cache=True, top_k=None) == NEW[:2]


def test_a_model_without_a_projector_is_none_for_images(torch: Any) -> None:
    with pytest.raises(ImageError, match="can't see"):
        compat.AutoModelForImageTextToText.from_pretrained(TEXT_ID)


def test_text_alone_needs_no_types(torch: Any) -> None:
    model = compat.AutoModelForCausalLM.from_pretrained(TEXT_ID)
    tokenizer = compat.AutoTokenizer.from_pretrained(TEXT_ID)
    ids = tokenizer.apply_chat_template(
        QUESTION, add_generation_prompt=True, return_tensors="pt", return_dict=False
    )
    wanted = golden()["samples"]["direct_with_text"]["generated"][:4]
    assert model.generate(ids, max_new_tokens=4)[0][ids.shape[-1] :].tolist() == wanted
