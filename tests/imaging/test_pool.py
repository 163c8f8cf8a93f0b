"""Processes that decode: replaced when they die, are late or have done their share."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from devtools.images.dicom import dicom, ramp
from devtools.images.photos import FILES, png
from edge_med import _platform, imaging
from edge_med._platform import limits
from edge_med.errors import ImageError, UsageError
from edge_med.imaging.sandbox import decoder as worker
from edge_med.imaging.sandbox import pipe, pool
from edge_med.imaging.sandbox.pool import Pool, Process
from tests.waiting import until

JOB: dict[str, Any] = {"frames": [(0, 0)], "fit": "pad", "side": 8, "windows": "medgemma"}
SOUND = dicom(ramp(12), Modality="DX")


@pytest.fixture
def one() -> Iterator[Pool]:
    """A pool of one process."""
    found = Pool(1)
    yield found
    found.close()


def process(found: Pool) -> Process:
    (idle,) = found.idle
    assert isinstance(idle, Process)
    return idle


def pid(found: Pool) -> int:
    """The process that decodes: where one is forked, the child."""
    started = process(found).pid
    if sys.platform != "linux":
        return started
    statuses = [path.read_text().split() for path in Path("/proc").glob("[0-9]*/stat")]
    (child,) = [int(fields[0]) for fields in statuses if int(fields[3]) == started]
    return child


def test_a_process_does_several_jobs(one: Pool) -> None:
    one.run("prepare", [SOUND], **JOB)
    first = pid(one)
    one.run("prepare", [SOUND], **JOB)
    assert pid(one) == first


def test_it_is_replaced_after_its_share_of_files(one: Pool) -> None:
    one.run("prepare", [SOUND], **JOB)
    first = pid(one)
    one.run("prepare", [SOUND] * (worker.FILES - 2), **JOB)
    one.run("describe", [SOUND] * 9)  # decodes nothing
    assert pid(one) == first
    one.run("prepare", [SOUND], **JOB)
    one.run("prepare", [SOUND], **JOB)
    assert pid(one) != first


BROKEN = {
    "DICOM by a decoder": dicom(
        ramp(12), "1.2.840.10008.1.2.4.70", PixelData=b"\xfe\xff\x00\xe0" + bytes(60)
    ),
    "DICOM before": dicom(ramp(8), Modality="SR"),
    "photo by a decoder": png(8, 0, (99, 99), [bytes(10)]),
    "photo before": FILES["PNG RGB"][:-20],
}


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_replaced_after_any_error(name: str, one: Pool) -> None:
    one.run("prepare", [SOUND], **JOB)
    first = pid(one)
    with pytest.raises(ImageError):
        one.run("prepare", [BROKEN[name]], **JOB)
    one.run("prepare", [SOUND], **JOB)
    assert pid(one) != first


def sent(message: dict[str, Any], blobs: list[bytes]) -> bytes:
    file = io.BytesIO()
    pipe.send(file, message, blobs)
    return file.getvalue()


def test_where_nothing_is_forked_the_process_itself_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_platform, "limit_seconds", lambda _seconds: None)  # the tests go on
    job = {"job": "prepare", "paths": [None], "images": 1, **JOB}
    jobs = [sent(job, [SOUND])] * (worker.FILES + 6)
    answers = io.BytesIO()
    worker.serve(io.BytesIO(b"".join(jobs)), answers, followed=False)
    answers.seek(0)
    told = [pipe.receive(answers)[0]["goes_on"] for _ in range(worker.FILES)]
    assert told == [True] * (worker.FILES - 1) + [False]
    assert answers.read() == b""


def test_a_process_that_has_died_meanwhile_is_replaced(one: Pool) -> None:
    one.run("prepare", [SOUND], **JOB)
    os.kill(pid(one), signal.SIGKILL)
    process(one).wait(20)  # it ends with its child
    one.run("prepare", [SOUND], **JOB)


def test_a_process_that_dies_over_a_job_is_an_error(one: Pool) -> None:
    one.run("prepare", [SOUND], **JOB)
    os.kill(pid(one), signal.SIGSTOP)
    threading.Timer(0.3, os.kill, (pid(one), signal.SIGKILL)).start()
    with pytest.raises(ImageError, match="has ended"):
        one.run("prepare", [SOUND], **JOB)
    one.run("prepare", [SOUND], **JOB)


def test_a_process_that_takes_too_long_is_ended(one: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    one.run("prepare", [SOUND], **JOB)
    os.kill(pid(one), signal.SIGSTOP)
    monkeypatch.setattr(pool, "SECONDS", 0.3)
    with pytest.raises(ImageError, match=r"took more than 0\.3 s"):
        one.run("prepare", [SOUND], **JOB)


def test_an_error_of_usage_comes_back_as_one(one: Pool) -> None:
    data = dicom(ramp(12), Modality="CT")
    with pytest.raises(UsageError, match="CT window"):
        one.run("prepare", [data], **{**JOB, "windows": "nothing"})


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the limits")
def test_a_process_has_its_limits(one: Pool) -> None:
    one.run("prepare", [SOUND], **JOB)
    lines = Path(f"/proc/{pid(one)}/limits").read_text().splitlines()
    soft = {line[:26].strip(): line[26:].split()[0] for line in lines[1:]}
    assert soft["Max core file size"] == "0"
    assert soft["Max address space"] == str(3 << 30)
    assert soft["Max open files"] == "32"
    assert int(soft["Max cpu time"]) < 60


def test_processes_end_with_the_program() -> None:
    code = (
        "import sys; from edge_med.imaging.sandbox.pool import POOL\n"
        "from tests.imaging.test_pool import JOB, SOUND\n"
        "POOL.run('prepare', [SOUND], **JOB); print(POOL.idle[0].pid)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only there it is forked")
def test_what_is_busy_ends_with_a_program_that_was_killed() -> None:
    code = (
        "import sys; from edge_med.imaging.sandbox.pool import POOL\n"
        "from tests.imaging.test_pool import JOB, SOUND, pid\n"
        "POOL.run('prepare', [SOUND], **JOB); print(pid(POOL), flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as program:  # type: ignore[call-overload]
        decoder = int(program.stdout.readline())
        os.kill(decoder, signal.SIGSTOP)  # it answers nobody, as one that is busy
        program.kill()
    until(lambda: gone(decoder), "the end of the decoder")


def gone(number: int) -> bool:
    """Whether a process has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{number}/stat").read_text().split()[2] == "Z"
    return True


