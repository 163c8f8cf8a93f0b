"""A driver or a build that ends its process ends a child; what it said before is reported."""

from __future__ import annotations

import sys

import pytest

from edge_med import native
from edge_med._platform import children
from edge_med.engine.llama import cpu_benchmark, examination
from edge_med.engine.llama.cpu import probe
from edge_med.engine.llama.cpu.code_levels import AS_BUILT, CodeVerdict
from edge_med.engine.llama.examination import examine
from edge_med.errors import EngineError

BEFORE = """
from edge_med._platform import children
children.report(version="0.3.36", features={"AVX": True, "AVX2": False})
children.report(backends=["CUDA", "CPU"])
"""


@pytest.fixture(autouse=True)
def tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor's code is sound."""
    monkeypatch.setattr(probe, "verdict", lambda **_: CodeVerdict(AS_BUILT, ()))


def child(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take another child than the one that asks llama.cpp."""
    command = [sys.executable, "-c", f"import os, signal, time\n{BEFORE}\n{code}"]
    monkeypatch.setattr(children, "command", lambda *_, **__: command)


def test_this_machine_is_examined() -> None:
    found = examine(measure=True)
    assert found.version == native.LLAMA_CPP_PYTHON
    assert "CPU" in found.backends
    assert [one.kind for one in found.devices] == ["cpu"]
    assert set(found.rates) == set(cpu_benchmark.TYPES)
    assert found.faults == ()


@pytest.mark.skipif(sys.platform == "win32", reason="it has no signals")
def test_a_driver_that_ends_the_process_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    child("os.kill(os.getpid(), signal.SIGSEGV)", monkeypatch)
    found = examine(measure=False)
    assert (found.version, found.backends) == ("0.3.36", ("CUDA", "CPU"))
    assert found.features == {"AVX"}
    (fault,) = found.faults
    assert fault.message == "llama.cpp ends with SIGSEGV when it looks for devices."


@pytest.mark.skipif(sys.platform == "win32", reason="it has no signals")
def test_what_ends_the_measuring_leaves_the_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    child("children.report(devices=[]); os.kill(os.getpid(), signal.SIGBUS)", monkeypatch)
    (fault,) = examine(measure=True).faults
    assert fault.message == "llama.cpp ends with SIGBUS when this processor is measured."


def test_a_driver_that_never_answers_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "SECONDS", 1)
    child("time.sleep(60)", monkeypatch)
    (fault,) = examine(measure=False).faults
    assert "didn't say within 1 seconds" in fault.message


def test_an_error_in_the_child_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    child("children.report(error=['It is of another version.', 'Install it.'])", monkeypatch)
    (fault,) = examine(measure=False).faults
    assert (fault.message, fault.hint) == ("It is of another version.", "Install it.")


def test_a_build_that_is_sound_nowhere_isnt_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsound(**_: object) -> CodeVerdict:
        raise EngineError("It can't compute.", "Build it.")

    monkeypatch.setattr(probe, "verdict", unsound)
    found = examine(measure=True)
    assert (found.verdict, found.rates) == (None, {})
    assert found.version == native.LLAMA_CPP_PYTHON
    assert [fault.message for fault in found.faults] == ["It can't compute."]


def test_there_is_no_process_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "command", lambda *_, **__: ["/no/such/interpreter"])
    (fault,) = examine(measure=False).faults
    assert "No process can be started" in fault.message
