"""A program that lives through a hundred ends of its engine's process; a process of its own.

Prints each end that went wrong, and how many there were.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge_med import MedGemma, Options
from edge_med.answers import Event, Piece, Progress
from edge_med.errors import EdgeMedError
from tests.engine.service.processes import engines, until_gone

SIGNALS = ("SIGSEGV", "SIGABRT", "SIGILL", "SIGKILL", "cut")
STAGES = ("load", "encode", "read", "write")
SHORT = Options(max_new_tokens=4)
LONG = Options(max_new_tokens=400, stop_loops=False)
WORDS = "the heart is large and the lungs are clear " * 40


class Ends:
    """A model that is used while its process is ended again and again."""

    def __init__(self, folder: Path, quant: str) -> None:
        self.folder, self.random, self.errors = folder, random.Random(1), 0
        (self.text,) = folder.glob(f"*-{quant}.gguf")
        self.size = self.text.stat().st_size
        self.whole = self.text.read_bytes()
        self.model = self.load()

    def load(self) -> MedGemma:
        """Load in a thread, which has ended when the model is used."""
        found: list[MedGemma | EdgeMedError] = []

        def load() -> None:
            try:
                found.append(MedGemma.load(self.folder, context=2048, threads=1))
            except EdgeMedError as error:
                found.append(error)

        thread = threading.Thread(target=load)
        thread.start()
        thread.join()
        (one,) = found
        if isinstance(one, EdgeMedError):
            raise one
        return one

    def end(self, how: str) -> None:
        """End the engine's process."""
        if how == "cut":
            os.truncate(self.text, 4096)
            return
        for pid in engines(os.getpid()):
            os.kill(pid, getattr(signal, how))

    def during_load(self, how: str, number: int) -> str | None:
        self.model.close()
        seconds = self.random.uniform(0.0, 0.5)
        timer = threading.Timer(seconds, self.end, [how])
        timer.start()
        try:
            self.model = self.load()
        except EdgeMedError:
            self.errors += 1
            timer.join()
            self.mend()
            self.model = self.load()
        timer.join()
        self.mend()
        return None

    def during_answer(self, how: str, stage: str, number: int) -> str | None:
        pixels = np.full((self.model.side, self.model.side, 3), number, dtype=np.uint8)
        image = pixels if stage == "encode" else None
        text = f"{number} {WORDS if stage == 'read' else 'is it large'}"
        try:
            ended = False
            for event in self.model.stream(text, image=image, options=LONG):
                if not ended and _reached(event, stage):
                    self.end(how)
                    ended = True
        except EdgeMedError as error:
            self.errors += 1
            return None if error.exit_code in (4, 5, 6) and error.hint else repr(error)
        finally:
            self.mend()
        return None if ended else "the stage wasn't reached"

    def mend(self) -> None:
        """Put the file back that was cut."""
        if self.text.stat().st_size != self.size:
            self.text.write_bytes(self.whole)

    def answers(self) -> str | None:
        """What is wrong with the next answer."""
        try:
            answer = self.model.ask("is the heart large", options=SHORT)
        except EdgeMedError as error:
            return f"the next call fails: {error.message}"
        if not answer.text:
            return "the next answer is empty"
        return None if len(engines(os.getpid())) == 1 else "there are orphans"


def _reached(event: Event, stage: str) -> bool:
    if stage == "write":
        return isinstance(event, Piece)
    return isinstance(event, Progress) and event.stage == stage


def main(folder: str, count: int, quant: str = "Q8_0") -> None:
    """End the process so many times."""
    with tempfile.TemporaryDirectory() as copy:
        place = Path(copy) / "model"
        shutil.copytree(folder, place)
        _run(place, count, quant)


def _run(folder: Path, count: int, quant: str) -> None:
    ends = Ends(folder, quant)
    fork = os.fork()
    if fork == 0:
        time.sleep(3600)
        os._exit(0)
    files = sorted(os.listdir(folder))  # noqa: PTH208 - names alone
    done = 0
    for number in range(count):
        how, stage = SIGNALS[number % 5], STAGES[number // 5 % 4]
        attempt: Callable[[], str | None] = lambda: (  # noqa: E731
            ends.during_load(how, number)  # noqa: B023
            if stage == "load"  # noqa: B023
            else ends.during_answer(how, stage, number)  # noqa: B023
        )
        wrong = attempt() or ends.answers()
        if sorted(os.listdir(folder)) != files:  # noqa: PTH208
            wrong = "a file was left"
        if wrong:
            print(f"{number} {how} {stage}: {wrong}", flush=True)
        done += 1
    ends.model.close()
    try:
        until_gone(engines(os.getpid()))
    except AssertionError:
        print("an orphan is left")
    os.kill(fork, signal.SIGKILL)
    print(json.dumps({"ended": done, "errors": ends.errors}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
