"""A chat template that is missing or isn't Gemma's is told wherever such a model is used."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import gguf
import pytest

from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.checkpoints.changes import change_json
from devtools.checkpoints.tiny import TINY, write_tiny
from devtools.checkpoints.tokenizer import TEMPLATE
from edge_med import MedGemma, Options
from edge_med.artifacts.chat_template import SAID, turns_of
from edge_med.artifacts.gguf import read_header
from edge_med.artifacts.gguf_facts import inspect
from edge_med.artifacts.verification import verify
from edge_med.cli import main
from edge_med.compat import hub
from edge_med.compat.arguments import TemplateWarning
from edge_med.compat.auto_tokenizer import Tokenizer
from edge_med.errors import PromptError

KINDS = {
    "gemma": (TEMPLATE, [1, 107], None),
    "foreign": ("{{ '<|im_start|>' }}", [1, 107], "template"),
    "assumed": (None, [1, 107], "template"),
    "none": (None, 1, "base_model"),
}
Kinds = Callable[[str], Path]


@pytest.fixture(scope="module")
def kind(tmp_path_factory: pytest.TempPathFactory) -> Kinds:
    """A model's file by the kind of its turns."""
    base = tmp_path_factory.mktemp("turns")

    def get(name: str) -> Path:
        path = base / name / f"{name}-Q8_0.gguf"
        if not path.exists():
            template, ends, _ = KINDS[name]
            source = write_tiny(TINY["text"], base / "sources" / name)
            change_json(
                source / "tokenizer_config.json", lambda c: c.update(chat_template=template)
            )
            (source / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
            convert(ConversionRequest(source=source, folder=path.parent, quants=("Q8_0",)))
        return path

    return get


@pytest.mark.parametrize("name", KINDS)
def test_the_first_answer_tells_what_is_assumed_and_no_other(name: str, kind: Kinds) -> None:
    code = KINDS[name][2]
    with MedGemma.load(kind(name), threads=1) as model:
        first, second = (model.ask("a", options=Options(max_new_tokens=1)) for _ in range(2))
    assert [n.code for n in first.notices if n.code in ("template", "base_model")] == (
        [code] if code else []
    )
    assert not [n for n in second.notices if n.code == code]


@pytest.mark.parametrize("name", KINDS)
def test_all_but_a_base_model_are_asked_in_turns(name: str, kind: Kinds) -> None:
    with MedGemma.load(kind(name), threads=1) as model:
        tokens = model.count("a").prompt
    assert (tokens > 5) is (name != "none")


@pytest.mark.parametrize("name", KINDS)
def test_inspect_and_verify_tell_it(
    name: str, kind: Kinds, capsys: pytest.CaptureFixture[str]
) -> None:
    path = kind(name)
    assert inspect(path).turns == name
    (checked,) = verify(path.parent).files
    assert bool(checked.notes) is (name != "gemma")
    for command in ("inspect", "verify"):
        with pytest.raises(SystemExit) as ended:
            main([command, str(path)])
        assert not ended.value.code
        assert ("note: " in capsys.readouterr().err) is (name != "gemma")


@pytest.mark.parametrize("name", KINDS)
def test_compat_warns_or_refuses_as_transformers_does(name: str, kind: Kinds) -> None:
    tokenizer = Tokenizer(hub.find(kind(name)))
    question = [{"role": "user", "content": "a"}]
    if name == "none":
        with pytest.raises(PromptError, match="no chat template"):
            tokenizer.apply_chat_template(question)
        return
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        tokenizer.apply_chat_template(question)
    assert [w.category for w in told] == [TemplateWarning] * (name != "gemma")


@pytest.mark.parametrize("said", [None, "none", "gemma"])
@pytest.mark.parametrize("known", [True, False])
def test_anybody_elses_file_is_judged_by_its_vocabulary(
    known: bool, said: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "theirs.gguf"
    writer = gguf.GGUFWriter(path, "gemma3")
    turns = ["<start_of_turn>", "<end_of_turn>"] if known else []
    writer.add_token_list(["<pad>", *turns, "a"])
    if said:
        writer.add_string(SAID, said)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    expected = {"none": "none", "gemma": "assumed", None: "assumed" if known else "none"}[said]
    assert turns_of(read_header(path)) == expected
