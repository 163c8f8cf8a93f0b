"""The engine in a process of its own: it answers as in a thread, and its end ends nobody else."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edge_med import MedGemma, Options
from edge_med.answers import End, Event, Piece
from edge_med.engine.service import process
from edge_med.errors import EdgeMedError, EngineError, UsageError
from tests.engine.service.processes import (
    LONG,
    PIXELS,
    ROOT,
    SHORT,
    engine,
    engines,
    runs,
    until_gone,
)
from tests.waiting import until

pytestmark = [
    pytest.mark.isolated,
    pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc"),
]


def test_it_answers_as_in_a_thread(tiny: MedGemma, files: Path) -> None:
    with MedGemma.load(files, context=2048, threads=1, isolation="thread") as other:
        for image in (None, PIXELS):
            found, expected = (
                one.ask("is it large", image=image, options=SHORT) for one in (tiny, other)
            )
            assert (found.text, found.usage) == (expected.text, expected.usage)
            assert found.provenance == expected.provenance
        assert tiny.count("is it large") == other.count("is it large")
        assert tiny.score("is it", " large") == other.score("is it", " large")
        assert tiny.info.plan == other.info.plan


def test_an_error_is_the_same(tiny: MedGemma) -> None:
    with pytest.raises(UsageError, match="There is no adapter") as caught:
        tiny.ask("x", options=Options(adapters={"chest": 1.0}))
    assert caught.value.hint


def test_a_conversation_reads_only_what_is_new(tiny: MedGemma) -> None:
    chat = tiny.chat()
    chat.send("what is it", image=PIXELS, options=SHORT)
    answer = chat.send("is it large", options=SHORT)
    assert answer.usage.cached > 0
    assert answer.timings.encode == 0


def test_cancelling_reaches_it(tiny: MedGemma) -> None:
    events = tiny.stream("the heart", options=LONG)
    for event in events:
        if isinstance(event, Piece):
            assert tiny.cancel()
        if isinstance(event, End):
            assert event.answer.finish_reason == "cancelled"


def test_closing_ends_it(files: Path) -> None:
    with MedGemma.load(files, context=512):
        pids = engines(os.getpid())
        assert len(pids) == 1
    assert not any(runs(pid) for pid in pids)


def test_a_model_that_nobody_holds_is_closed(files: Path) -> None:
    loaded = MedGemma.load(files, context=512)
    pids = engines(os.getpid())
    del loaded
    until_gone(pids)


def test_what_can_not_be_opened_says_why_and_leaves_nothing(files: Path) -> None:
    with pytest.raises(UsageError, match="cuda7"):
        MedGemma.load(files, device="CUDA7")
    assert not engines(os.getpid())


def test_nothing_of_a_question_is_in_its_arguments_or_its_environment(tiny: MedGemma) -> None:
    tiny.ask("canary-7411", options=SHORT)
    folder = Path(f"/proc/{engine()}")
    assert (
        b"canary-7411" not in (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
    )


def test_it_leaves_no_core_and_goes_first_without_memory(tiny: MedGemma) -> None:
    folder = Path(f"/proc/{engine()}")
    (core,) = [line for line in (folder / "limits").read_text().splitlines() if "core" in line]
    assert core.split()[4:6] == ["0", "0"]
    assert (folder / "oom_score_adj").read_text().strip() == "1000"


def test_ctrl_c_is_the_programs_alone(tiny: MedGemma) -> None:
    pid = engine()
    assert os.getpgid(pid) == pid
    os.kill(pid, signal.SIGINT)
    assert tiny.ask("is it large", options=SHORT).usage.answer
    assert engine() == pid


def test_its_log_comes_to_our_loggers(files: Path, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("edge_med.llama_cpp")
    logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.INFO, "edge_med.llama_cpp"), MedGemma.load(files, context=512):
            pass
    finally:
        logger.removeHandler(caplog.handler)
    assert any("llama" in record.getMessage() for record in caplog.records)


SIGNALS = ("SIGSEGV", "SIGABRT", "SIGILL", "SIGBUS", "SIGKILL")


@pytest.mark.parametrize("name", SIGNALS)
def test_a_crash_is_an_error_of_the_call_and_the_next_one_answers(
    name: str, tiny: MedGemma
) -> None:
    first = tiny.ask("is it small", options=SHORT).text
    events = tiny.stream(f"the heart {name}", options=LONG)
    next(event for event in events if isinstance(event, Piece))
    os.kill(engine(), getattr(signal, name))
    with pytest.raises(EngineError, match=name) as caught:
        list(events)
    assert caught.value.exit_code == 6
    answer = tiny.ask("is it small", options=SHORT)
    assert answer.text == first
    assert "restarted" in [notice.code for notice in answer.notices]
    assert len(engines(os.getpid())) == 1


def test_a_conversation_goes_on_after_a_crash(tiny: MedGemma) -> None:
    chat = tiny.chat()
    chat.send("what is it", image=PIXELS, options=SHORT)
    before = chat.send("is it large", options=SHORT).text
    chat.undo()
    os.kill(engine(), signal.SIGSEGV)
    answer = chat.send("is it large", options=SHORT)
    assert answer.text == before
    assert answer.usage.image == 4


def test_each_conversation_says_once_that_it_is_read_again(tiny: MedGemma) -> None:
    chats = [tiny.chat(), tiny.chat()]
    for chat in chats:
        chat.send("is it large", options=SHORT)
    os.kill(engine(), signal.SIGSEGV)
    for chat in chats:
        codes = [
            [notice.code for notice in chat.send("is it small", options=SHORT).notices]
            for _ in range(2)
        ]
        assert [one.count("restarted") for one in codes] == [1, 0]
    assert "restarted" not in [one.code for one in tiny.chat().send("x", options=SHORT).notices]


def test_what_waits_behind_a_crash_is_answered(tiny: MedGemma) -> None:
    found: list[str] = []
    first = tiny.stream("the heart", options=LONG)
    next(event for event in first if isinstance(event, Piece))
    second = threading.Thread(
        target=lambda: found.append(tiny.ask("is it large", options=SHORT).finish_reason)
    )
    second.start()
    until(lambda: tiny._client.calls == 2, "the second question")
    os.kill(engine(), signal.SIGSEGV)
    with pytest.raises(EngineError):
        list(first)
    second.join()
    assert found == ["length"]


def test_a_file_that_is_cut_short_under_its_mapping_ends_the_call_alone(
    files: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "model"
    shutil.copytree(files, copy)
    (text,) = copy.glob("*F32.gguf")
    with MedGemma.load(copy, context=512, threads=1) as loaded:
        whole = text.read_bytes()
        os.truncate(text, 4096)
        with pytest.raises(EdgeMedError) as caught:
            loaded.ask("is it large", options=SHORT)
        assert caught.value.exit_code in (4, 6)
        text.write_bytes(whole)
        assert loaded.ask("is it large", options=SHORT).usage.answer


def test_a_process_that_is_stopped_for_longer_than_its_patience_goes_on(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "PATIENCE", 1.5)
    with MedGemma.load(files, context=2048, threads=1) as loaded:
        expected = loaded.ask("the heart", options=SHORT).text
        events = loaded.stream("the heart", options=SHORT)
        first = next(events)
        pid = engine()
        os.kill(pid, signal.SIGSTOP)
        time.sleep(3)
        os.kill(pid, signal.SIGCONT)
        rest: list[Event] = [first, *events]
        assert isinstance(rest[-1], End)
        assert rest[-1].answer.text == expected


def test_memory_that_is_refused_is_named(files: Path) -> None:
    code = (
        "import resource, sys\n"
        "from edge_med import MedGemma, Options\n"
        "from edge_med.errors import EdgeMedError\n"
        "import edge_med.engine.service.process as process\n"
        "start = process._started\n"
        "def limited(command):\n"
        '    limit = f\'ulimit -v {sys.argv[2]}; exec "$0" "$@"\'\n'
        "    return start(['sh', '-c', limit, *command])\n"
        "process._started = limited\n"
        "try:\n"
        "    model = MedGemma.load(sys.argv[1], context=2048, threads=1)\n"
        "    print(model.ask('is it large', options=Options(max_new_tokens=4)).usage.answer)\n"
        "except EdgeMedError as error:\n"
        "    print(type(error).__name__, error.message, error.hint)\n"
    )
    for kilobytes in range(60_000, 1_000_000, 100_000):
        done = subprocess.run(
            [sys.executable, "-c", code, str(files), str(kilobytes)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == "4" or "memory" in done.stdout.lower(), (
            kilobytes,
            done.stdout,
        )
