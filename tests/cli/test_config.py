"""`edge-med config`, and what its file does to other commands."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_med import _platform
from edge_med.cli.shared import config_file as stored
from edge_med.cli.shared.options import TYPES
from edge_med.errors import UsageError
from tests.cli.conftest import Run
from tests.conftest import Models

Command = Callable[..., Run]


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where config.toml will be."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "config.toml"


@pytest.fixture
def tiny(model: Models) -> Path:
    return model("text", "F32") / "text-F32.gguf"


def asked(edge_med: Command, *flags: object) -> dict[str, object]:
    """The options that a question is asked with."""
    done = edge_med("ask", "x", "--json", *flags)
    found: dict[str, object] = json.loads(done.out)["provenance"]["options"]
    return found


def test_what_was_set_is_what_get_says(edge_med: Command, file: Path) -> None:
    assert edge_med("config", "set", "max-new-tokens", 7) == Run(0, "", "")
    assert edge_med("config", "get", "max_new_tokens").out == "7\n"
    assert edge_med("config", "path").out == f"{file}\n"
    assert file.read_text() == "max_new_tokens = 7\n"


def test_get_says_where_each_value_comes_from(
    edge_med: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge_med("config", "set", "kv", "q8_0")
    edge_med("config", "set", "threads", 2)
    monkeypatch.setenv("EDGE_MED_THREADS", "3")
    rows = [line.split() for line in edge_med("config", "get").out.splitlines()]
    assert [row[0] for row in rows] == list(TYPES)
    assert ["kv", "config.toml", "q8_0"] in rows
    assert ["threads", "environment", "3"] in rows
    assert ["context", "default", "8192"] in rows
    assert ["model", "default", "-"] in rows


def test_unset_takes_a_setting_out(edge_med: Command, file: Path) -> None:
    edge_med("config", "set", "kv", "q8_0")
    assert edge_med("config", "unset", "kv").code == 0
    assert file.read_text() == ""
    assert edge_med("config", "get", "kv").out == "f16\n"


def test_flags_come_before_config_toml_and_that_before_defaults(
    edge_med: Command, tiny: Path
) -> None:
    edge_med("config", "set", "model", tiny)
    edge_med("config", "set", "max_new_tokens", 2)
    edge_med("config", "set", "think", "off")
    found = asked(edge_med)
    assert (found["max_new_tokens"], found["think"], found["fit"]) == (2, "off", "pad")
    assert asked(edge_med, "--max-new-tokens", 3)["max_new_tokens"] == 3


def test_the_environment_comes_before_config_toml(
    edge_med: Command, tiny: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text('model = "none.gguf"\n')
    monkeypatch.setenv("EDGE_MED_MODEL", str(tiny))
    assert edge_med("ask", "x", "--max-new-tokens", 1).code == 0


def test_a_models_path_is_stored_in_full(
    edge_med: Command, tiny: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny.parent)
    edge_med("config", "set", "model", tiny.name)
    assert tomllib.loads(file.read_text("utf-8")) == {"model": str(tiny.resolve())}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("contxt", "512"),
        ("context", "5"),
        ("context", "many"),
        ("kv", "q4_0"),
        ("model", "no such model"),
        ("json", "true"),
        ("threads", ""),
    ],
)
def test_what_the_flag_wouldnt_take_is_refused(
    edge_med: Command, file: Path, key: str, value: str
) -> None:
    done = edge_med("config", "set", key, value)
    assert (done.code, done.err.count("\n")) == (2, 2)
    assert not file.exists()


@pytest.mark.parametrize("command", [("get", "x"), ("unset", "x")])
def test_a_key_that_there_isnt_exits_with_2(edge_med: Command, command: tuple[str, str]) -> None:
    assert edge_med("config", *command).code == 2


@pytest.mark.parametrize(
    "text", ["contxt = 1", "context = '512'x", "context = true", "context = 5", "kv = 1", "\xff"]
)
def test_a_wrong_file_is_told_and_nothing_is_asked(
    edge_med: Command, file: Path, text: str
) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, "latin-1")
    done = edge_med("ask", "x")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 2)


def test_commands_that_take_no_setting_run_beside_a_wrong_file(
    edge_med: Command, file: Path, tiny: Path
) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text("context = 5")
    assert edge_med("inspect", tiny).code == 0


@pytest.mark.parametrize("change", [("unset", "context"), ("set", "context", "512")])
def test_a_wrong_value_can_be_set_right(
    edge_med: Command, file: Path, change: tuple[str, ...]
) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text("context = 5\n")
    assert edge_med("config", *change).code == 0
    assert edge_med("config", "get").code == 0


def test_comments_and_the_order_stay(edge_med: Command, file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text("# of this clinic\ncontext = 4096  # small\nkv = 'f16'\n")
    edge_med("config", "set", "context", 512)
    edge_med("config", "set", "fit", "stretch")
    edge_med("config", "unset", "kv")
    expected = '# of this clinic\ncontext = 512  # small\nfit = "stretch"\n'
    assert file.read_text() == expected


def test_a_file_in_a_form_of_its_own_is_written_anew(edge_med: Command, file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text('"kv" = """f16"""\ncontext = 512')
    edge_med("config", "set", "kv", "q8_0")
    assert tomllib.loads(file.read_text()) == {"context": 512, "kv": "q8_0"}


def test_a_full_disk_keeps_the_file_as_it_was(
    edge_med: Command, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge_med("config", "set", "context", 512)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_platform, "sync_file", full)
    assert edge_med("config", "set", "context", 1024).code == 3
    assert (file.read_text(), len(list(file.parent.iterdir()))) == ("context = 512\n", 1)


@given(st.text(min_size=1) | st.sampled_from(['a"b', "C:\\models\\x", "模型", "\U0001f600"]))
def test_any_name_that_is_taken_comes_back(name: str) -> None:
    try:
        stored.change("model", name)
    except UsageError:
        assert not name.isprintable()
    else:
        assert stored.load() == {"model": name}


def test_every_key_is_a_flag_of_ask() -> None:
    from edge_med.cli.commands.ask import ask

    flags = {option.name: option.type for option in ask.params if isinstance(option, click.Option)}
    assert {key: flags[key] for key in TYPES} == TYPES
