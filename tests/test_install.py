"""docs/guide/install.md has the lines that the doctor prints, and no line that couldn't work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge_med import _platform, native
from edge_med.engine.llama.gpu_help import BUILDS
from edge_med.native import GENERIC, NATIVE, WHOLE_STORES

PAGE = (Path(__file__).parents[1] / "docs/guide/install.md").read_text("utf-8")
LINES = re.findall(r"^CMAKE_ARGS=.*pip install.*$", PAGE, re.MULTILINE)
DOCTORS = sorted(
    {NATIVE, GENERIC, f"{NATIVE} {WHOLE_STORES}", *(flags for _, flags, _ in BUILDS.values())}
)


@pytest.fixture(autouse=True)
def on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_platform, "SYSTEM", "linux")


@pytest.mark.parametrize("flags", DOCTORS)
def test_every_line_of_the_doctors_is_there(flags: str) -> None:
    assert native.built_with(flags) in LINES


@pytest.mark.parametrize("line", LINES)
def test_every_line_is_what_the_doctor_would_print_of_its_flags(line: str) -> None:
    flags = line.split('"')[1]
    assert line == native.built_with(flags)


def test_the_line_of_powershell_begins_as_the_doctors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_platform, "SYSTEM", "win32")
    (flags,) = {flags for name, flags, _ in BUILDS.values() if name == "CUDA"}
    beginning, _, _ = native.built_with(flags).partition("install")
    assert f"`{beginning}install …`" in PAGE


def test_every_version_on_the_page_is_the_one_that_edge_med_is_bound_to() -> None:
    found = re.findall(r"llama-cpp-python(?:==| )(\d[\d.]*\d)", PAGE)
    assert set(found) == {native.LLAMA_CPP_PYTHON}


def test_the_page_is_in_the_readme() -> None:
    assert "docs/guide/install.md" in (Path(__file__).parents[1] / "README.md").read_text("utf-8")
