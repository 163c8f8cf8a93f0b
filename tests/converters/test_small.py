"""What a fine-tune lacks is named at once, and its base model supplies it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from converters.conversion_plan import ConversionPlan, make_plan
from converters.request import ConversionRequest
from devtools.checkpoints.changes import change_json
from devtools.checkpoints.tiny import TINY, write_tiny
from devtools.checkpoints.tokenizer import TEMPLATE
from edge_med.artifacts.chat_template import SAID
from edge_med.errors import CheckpointError, UsageError

SMALL = (
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_tiny(TINY["multimodal"], tmp_path / "base/tiny")


def merged(tmp_path: Path, *without: str) -> Path:
    folder = write_tiny(TINY["multimodal"], tmp_path / "merged/tiny")
    for name in without:
        (folder / name).unlink()
    return folder


def plan_of(source: Path, **more: Any) -> ConversionPlan:
    return make_plan(
        ConversionRequest(source=source, folder=source.parent, quants=("F16",), **more)
    )


def header(plan: ConversionPlan) -> bytes:
    return plan.files[0].header


def test_all_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        plan_of(merged(tmp_path, *SMALL))
    for name in ("preprocessor_config.json", "tokenizer.json", "chat template"):
        assert name in caught.value.message
    assert "--base FOLDER" in caught.value.hint


def test_the_base_supplies_all_that_is_missing(tmp_path: Path, base: Path) -> None:
    whole = plan_of(base)
    plan = plan_of(merged(tmp_path, *SMALL), base=base)
    assert header(plan) == header(whole)
    assert [one.code for one in plan.warnings] == ["base"]
    assert all(name in plan.warnings[0].text for name in SMALL)


def test_what_the_fine_tune_has_is_never_taken_from_its_base(tmp_path: Path, base: Path) -> None:
    change_json(base / "tokenizer.json", lambda data: data["model"].update(vocab={"a": 0}))
    (base / "chat_template.jinja").write_text("another")
    source = merged(tmp_path, "preprocessor_config.json")
    plan = plan_of(source, base=base)
    assert TEMPLATE.encode() in header(plan)
    assert plan.checkpoint.small.elsewhere == {
        "preprocessor_config.json": ("base", base / "preprocessor_config.json")
    }


@pytest.mark.parametrize("place", ["tokenizer_config.json", "chat_template.jinja"])
def test_a_template_comes_from_the_base_wherever_it_stands_there(
    place: str, tmp_path: Path, base: Path
) -> None:
    if place == "chat_template.jinja":
        change_json(base / "tokenizer_config.json", lambda data: data.pop("chat_template"))
        (base / place).write_text(TEMPLATE)
    source = merged(tmp_path)
    change_json(source / "tokenizer_config.json", lambda data: data.pop("chat_template"))
    plan = plan_of(source, base=base)
    assert TEMPLATE.encode() in header(plan)
    assert "the chat template" in plan.warnings[0].text or place in plan.warnings[0].text


def test_a_template_counts_without_a_tokenizer_config(tmp_path: Path) -> None:
    source = merged(tmp_path, "tokenizer_config.json")
    (source / "chat_template.jinja").write_text(TEMPLATE)
    assert TEMPLATE.encode() in header(plan_of(source))


def test_files_of_the_base_count_as_sources(tmp_path: Path, base: Path) -> None:
    plan = plan_of(merged(tmp_path, "preprocessor_config.json"), base=base)
    assert "base/preprocessor_config.json" in plan.checkpoint.small.all()


def test_a_base_that_isnt_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no folder"):
        plan_of(merged(tmp_path), base=tmp_path / "nothing")


def test_a_base_that_lacks_it_too_is_named(tmp_path: Path, base: Path) -> None:
    (base / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match="tiny and tiny have not all small files"):
        plan_of(merged(tmp_path, "preprocessor_config.json"), base=base)


ENDS: dict[str, tuple[object, str, bytes]] = {
    "generation_config ends with the end of a turn": ([1, 107], "template", b"gemma"),
    "generation_config ends with the end of the text": (1, "base_model", b"none"),
    "generation_config says no end": (None, "template", b""),
}


@pytest.mark.parametrize("case", ENDS)
def test_a_missing_template_is_told_with_what_is_assumed(case: str, tmp_path: Path) -> None:
    ends, code, said = ENDS[case]
    source = merged(tmp_path)
    change_json(source / "tokenizer_config.json", lambda data: data.pop("chat_template"))
    (source / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
    plan = plan_of(source)
    assert [one.code for one in plan.warnings] == [code]
    assert "--base" in plan.warnings[0].text
    assert (SAID.encode() in header(plan)) is bool(said)
    assert said in header(plan)


def test_a_foreign_template_is_told_by_its_content(tmp_path: Path) -> None:
    source = merged(tmp_path)
    foreign = "{{ '<|im_start|>' + message['role'] }}"
    change_json(source / "tokenizer_config.json", lambda data: data.update(chat_template=foreign))
    (warning,) = plan_of(source).warnings
    assert (warning.code, "no <start_of_turn>" in warning.text) == ("template", True)
    own = TEMPLATE.replace("message", "m")
    change_json(source / "tokenizer_config.json", lambda data: data.update(chat_template=own))
    assert plan_of(source).warnings == ()


def test_ends_are_found_without_a_tokenizer_json(tmp_path: Path) -> None:
    whole = plan_of(merged(tmp_path))
    shutil.rmtree(tmp_path / "merged")
    source = merged(tmp_path, "tokenizer.json")
    change_json(
        source / "config.json",
        lambda data: [data["text_config"].pop(f"{k}_token_id") for k in ("eos", "bos", "pad")],
    )
    plan = plan_of(source)
    for kind in (b"eos", b"bos", b"padding"):
        key = b"tokenizer.ggml." + kind + b"_token_id"
        at, there = header(plan).index(key), header(whole).index(key)
        value = header(plan)[at : at + len(key) + 8]
        assert value == header(whole)[there : there + len(key) + 8]


CARDS = {
    "a list in a list": b"---\nlanguage: [en, [de]]\nlicense: gemma\n---\n",
    "a number as the licence": b"---\nlicense: 1.5\n---\n",
    "a template that wasn't filled": b"---\nlicense: {{ license }}\n---\n",
    "a colon in a value": b"---\nbase_model: google: medgemma\n---\n",
    "Latin-1": "---\nlicense: gemma\nauthor: M\u00fcller\n---\n".encode("latin-1"),
    "a date that isn't one": b"---\nversion: 2026-02-31\n---\n",
    "a surrogate": b'---\nname: "\\ud800"\n---\n',
}


@pytest.mark.parametrize("case", CARDS)
def test_no_model_card_stops_a_conversion(case: str, tmp_path: Path) -> None:
    source = merged(tmp_path)
    (source / "README.md").write_bytes(CARDS[case])
    plan = plan_of(source)
    assert [one.code for one in plan.warnings] == ["model_card"]


def test_what_a_card_says_soundly_counts_beside_what_it_doesnt(tmp_path: Path) -> None:
    source = merged(tmp_path)
    (source / "README.md").write_bytes(CARDS["a list in a list"])
    assert plan_of(source).licence == "gemma"


def test_a_sound_card_is_not_spoken_of(tmp_path: Path) -> None:
    source = merged(tmp_path)
    (source / "README.md").write_text("---\nlicense: gemma\ninference: false\n---\n# A model\n")
    assert plan_of(source).warnings == ()


def test_a_base_may_be_a_folder_of_the_hubs_cache_and_its_terms_hold(tmp_path: Path) -> None:
    cached = tmp_path / "models--google--medgemma-4b-it"
    write_tiny(TINY["multimodal"], cached / "snapshots/0a1b2c")
    plan = plan_of(merged(tmp_path, *SMALL), base=cached)
    assert plan.licence == "health-ai-developer-foundations"


def test_a_template_that_the_base_has_is_not_called_missing(tmp_path: Path, base: Path) -> None:
    (base / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError) as caught:
        plan_of(merged(tmp_path, *SMALL), base=base)
    assert "the chat template" not in caught.value.message


FOREIGN = "{{ '<|im_start|>' + message['role'] }}"


@pytest.mark.parametrize("name", ["chat_template.jinja", "chat_template.json"])
def test_chat_template_file_comes_before_tokenizer_config(name: str, tmp_path: Path) -> None:
    source = merged(tmp_path)
    text = FOREIGN if name.endswith("jinja") else json.dumps({"chat_template": FOREIGN})
    (source / name).write_text(text, "utf-8")
    plan = plan_of(source)
    assert FOREIGN.encode() in header(plan)
    assert TEMPLATE.encode() not in header(plan)
    assert [one.code for one in plan.warnings] == ["templates", "template"]
    assert f"in {name} counts; in tokenizer_config.json" in plan.warnings[0].text


def test_the_same_template_in_several_places_is_not_spoken_of(tmp_path: Path) -> None:
    source = merged(tmp_path)
    (source / "chat_template.jinja").write_text(TEMPLATE + "\n", "utf-8")
    (source / "chat_template.json").write_text(json.dumps({"chat_template": TEMPLATE}), "utf-8")
    assert plan_of(source).warnings == ()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["config.json", *SMALL[:2], "tokenizer_config.json"])
def test_a_json_file_may_begin_with_a_byte_order_mark(
    name: str, encoding: str, tmp_path: Path, base: Path
) -> None:
    source = merged(tmp_path)
    (source / name).write_text((base / name).read_text("utf-8"), encoding)
    plan = plan_of(source)
    assert header(plan) == header(plan_of(base))
    assert plan.warnings == ()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_so_may_a_templates_own_file(encoding: str, tmp_path: Path) -> None:
    source = merged(tmp_path)
    change_json(source / "tokenizer_config.json", lambda data: data.pop("chat_template"))
    text = json.dumps({"chat_template": TEMPLATE})
    (source / "chat_template.json").write_text(text, encoding)
    plan = plan_of(source)
    assert TEMPLATE.encode() in header(plan)
    assert plan.warnings == ()


def test_a_base_may_have_a_template_with_a_byte_order_mark(tmp_path: Path, base: Path) -> None:
    change_json(base / "tokenizer_config.json", lambda data: data.pop("chat_template"))
    (base / "chat_template.jinja").write_text(TEMPLATE, "utf-8-sig")
    plan = plan_of(merged(tmp_path, *SMALL), base=base)
    assert TEMPLATE.encode() in header(plan)


@pytest.mark.parametrize("given", [".", "../below/.."])
def test_no_model_card_stops_a_conversion_of_the_folder_that_one_is_in(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = merged(tmp_path)
    whole = header(plan_of(source))
    (source / "README.md").write_bytes(CARDS["a number as the licence"])
    (source / "below").mkdir()
    monkeypatch.chdir(source / "below" if ".." in given else source)
    plan = make_plan(ConversionRequest(source=Path(given), folder=tmp_path, quants=("F16",)))
    assert [one.code for one in plan.warnings] == ["model_card"]
    assert header(plan) == whole


def test_a_card_with_a_byte_order_mark_is_left_out_and_reported(tmp_path: Path) -> None:
    source = merged(tmp_path)
    (source / "README.md").write_text("---\nlicense: gemma\n---\n", "utf-8-sig")
    (warning,) = plan_of(source).warnings
    assert (warning.code, "byte-order mark" in warning.text) == ("model_card", True)
