"""`edge-med ask` with a schema: refused before a model is loaded, and no written word is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.conftest import Models

Command = Callable[..., Run]

LONG = '{"type": "array", "items": {"type": "boolean"}, "minItems": 30}'
"""More than what the tests let be written."""


@pytest.fixture
def tiny(model: Models) -> Path:
    return model("text", "F32") / "text-F32.gguf"


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("{bad", "line 1, column 2"),
        ("[1]", "must be a JSON object"),
        ("no such file.json", "There is no file no such file.json for --schema."),
        ("{}", "constrains nothing"),
        ('{"type": "text"}', "without a schema"),
    ],
)
def test_what_is_no_schema_is_refused_before_a_model_is_looked_for(
    edge_med: Command, schema: str, message: str
) -> None:
    done = edge_med("ask", "x", "--model", "none.gguf", "--schema", schema)
    assert (done.code, done.out) == (3, "")
    assert message in done.err


def test_a_grammar_without_its_file_is_refused_by_the_flag(edge_med: Command, tiny: Path) -> None:
    done = edge_med("ask", "x", "--model", tiny, "--grammar", "none.gbnf")
    assert done.code == 3
    assert "There is no file none.gbnf for --grammar." in done.err


def test_a_schema_and_a_grammar_are_refused_in_flags(
    edge_med: Command, tiny: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.gbnf").write_text('root ::= "a"')
    both = ("--schema", '{"type": "null"}', "--grammar", tmp_path / "a.gbnf")
    done = edge_med("ask", "x", "--model", tiny, *both)
    assert done.code == 2
    assert "Give --schema or --grammar, not both." in done.err


def test_what_was_written_stands_on_stdout_though_it_fits_no_schema(
    edge_med: Command, tiny: Path
) -> None:
    done = edge_med("ask", "x", "--model", tiny, "--schema", LONG, "--max-new-tokens", 5)
    assert done.code == 3
    assert done.out.startswith("[")
    assert "the answer is on stdout" in done.err
    assert "`" not in done.err


def test_json_has_what_was_written_and_what_is_wrong(edge_med: Command, tiny: Path) -> None:
    flags = ("--schema", LONG, "--max-new-tokens", 5, "--json", "--quiet")
    done = edge_med("ask", "x", "--model", tiny, *flags)
    answer = json.loads(done.out)
    assert done.code == 3
    assert (answer["parsed"], answer["finish_reason"]) == (None, "length")
    assert answer["text"].startswith("[")
    assert "cut off" in answer["error"]["message"]
    assert "--max-new-tokens" in answer["error"]["hint"]
    assert answer["provenance"]["options"]["schema"] == LONG


def test_what_is_only_checked_at_last_is_told_before_the_answer(
    edge_med: Command, tiny: Path
) -> None:
    schema = '{"schema": {"type": "array", "items": {"type": "null"}, "uniqueItems": true, \
"maxItems": 1}}'
    done = edge_med("ask", "x", "--model", tiny, "--schema", schema, "--json")
    codes = [notice["code"] for notice in json.loads(done.out)["notices"]]
    assert codes[:2] == ["schema_unwrapped", "schema_checked_at_last"]
    assert done.err.count("uniqueItems") == 1


def test_the_word_of_ollama_asks_for_an_object(edge_med: Command, tiny: Path) -> None:
    flags = ("--schema", "json", "--json", "--max-new-tokens", 300, "--temperature", 1, "--seed", 1)
    done = edge_med("ask", "x", "--model", tiny, *flags)
    assert json.loads(done.out)["text"].startswith("{")
