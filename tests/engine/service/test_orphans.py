"""The engine's process ends with its program, whatever that is and however it ends."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from edge_med import MedGemma
from edge_med.errors import UsageError
from tests.engine.service.processes import ROOT, SHORT, engines, runs, until_gone

pytestmark = [
    pytest.mark.isolated,
    pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc"),
]


PROGRAM = """
import os, sys, threading, time
from edge_med import MedGemma, Options
import numpy as np

def load():
    global model
    model = MedGemma.load(sys.argv[1], context=2048, threads=1)

if "thread" in sys.argv:
    loading = threading.Thread(target=load); loading.start(); loading.join()
else:
    print("loading", flush=True)
    load()
if "fork" in sys.argv and os.fork() == 0:
    time.sleep(60)
    os._exit(0)
print("loaded", flush=True)
pixels = np.full((56, 56, 3), 120, dtype=np.uint8)
print("asking", flush=True)
for event in model.stream("the heart", image=pixels, options=Options(max_new_tokens=1500)):
    print(type(event).__name__, getattr(event, "stage", ""), flush=True)
"""


def program(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def seconds_until_it_writes(files: Path) -> float:
    """How long the program takes on this machine to its first word."""
    began = time.monotonic()
    with program(str(files)) as started:
        assert started.stdout
        next(line for line in started.stdout if line.startswith("Piece"))
        started.kill()
    return time.monotonic() - began


@pytest.mark.parametrize("how", ["", "thread", "fork"])
@pytest.mark.parametrize("last", ["loaded", "Progress encode", "Progress read", "Piece"])
def test_it_ends_with_its_parent(how: str, last: str, files: Path) -> None:
    end_the_parent(how, last, files, seconds=20)


@pytest.mark.timing
def test_it_ends_with_its_parent_within_a_second(files: Path) -> None:
    end_the_parent("", "Piece", files, seconds=1)


def end_the_parent(how: str, last: str, files: Path, *, seconds: float) -> None:
    """End a program when it has printed a line; its engine's process ends within a time."""
    started = program(str(files), how)
    assert started.stdout
    try:
        for line in started.stdout:
            if line.strip() == last:
                break
        pids = engines(started.pid)
        assert len(pids) == 1
        os.kill(started.pid, signal.SIGKILL)
        until_gone(pids, seconds)
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.communicate()


def test_a_script_that_finds_edge_med_by_its_own_path_starts_it(
    files: Path, tmp_path: Path
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "edge_med").symlink_to(ROOT / "edge_med")
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(tmp_path / 'lib')!r})\n"
        "from edge_med import MedGemma, Options\n"
        f"model = MedGemma.load({str(files)!r}, context=512)\n"
        "answer = model.ask('is it large', options=Options(max_new_tokens=4))\n"
        "print(answer.usage.answer, [notice.code for notice in answer.notices])\n"
        "print('main runs once')\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.count("main runs once") == 1, done.stderr
    assert "isolation" not in done.stdout


def test_where_no_python_can_be_started_it_runs_in_a_thread_and_says_so(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with MedGemma.load(files, context=512) as loaded:
        answer = loaded.ask("is it large", options=SHORT)
        assert not engines(os.getpid())
    assert "isolation" in [notice.code for notice in answer.notices]


def test_a_python_that_is_named_and_is_none_is_an_error(files: Path) -> None:
    with pytest.raises(UsageError, match="isn't one of version"):
        MedGemma.load(files, python="/no/such/python")


@pytest.mark.long
def test_a_hundred_ends_of_the_process_end_nothing_else(micro: Path) -> None:
    command = [sys.executable, "-m", "tests.engine.service.kills", str(micro), "100"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *wrong, last = done.stdout.splitlines()
    assert wrong == []
    found = json.loads(last)
    assert found["ended"] == 100
    assert found["errors"] >= 60, (
        "of ends while loading, and of files that are cut, some do no harm"
    )


@pytest.mark.long
def test_no_process_outlives_a_program_that_is_ended_at_any_moment(files: Path) -> None:
    moments, length = random.Random(1), seconds_until_it_writes(files)
    seen = 0
    for number in range(50):
        started = program(str(files), ("", "thread", "fork")[number % 3])
        time.sleep(moments.uniform(0.2, 1.5) * length)
        pids = {*engines(started.pid)}
        os.kill(started.pid, signal.SIGKILL)
        until = time.monotonic() + 1.0
        while time.monotonic() < until:  # all of it: one that was just started shows late
            pids |= {*engines(started.pid)}
            time.sleep(0.02)
        seen += bool(pids)
        assert not [pid for pid in pids if runs(pid)], f"the end number {number}"
        os.killpg(started.pid, signal.SIGKILL)
        started.communicate()
    assert seen >= 25
