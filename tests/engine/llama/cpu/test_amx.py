"""Linux refuses AMX to one thread, in which ggml decides that it goes without; to no other."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from edge_med import _platform
from edge_med.engine.llama.cpu import amx
from edge_med.engine.llama.cpu.amx import refused

FILTERED = pytest.mark.skipif(
    (sys.platform, _platform.MACHINE) != ("linux", "x86_64"), reason="only there are such filters"
)

CODE = """
import ctypes, json, os
from edge_med.engine.llama.cpu.amx import refused
libc = ctypes.CDLL(None, use_errno=True)
def asked():
    ctypes.set_errno(0)
    libc.syscall(158, 0x1023, 18)  # arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    refusal = ctypes.get_errno()
    wrote = libc.write(2, b"noise", 5)
    return [refusal, wrote, libc.prctl(39, 0, 0, 0, 0)]  # PR_GET_NO_NEW_PRIVS
inside = refused(asked)
print(json.dumps([inside, asked()]))
"""

LOADED = """
from edge_med.engine.llama import bindings
from edge_med.engine.llama.cpu.code_levels import {0}, CodeVerdict
bindings.load(CodeVerdict({0}))
print(*bindings.cpu_buffers())
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    """A fresh process: what is decided in one holds until it ends."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


@FILTERED
def test_a_thread_is_refused_amx_and_nobody_else_is() -> None:
    done = run(CODE)
    (refusal, wrote, privileges), (later, wrote_later, privileges_later) = json.loads(done.stdout)
    assert (refusal, wrote, privileges) == (1, -1, 1)  # EPERM
    assert later != 1
    assert (wrote_later, privileges_later) == (5, 0)
    assert done.stderr == "noise"


def test_what_is_asked_comes_back() -> None:
    assert refused(lambda: [1, 2]) == [1, 2]


def test_what_is_raised_there_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        refused(lambda: 1 // 0)


def test_elsewhere_nothing_is_filtered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amx, "_refuse", None)
    for system, machine in (("win32", "amd64"), ("darwin", "arm64"), ("linux", "aarch64")):
        monkeypatch.setattr(_platform, "SYSTEM", system)
        monkeypatch.setattr(_platform, "MACHINE", machine)
        assert refused(lambda: 1) == 1


@FILTERED
@pytest.mark.parametrize("level", ["WITHOUT_AMX", "PLAIN"])
def test_ggml_then_goes_without_and_says_nothing(level: str) -> None:
    done = run(LOADED.format(level))
    assert "AMX" not in done.stdout.split()
    assert done.stderr == ""
