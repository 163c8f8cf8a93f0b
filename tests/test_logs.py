"""Loggers behave as logging has it: quiet until a program says more, and its handlers get all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Models

SECRET = "Mrs. Smithfield"

PROGRAM = """
import logging, sys
from edge_med import MedGemma, Options, _platform
{settings}
_platform.available_memory = lambda: 1
with MedGemma.load(sys.argv[1], context=64, threads=1, memory="warn", isolation={where!r}) as model:
    model.ask({secret!r}, options=Options(max_new_tokens=2))
"""


def run(settings: str, model: Path, where: str = "process") -> str:
    """What a program prints on stderr that has these settings of its logs."""
    code = PROGRAM.format(settings=settings, secret=SECRET, where=where)
    done = subprocess.run(
        [sys.executable, "-c", code, str(model)], capture_output=True, text=True, check=True
    )
    assert not done.stdout
    return done.stderr


@pytest.fixture
def tiny(model: Models) -> Path:
    return model("text", "F32") / "text-F32.gguf"


def test_nothing_is_printed_by_itself(tiny: Path) -> None:
    assert run("", tiny) == ""


def test_a_program_with_logs_gets_warnings(tiny: Path) -> None:
    said = run("logging.basicConfig()", tiny, "thread")
    assert "WARNING:edge_med.planner.memory_plan:The model needs" in said
    assert "INFO" not in said


def test_llama_cpp_logs_like_any_other_package(tiny: Path) -> None:
    said = run("logging.basicConfig(level=logging.INFO)", tiny)
    assert said.count("INFO:edge_med.llama_cpp:") > 100


def test_llama_cpp_can_be_left_out(tiny: Path) -> None:
    quiet = 'logging.getLogger("edge_med.llama_cpp").setLevel(logging.CRITICAL)'
    assert "llama_cpp" not in run(f"logging.basicConfig(level=logging.DEBUG); {quiet}", tiny)


def test_no_log_has_a_prompt(tiny: Path) -> None:
    said = run("logging.basicConfig(level=logging.DEBUG)", tiny)
    assert "llama_cpp" in said
    assert SECRET.rsplit(maxsplit=1)[-1] not in said
