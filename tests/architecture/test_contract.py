"""docs/reference/contract.md says what the code does: nothing is missing, nothing is made up."""

from __future__ import annotations

import ast
import dataclasses
import functools
import pkgutil
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import click
import pytest

from devtools import report, tie_rule
from devtools.golden.manifests import OURS
from edge_med import answers, compat, errors, native
from edge_med.artifacts import file_names
from edge_med.artifacts.manifest import Manifest
from edge_med.cli import root
from edge_med.cli.shared.options import TYPES

ROOT = Path(__file__).parents[2]
PRODUCT = ("edge_med", "converters")
CONTRACT = (ROOT / "docs/reference/contract.md").read_text("utf-8")

Row = dict[str, str]


def table(section: str, first: str) -> list[Row]:
    """The rows of a section's table, by column; the table is known by its first column."""
    body = CONTRACT.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    found = re.search(rf"^\| {first} \|.*(?:\n\|.*)*", body, re.MULTILINE)
    assert found, f"{section} has no table of {first}"
    lines = ([cell.strip() for cell in line.split("|")[1:-1]] for line in found[0].splitlines())
    header, _rule, *rows = lines
    return [dict(zip(header, row, strict=True)) for row in rows]


def codes(cell: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def split(section: str, first: str) -> tuple[set[str], set[str]]:
    """The names of a table: those of today and those of later."""
    names: dict[str, set[str]] = {"yes": set(), "later": set()}
    for row in table(section, first):
        names[row["today"]].add(row[first].strip("`"))
    return names["yes"], names["later"]


def commands() -> dict[str, click.Command]:
    """Every command of the command line."""
    context = click.Context(root)
    found = {name: root.get_command(context, name) for name in root.list_commands(context)}
    return {name: command for name, command in found.items() if command}


def every_command() -> dict[str, click.Command]:
    """The same, and those of several words."""
    found = commands()
    groups = [(name, one) for name, one in found.items() if isinstance(one, click.Group)]
    inner = {f"{name} {sub}": c for name, group in groups for sub, c in group.commands.items()}
    return found | inner


def options(command: click.Command) -> dict[str, click.Option]:
    """The flags of a command."""
    found = [option for option in command.params if isinstance(option, click.Option)]
    return {name: option for option in found for name in option.opts}


def test_commands_and_their_arguments() -> None:
    listed = {
        row["command"].strip("`"): codes(row["argument"])
        for row in table("Commands", "command")
        if row["today"] == "yes"
    }
    assert listed == {
        name: [p.make_metavar(click.Context(c)) for p in c.params if isinstance(p, click.Argument)]
        for name, c in commands().items()
    }


def every_error() -> list[type[errors.EdgeMedError]]:
    found = [errors.EdgeMedError]
    for kind in found:
        found += kind.__subclasses__()
    return [kind for kind in found if kind.__module__ == errors.__name__]


@functools.cache
def raised_today() -> set[type[errors.EdgeMedError]]:
    """The errors that some code makes, and those above them."""
    calls = {
        node.func.id
        for folder in PRODUCT
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    made = [kind for kind in every_error() if kind.__name__ in calls]
    return {base for kind in made for base in kind.__mro__ if issubclass(base, errors.EdgeMedError)}


def test_the_tree_of_errors() -> None:
    listed = [
        (row["error"].strip("`"), row["under"].strip("`"), row["code"], row["today"] == "yes")
        for row in table("Errors", "error")
    ]
    top = errors.EdgeMedError
    assert sorted(listed) == sorted(
        (
            kind.__name__,
            "" if kind is top else kind.__mro__[1].__name__,
            str(kind.exit_code),
            kind in raised_today(),
        )
        for kind in every_error()
    )


def test_the_tree_in_the_docstring_of_errors_is_the_same() -> None:
    drawn = re.findall(r"(\w+Error) +(\d+)", errors.__doc__ or "")
    assert sorted(drawn) == sorted((kind.__name__, str(kind.exit_code)) for kind in every_error())


def test_exit_codes() -> None:
    today, later = split("Exit codes", "code")
    assert today == {"0"} | {str(kind.exit_code) for kind in raised_today()}
    unused = {str(kind.exit_code) for kind in every_error()} - today
    assert later == unused | {"9"}  # no error: a batch goes on after a row that failed


def test_flags() -> None:
    listed = {codes(row["flag"])[0]: row for row in table("Flags", "flag")}
    for name, command in every_command().items():
        flags = {flag for flag, row in listed.items() if name in codes(row["commands"])}
        assert flags == set(options(command)), name


@pytest.mark.parametrize(
    "row", [r for r in table("Flags", "flag") if r["commands"]], ids=lambda row: row["flag"]
)
def test_defaults_of_flags(row: Row) -> None:
    (flag,) = codes(row["flag"])
    for name in codes(row["commands"]):
        command = every_command()[name]
        option = options(command)[flag]
        default = option.get_default(click.Context(command))
        told = [str(default)] if type(default) in (int, str) and default else []
        assert codes(row["default"]) == told
        assert option.required == (
            row["default"].split(",")[0] in ("required", f"required in {name}")
        )
        assert option.multiple == row["flag"].endswith("…")
        assert option.is_flag == (row["default"] == "off")


WORDS: dict[type[Any], str] = {click.types.IntRange: "integer"}


def test_settings_and_the_flags_that_they_stand_in_for() -> None:
    rows = {codes(row["key"])[0]: row for row in table("Settings", "key")}
    assert list(rows) == list(TYPES)
    for key, row in rows.items():
        assert row["type"] == WORDS.get(type(TYPES[key]), "text")
        assert options(commands()["ask"])[codes(row["stands in for"])[0]].name == key


@pytest.mark.parametrize(("name", "section"), [("config", "Settings"), ("models", "Models")])
def test_what_commands_of_several_words_can_do(name: str, section: str) -> None:
    group = commands()[name]
    assert isinstance(group, click.Group)
    listed = {tuple(codes(row["command"])[0].split()[1:]) for row in table(section, "command")}
    assert {words[0] for words in listed if words} == set(group.commands)


OURS_ANYWHERE = re.compile(r"""["'](EDGE_MED_[A-Z_]+)["']""")
READ = re.compile(r"""(?:environ\.get\(|getenv\(|environ\[)\s*["'](\w+)["']""")


def environment_reads() -> set[str]:
    """Variables that the product reads, and those of ours that anything names."""
    return {
        name
        for folder in ("edge_med", "converters", "devtools", "scripts", "benchmarks", "tests")
        for path in (ROOT / folder).rglob("*.py")
        for pattern in (OURS_ANYWHERE, *([READ] if folder in PRODUCT else []))
        for name in pattern.findall(path.read_text("utf-8"))
    }


def test_environment_variables() -> None:
    rows = table("Environment", "variable")
    assert {codes(row["variable"])[0] for row in rows if row["read by"]} == environment_reads()
    for row in rows:
        readers = {c for c in commands() if c in codes(row["read by"])}
        assert readers == {
            name
            for name, command in commands().items()
            for option in options(command).values()
            if option.envvar == codes(row["variable"])[0]
        }


def test_variables_that_are_removed() -> None:
    removed = [codes(row["removed"])[0] for row in table("Environment", "removed")]
    assert sorted(removed) == sorted(native.REDIRECTIONS)


def test_files_of_a_model_folder() -> None:
    listed = {codes(row["file"])[0] for row in table("Files of a model folder", "file")}
    assert listed == {
        file_names.text_file("NAME", "QUANT"),
        file_names.projector_file("NAME", "TYPE"),
        file_names.MANIFEST,
        f"*.gguf{file_names.PARTIAL}",
        f"{file_names.MANIFEST}{file_names.PARTIAL}",
        f"{file_names.MANIFEST}.new",
        file_names.LOCK,
    }


def test_parts_of_file_names() -> None:
    parts = {codes(r["part"])[0]: r["values"] for r in table("Files of a model folder", "part")}
    assert codes(parts["NAME"])[0] == file_names._MODEL_NAME.pattern
    assert sorted(codes(parts["QUANT"])) == sorted(file_names.QUANTS)
    assert codes(parts["TYPE"]) == list(file_names.PROJECTOR_TYPES)


def test_keys_that_only_our_files_have() -> None:
    listed = [codes(row["key"])[0] for row in table("Files of a model folder", "key")]
    assert sorted(listed) == sorted(OURS)


def fields(kind: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The fields of a dataclass in dots, each with the type of its values in words."""
    for name, hint in typing.get_type_hints(kind).items():
        several = next((a for a in typing.get_args(hint) if typing.get_origin(a) is tuple), hint)
        inner = typing.get_args(several)[0] if typing.get_origin(several) is tuple else None
        if dataclasses.is_dataclass(inner or hint):
            yield from fields(inner or hint, f"{prefix}{name}[]." if inner else f"{prefix}{name}.")
        else:
            yield prefix + name, in_words(hint)


def in_words(hint: Any) -> str:
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        return f"{', '.join(arguments[:-1])} or {arguments[-1]}"
    if typing.get_origin(hint) is types.UnionType:
        return " or ".join(map(in_words, arguments))
    if typing.get_origin(hint) is tuple:
        return f"list of {in_words(arguments[0])}"
    return {str: "text", int: "integer", float: "number", types.NoneType: "null"}[hint]


def test_every_field_of_the_manifest_and_its_type() -> None:
    listed = [(codes(row["field"])[0], row["type"]) for row in table("Manifest", "field")]
    assert listed == list(fields(Manifest))


def test_reasons_why_an_answer_ends() -> None:
    today, later = split("Answer", "finish reason")
    assert today == set(typing.get_args(answers.FinishReason))
    assert not today & later


def test_events() -> None:
    listed = {
        codes(row["event"])[0]: codes(row["fields"])
        for row in table("Events", "event")
        if row["fields"]
    }
    assert listed == {
        kind.__name__: [field.name for field in dataclasses.fields(kind)]
        for kind in typing.get_args(answers.Event)
    }


@pytest.mark.parametrize("row", table("API", "name"), ids=lambda row: row["name"])
def test_names_of_the_api(row: Row) -> None:
    try:
        pkgutil.resolve_name(codes(row["name"])[0])
    except (ImportError, AttributeError):
        assert row["today"] == "later"
    else:
        assert row["today"] == "yes"


def test_names_of_compat() -> None:
    (row,) = (row for row in table("API", "name") if row["name"] == "`edge_med.compat`")
    assert sorted(codes(row["signature"])) == sorted(compat.__all__)


def test_the_form_of_a_benchmarks_result() -> None:
    listed = [codes(row["field"])[0] for row in table("Benchmarks", "field")]
    assert listed == [field.name for field in dataclasses.fields(report.Result)]


def test_the_figures_of_the_tie_rule() -> None:
    cpu, gpu = table("Tie rule", "activations")
    assert float(cpu["mean KL at most"]) == tie_rule.MEAN_KL
    assert f"{tie_rule.MARGIN} or more" in cpu.values()
    assert float(gpu["mean KL at most"]) == tie_rule.GPU_MEAN_KL
    assert f"{tie_rule.GPU_MARGIN} or more" in gpu.values()
    assert f"more than {tie_rule.MAX_TIES:.0%} fails".replace("%", " %") in CONTRACT
