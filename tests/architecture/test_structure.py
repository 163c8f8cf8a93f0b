"""How the code is built: small, light to load, and without what it must never do."""

from __future__ import annotations

import ast
import functools
import json
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_med.native import LLAMA_CPP_PYTHON

ROOT = Path(__file__).parents[2]
PRODUCT = ("edge_med", "converters")
EVERYTHING = (*PRODUCT, "benchmarks", "devtools", "scripts", "tests")

MAX_FILE = 350
"""Lines of a file. About 200 are read in one go; one that needs 350 holds a second subject."""

MAX_FUNCTION = 40
"""Lines of code in a function: what a screen shows at once."""

LONGER = {
    "tests/artifacts/hostile.py handcrafted": "a table of damaged files, one a line",
    "devtools/checkpoints/tiny.py config": "the JSON of a config.json, key by key",
    "devtools/checkpoints/tokenizer.py _tokenizer_json": "the JSON of a tokenizer.json, key by key",
}
"""Functions that may be longer, and why: each is one literal."""

HEAVY = (
    "numpy",
    "PIL",
    "llama_cpp",
    "pydicom",
    "gguf",
    "rich",
    "prompt_toolkit",
    "yaml",
    "tomlkit",
    "requests",
    "jinja2",
)

NETWORK = ("socket", "ssl", "http", "urllib", "ftplib", "requests", "httpx", "huggingface_hub")
UNSAFE = ("pickle", "shelve", "marshal")
NATIVE = ("edge_med/engine/", "converters/quantize.py", "edge_med/_platform/")
"""Where native libraries may be called: llama.cpp in two places, and the system itself in one."""


@functools.cache
def trees(*folders: str) -> dict[str, ast.Module]:
    """Every module in some folders, by its path from the root."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return {p.relative_to(ROOT).as_posix(): ast.parse(p.read_text("utf-8")) for p in paths}


@functools.cache
def imported(tree: ast.Module) -> set[str]:
    """The packages that a module imports anywhere in it."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    return {name.partition(".")[0] for name in names}


def dotted(tree: ast.Module) -> set[str]:
    """The names that are reached by a dot, such as `os.name`."""
    return {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }


def loaded_by(code: str) -> set[str]:
    """The packages that a fresh interpreter has loaded after running code."""
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_each_file_has_a_name_of_its_own() -> None:
    files = [path for path in trees(*PRODUCT) if not path.endswith("__init__.py")]
    others = [path for path in files if not path.startswith("edge_med/cli/commands/")]
    names = Counter(path.rpartition("/")[2] for path in others)
    assert [name for name, count in names.items() if count > 1] == []


def lines_of(name: str) -> list[str]:
    return (ROOT / name).read_text("utf-8").splitlines()


def test_files_are_short() -> None:
    sizes = {name: len(lines_of(name)) for name in trees(*EVERYTHING)}
    assert {name: size for name, size in sizes.items() if size > MAX_FILE} == {}


def functions() -> Iterator[tuple[str, int]]:
    """Every function with its lines of code: no decorator, docstring, comment or empty line."""
    for name, tree in trees(*EVERYTHING).items():
        lines = ["", *lines_of(name)]
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                code = {*range(node.lineno, (node.end_lineno or 0) + 1)} - docstring_lines(node)
                texts = [lines[number].strip() for number in code]
                yield f"{name} {node.name}", sum(text[:1] not in ("", "#") for text in texts)


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[int]:
    first = node.body[0]
    return {*range(first.lineno, (first.end_lineno or 0) + 1)} if ast.get_docstring(node) else set()


def test_functions_are_short() -> None:
    assert {name for name, size in functions() if size > MAX_FUNCTION} == set(LONGER)


def test_nothing_below_the_command_line_prints_or_exits() -> None:
    for name, tree in trees(*PRODUCT).items():
        if name.startswith("edge_med/cli/") or name.endswith(("/cli.py", "/__main__.py")):
            continue
        if name == "edge_med/_platform/children.py":  # children aren't the program
            continue
        plain = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        ends = {"print", "exit", "quit", "SystemExit", "sys.exit", "os._exit", "os.abort"}
        assert not ends & (plain | dotted(tree)), name


def test_only_the_platform_asks_which_system_it_is() -> None:
    asking = {"sys.platform", "os.name", "platform.system", "platform.machine", "os.uname"}
    for name, tree in trees(*PRODUCT).items():
        assert name.startswith("edge_med/_platform/") or not asking & dotted(tree), name


def test_few_places_call_native_libraries() -> None:
    found = [name for name, tree in trees(*PRODUCT).items() if "ctypes" in imported(tree)]
    assert [name for name in found if not name.startswith(NATIVE)] == []
    assert [place for place in NATIVE if not any(name.startswith(place) for name in found)] == []


@pytest.mark.parametrize("package", [*NETWORK, *UNSAFE])
def test_nothing_imports_the_network_or_unsafe_formats(package: str) -> None:
    assert [name for name, tree in trees(*PRODUCT).items() if package in imported(tree)] == []


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import edge_med", (*HEAVY, "click")),
        ("import edge_med.cli\nedge_med.cli.root.main(['--help'], standalone_mode=False)", HEAVY),
        ("from edge_med import native\nnative.native_library('ggml-base')", HEAVY),
        (
            "import edge_med.cli.commands.ask, edge_med.cli.commands.config",
            HEAVY,
        ),  # whenever a shell completes
    ],
    ids=["import", "help", "libggml", "completion"],
)
def test_what_should_be_light_loads_nothing_heavy(code: str, heavy: tuple[str, ...]) -> None:
    assert loaded_by(code).intersection(heavy) == set()


def test_imports_go_the_way_the_data_goes() -> None:
    lint = (
        "from importlinter.cli import lint_imports\nraise SystemExit(lint_imports(no_cache=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", lint], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_llama_cpp_python_is_pinned_to_the_version_that_is_checked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert f"llama-cpp-python=={LLAMA_CPP_PYTHON}" in project["dependencies"]
