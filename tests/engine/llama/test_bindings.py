"""How llama.cpp's libraries are loaded, and from where."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys

import pytest

from edge_med.engine.llama import bindings
from edge_med.engine.llama.cpu.ggml import SPINS
from edge_med.native import native_library

LOADED = """
import os
from edge_med import _platform
from edge_med.engine.llama.bindings import load
from edge_med.engine.llama.cpu.code_levels import AS_BUILT, CodeVerdict

NAME = "GOMP_SPINCOUNT"
open_library, seen = _platform.open_library, []
_platform.open_library = lambda path: (seen.append(os.environ.get(NAME)), open_library(path))[1]
load(CodeVerdict(AS_BUILT))
print(seen[0], os.environ.get(NAME))
"""


class Library:
    """ggml, with so many backends built in."""

    def __init__(self, built_in: int) -> None:
        self._built_in = built_in
        self.folders: list[bytes] = []

    def ggml_backend_reg_count(self) -> int:
        return self._built_in

    def ggml_backend_load_all_from_path(self, folder: bytes) -> None:
        self.folders.append(folder)


def loaded(built_in: int, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    library = Library(built_in)
    with monkeypatch.context() as patched:
        patched.setattr(ctypes, "CDLL", lambda _path: library)
        bindings._load_backends()
    return library.folders


def test_a_build_without_any_built_in_gets_those_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(0, monkeypatch) == [os.fsencode(native_library("ggml").parent)]


def test_backends_that_are_built_in_are_all_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(1, monkeypatch) == []


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ({}, f"{SPINS} None"),
        ({"GOMP_SPINCOUNT": "7"}, "7 7"),
        ({"OMP_WAIT_POLICY": "PASSIVE"}, "None None"),
    ],
)
def test_threads_wait_awake_only_briefly_and_other_programs_as_they_like(
    given: dict[str, str], seen: str
) -> None:
    untold = {
        name: value
        for name, value in os.environ.items()
        if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    }
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        env=untold | given,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == seen


LOGGED = """
import logging
from edge_med.engine.llama.bindings import LOGGER, llama_cpp
LOGGER.addHandler(logging.StreamHandler())
LOGGER.setLevel(logging.INFO)
llama_cpp()
"""


def test_the_code_for_the_cpu_that_is_used_is_logged() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOGGED], stderr=subprocess.PIPE, text=True, check=True
    )
    assert re.search(r"^Code for the CPU: .+; buffers: \[.*\]\.$", done.stderr, re.MULTILINE)
