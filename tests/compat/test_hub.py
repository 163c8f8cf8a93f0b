"""A hub id means a model on this machine, and what changes nothing is said once."""

from __future__ import annotations

import gc
import subprocess
import sys
import warnings
import weakref
from pathlib import Path
from typing import Any

import pytest

from devtools.golden.compat import IMAGE_ID, QUESTION, TEXT_ID, about, picture
from edge_med import compat
from edge_med.compat import IgnoredWarning, hub
from edge_med.errors import PromptError, UsageError
from edge_med.message_forms.reader import read

ROOT = Path(__file__).parents[2]


def test_an_id_is_found_by_the_manifest_or_by_the_folders_name(home: Path) -> None:
    assert hub.find(TEXT_ID).text.parent == home / "models/words"
    assert hub.find(IMAGE_ID).text.parent == home / "models/medgemma-4b-it"


def test_a_name_and_a_path_mean_the_same_model(home: Path) -> None:
    path = home / "models/words"
    assert hub.find("words").text == hub.find(path).text == hub.find(TEXT_ID).text


def test_a_checkpoint_of_the_same_name_does_not_hide_the_converted_model(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (TEXT_ID, IMAGE_ID):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").write_text("{}")
    assert hub.find(TEXT_ID).text.parent == home / "models/words"
    assert hub.find(IMAGE_ID).text.parent == home / "models/medgemma-4b-it"


def test_a_path_that_looks_like_an_id_is_taken_where_it_holds_a_model(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    assert hub.find("models/words").text == Path("models/words") / hub.find(TEXT_ID).text.name


def test_a_model_that_is_not_there_is_told_how_to_be_made() -> None:
    with pytest.raises(UsageError, match="no converted model of 'google/other'") as caught:
        hub.find("google/other")
    assert "edge-med convert FOLDER" in caught.value.hint
    assert "--source-id google/other" in caught.value.hint


def test_a_model_is_freed_with_its_last_user() -> None:
    model = compat.AutoModelForCausalLM.from_pretrained(TEXT_ID, context=64, threads=1)
    gone = weakref.ref(model.medgemma)
    del model
    gc.collect()
    assert gone() is None


def test_what_is_ignored_is_said_once(torch: Any) -> None:
    load = compat.AutoTokenizer.from_pretrained
    with pytest.warns(IgnoredWarning, match="ignores torch_dtype, use_fast: "):
        load(TEXT_ID, torch_dtype=torch.bfloat16, use_fast=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(TEXT_ID, torch_dtype=torch.bfloat16)


@pytest.mark.parametrize(
    "call",
    [
        lambda: compat.AutoTokenizer.from_pretrained(TEXT_ID, use_fast=True),
        lambda: compat.AutoModelForCausalLM.from_pretrained(TEXT_ID, device_map="auto"),
        lambda: compat.pipeline("text-generation", TEXT_ID, device="cuda"),
        lambda: compat.AutoTokenizer.from_pretrained(TEXT_ID)("x", padding=True),
        lambda: compat.pipeline("text-generation", TEXT_ID)("x", max_new_tokens=1, use_cache=True),
    ],
    ids=["tokenizer", "model", "pipeline", "a call", "a pipeline's call"],
)
def test_a_warning_points_at_the_line_that_is_to_be_changed(call: Any, torch: Any) -> None:
    with pytest.warns(IgnoredWarning) as told:
        call()
    assert [warning.filename for warning in told] == [__file__]


def test_a_name_that_is_no_text_is_refused(torch: Any) -> None:
    with pytest.raises(UsageError, match="neither a text nor a path"):
        compat.AutoProcessor.from_pretrained(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "call",
    [
        compat.AutoTokenizer.from_pretrained,
        compat.AutoProcessor.from_pretrained,
        compat.AutoModelForCausalLM.from_pretrained,
        lambda name, **given: compat.pipeline("text-generation", name, **given),
    ],
    ids=["tokenizer", "processor", "model", "pipeline"],
)
def test_an_unknown_argument_is_an_error(call: Any) -> None:
    with pytest.raises(UsageError, match="takes no torch_type"):
        call(TEXT_ID, torch_type="float32")


def test_there_are_two_pipelines() -> None:
    with pytest.raises(UsageError, match="no pipeline 'summarization'"):
        compat.pipeline("summarization", model=TEXT_ID)


def test_a_pipeline_takes_one_prompt_or_a_list(torch: Any) -> None:
    pipe = compat.pipeline("text-generation", model=TEXT_ID)
    one = pipe(QUESTION, max_new_tokens=3)
    assert pipe([QUESTION, QUESTION], max_new_tokens=3) == [one, one]
    assert one[0]["generated_text"][:-1] == QUESTION


def test_a_bare_text_is_continued(torch: Any) -> None:
    pipe = compat.pipeline("text-generation", model=TEXT_ID)
    (whole,) = pipe("The heart is", max_new_tokens=3)
    (new,) = pipe("The heart is", max_new_tokens=3, return_full_text=False)
    assert whole["generated_text"] == "The heart is" + new["generated_text"]


def test_an_answer_that_is_begun_is_continued(torch: Any) -> None:
    pipe = compat.pipeline("text-generation", model=TEXT_ID)
    begun = [*QUESTION, {"role": "assistant", "content": "The heart"}]
    (record,) = pipe(begun, max_new_tokens=3)
    assert len(record["generated_text"]) == len(begun)
    assert record["generated_text"][-1]["content"].startswith("The heart")


PART = {"type": "text", "text": "The heart"}


@pytest.mark.parametrize(
    "begun",
    [{"content": ["The heart"]}, {"content": PART}, {"content": [PART]}, {"parts": [PART]}],
    ids=str,
)
def test_an_answer_that_is_begun_in_any_form_keeps_it(begun: dict[str, Any], torch: Any) -> None:
    pipe = compat.pipeline("text-generation", model=TEXT_ID, max_new_tokens=3)
    (plain,), (record,) = (
        pipe([*QUESTION, {"role": "assistant", **content}])
        for content in ({"content": "The heart"}, begun)
    )
    (_, text), (role, pieces) = (read(one["generated_text"][-1]) for one in (plain, record))
    assert (role, pieces) == ("assistant", text)
    assert record["generated_text"][-1].keys() == {"role", *begun}


def test_a_question_is_continued_where_that_is_asked_for(torch: Any) -> None:
    pipe = compat.pipeline("text-generation", model=TEXT_ID)
    (record,) = pipe(QUESTION, max_new_tokens=3, continue_final_message=True)
    *before, last = record["generated_text"]
    assert before == QUESTION[:-1]
    assert last["role"] == "user"
    assert last["content"].startswith(QUESTION[-1]["content"])


def test_an_answer_that_ends_in_an_image_cannot_be_continued(torch: Any) -> None:
    pipe = compat.pipeline("image-text-to-text", model=IMAGE_ID)
    begun = [*about(picture()), {**about(picture())[-1], "role": "assistant"}]
    with pytest.raises(PromptError, match="Only a text can be continued"):
        pipe(text=begun, max_new_tokens=3)


def test_an_image_may_stand_beside_its_text(torch: Any) -> None:
    pipe = compat.pipeline("image-text-to-text", model=IMAGE_ID)
    (record,) = pipe(images=picture(), text="<start_of_image> shows", max_new_tokens=3)
    assert record["input_text"] == "<start_of_image> shows"
    with pytest.raises(PromptError, match="as many places"):
        pipe(images=picture(), text="This shows")


def test_arguments_of_generate_may_come_together(torch: Any) -> None:
    pipe = compat.pipeline("image-text-to-text", model=IMAGE_ID)
    apart = pipe(text=about(picture()), max_new_tokens=3, return_full_text=False)
    together = pipe(
        text=about(picture()), generate_kwargs={"max_new_tokens": 3}, return_full_text=False
    )
    assert apart[0]["generated_text"] == together[0]["generated_text"]


def test_a_program_runs_without_torch_and_loads_it_only_where_it_is(models: Path) -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from edge_med.compat import AutoTokenizer, torch\n"
        "assert torch.bfloat16 is not torch.float32 and not torch.cuda.is_available()\n"
        f"ids = AutoTokenizer.from_pretrained({TEXT_ID!r})('Hello', return_tensors='pt')\n"
        "with torch.inference_mode():\n"
        "    print(ids['input_ids'].shape, ids.input_ids[0][1:].tolist(), len(ids.input_ids[0]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"EDGE_MED_HOME": str(models), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "(1, 5) [196, 441, 621, 624] 5\n"
