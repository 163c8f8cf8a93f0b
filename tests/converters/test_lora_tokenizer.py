"""Tokenizer and chat template beside an adapter: they count where they aren't the base's."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from converters.conversion_plan import ConversionPlan, make_plan
from converters.request import ConversionRequest
from converters.vocabulary import read_vocabulary
from devtools.checkpoints.peft import LAYER, START, pair, save_adapter, whole
from devtools.checkpoints.tiny import TINY, write_tiny
from devtools.checkpoints.tokenizer import TEMPLATE, tiny_tokenizer, write_tokenizer
from edge_med.errors import CheckpointError

BASE = TINY["multimodal"]
ROWS, WIDTH = BASE.text.vocabulary, BASE.text.hidden
FREE, OTHER = (tiny_tokenizer().id(f"<unused{n}>") for n in (3, 4))
TURNS = f"{TEMPLATE}{{# of our own #}}"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(BASE, tmp_path_factory.mktemp("base") / "tiny")


def chest(folder: Path) -> Path:
    return save_adapter(folder, pair(f"{LAYER}self_attn.q_proj", 256, 256))


def grown(folder: Path) -> Path:
    start, table = f"{START}model.language_model.embed_tokens", whole(5, ROWS + 64, WIDTH)
    tensors = {f"{start}.weight": table, f"{START}lm_head.weight": table}
    return save_adapter(folder, tensors, modules_to_save=["embed_tokens", "lm_head"])


def tokens(folder: Path, names: dict[int, str], turns: str = TEMPLATE, **config: Any) -> Path:
    """Write the base's tokenizer into a folder, with some other names."""
    ours = tiny_tokenizer()
    called = tuple(
        dataclasses.replace(token, text=names.get(n, token.text))
        for n, token in enumerate(ours.tokens)
    )
    added = ours.added | {n: (text, True) for n, text in names.items()}
    mine = dataclasses.replace(ours, tokens=called, added=added)
    write_tokenizer(folder, tokenizer=mine, template=turns)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | config), "utf-8")
    return folder


def planned(base: Path, *adapters: Path) -> ConversionPlan:
    given = tuple((adapter, 1.0) for adapter in adapters)
    return make_plan(
        ConversionRequest(source=base, folder=base.parent, quants=("Q8_0",), adapters=given)
    )


def name_of(plan: ConversionPlan, token: int) -> str:
    return read_vocabulary(plan.checkpoint, plan.params.text.vocabulary).tokens[token]


def warnings(plan: ConversionPlan) -> list[str]:
    return [
        one.text for one in plan.warnings if one.code in ("adapter_tokenizer", "adapter_template")
    ]


def test_a_copy_of_the_bases_files_changes_nothing(base: Path, tmp_path: Path) -> None:
    plan = planned(base, tokens(chest(tmp_path / "chest"), {}))
    assert warnings(plan) == []
    assert not plan.checkpoint.small.elsewhere


def test_a_named_adapters_tokenizer_lies_in_the_folder_around_it(
    base: Path, tmp_path: Path
) -> None:
    inside = chest(tmp_path / "run/chest")
    around = tokens(tmp_path / "run", {FREE: "<report>"}, TURNS)
    for given in (around, inside):
        plan = planned(base, given)
        assert name_of(plan, FREE) == "<report>"
        assert plan.checkpoint.small.template == TURNS
        assert all("run" in text for text in warnings(plan))


def test_the_files_of_a_whole_model_around_an_adapter_are_its_own(
    base: Path, tmp_path: Path
) -> None:
    inside = chest(tmp_path / "model/chest")
    around = tokens(tmp_path / "model", {FREE: "<report>"}, TURNS)
    (around / "config.json").write_text("{}")
    assert warnings(planned(base, inside)) == []


@pytest.mark.parametrize("names", ["one two", "two one"])
def test_a_copy_beside_another_adapter_takes_no_tokens_away(
    names: str, base: Path, tmp_path: Path
) -> None:
    tokens(chest(tmp_path / "one"), {FREE: "<report>"}, TURNS)
    tokens(chest(tmp_path / "two"), {})
    plan = planned(base, *(tmp_path / name for name in names.split()))
    assert name_of(plan, FREE) == "<report>"
    assert plan.checkpoint.small.template == TURNS
    assert len(warnings(plan)) == 2
    assert all("one" in text and "two" not in text for text in warnings(plan))


@pytest.mark.parametrize("names", ["one two", "two one"])
def test_of_two_tokenizers_that_which_has_all_tokens_counts(
    names: str, base: Path, tmp_path: Path
) -> None:
    tokens(chest(tmp_path / "one"), {FREE: "<report>"})
    tokens(chest(tmp_path / "two"), {FREE: "<report>", OTHER: "<finding>"})
    plan = planned(base, *(tmp_path / name for name in names.split()))
    assert [name_of(plan, n) for n in (FREE, OTHER)] == ["<report>", "<finding>"]


def test_two_tokenizers_of_which_each_has_its_own_tokens_are_refused(
    base: Path, tmp_path: Path
) -> None:
    tokens(chest(tmp_path / "one"), {FREE: "<report>"})
    tokens(chest(tmp_path / "two"), {OTHER: "<finding>"})
    with pytest.raises(CheckpointError, match=f"differ: {FREE} is '<report>' in the first"):
        planned(base, tmp_path / "one", tmp_path / "two")


def test_a_template_that_another_adapters_replaces_is_reported(base: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = chest(tmp_path / name)
        (folder / "chat_template.jinja").write_text(f"{TURNS}{name}")
    plan = planned(base, tmp_path / "one", tmp_path / "two")
    assert plan.checkpoint.small.template == f"{TURNS}two"
    assert warnings(plan)[0].endswith("Another one, of one, isn't used.")


def test_an_end_token_of_its_own_counts_as_in_a_whole_checkpoint(
    base: Path, tmp_path: Path
) -> None:
    plan = planned(base, tokens(chest(tmp_path / "chest"), {}, eos_token="<unused3>"))
    assert warnings(plan) == ["chest has a tokenizer with another token for eos ('<unused3>')."]
    assert plan.checkpoint.small.path("tokenizer_config.json").parent.name == "chest"


def test_rows_that_nobody_names_are_reported(base: Path, tmp_path: Path) -> None:
    (text,) = warnings(planned(base, grown(tmp_path / "chest")))
    assert text.startswith("chest has 64 tokens more than the base, and no tokenizer")


def test_rows_that_round_up_a_vocabulary_need_no_names(base: Path, tmp_path: Path) -> None:
    assert warnings(planned(base, tokens(grown(tmp_path / "chest"), {}))) == []


def test_a_damaged_tokenizer_is_told_as_the_adapters(base: Path, tmp_path: Path) -> None:
    folder = chest(tmp_path / "chest")
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(CheckpointError, match="tokenizer in chest, the adapter's folder"):
        planned(base, folder)