def test_a_program_without_a_guard_isnt_run_again(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(SOUND)
    script = tmp_path / "script.py"
    script.write_text(
        "from edge_med import imaging\nprint('once')\n"
        f"imaging.open({str(tmp_path / 'image')!r}, side=8)\n"
    )
    command = [sys.executable, str(script)]
    environment = {**os.environ, "PYTHONPATH": str(Path(imaging.__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert (done.stdout, done.stderr) == ("once\n", "")


def test_messages_come_through_a_pipe_whole() -> None:
    taken, given = os.pipe()
    with os.fdopen(taken, "rb") as reader, os.fdopen(given, "wb") as writer:
        pipe.send(writer, {"a": [1, "ö"]}, [b"12", b"", bytes(3)])
        message, blobs = pipe.receive(reader)
        assert message == {"a": [1, "ö"]}
        assert [*map(bytes, blobs)] == [b"12", b"", bytes(3)]
        writer.close()
        with pytest.raises(EOFError):
            pipe.receive(reader)


class Resource:
    """Stands in for `resource`."""

    RLIMIT_CORE, RLIMIT_NOFILE, RLIMIT_AS, RLIMIT_CPU, RUSAGE_SELF = range(5)

    def __init__(self) -> None:
        self.set: dict[int, tuple[int, int]] = {}

    def setrlimit(self, what: int, how: tuple[int, int]) -> None:
        if what == self.RLIMIT_AS:
            raise ValueError  # as macOS does
        self.set[what] = how


def test_limits_are_set_as_far_as_the_system_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    system = Resource()
    monkeypatch.setattr(_platform, "_resource", system)
    _platform.limit_process(memory=100, files=7)
    assert system.set == {Resource.RLIMIT_CORE: (0, 0), Resource.RLIMIT_NOFILE: (7, 7)}


def test_a_system_without_limits_goes_without() -> None:
    limits.limit(None, memory=1, files=1)
    limits.limit_seconds(None, 1)
