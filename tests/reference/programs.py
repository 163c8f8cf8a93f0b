"""llama.cpp's own programs, run as their users run them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from devtools.reference import BIN

HOST = "127.0.0.1"
SECONDS = 120
"""How long a program may take to load or to answer."""

ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("LLAMA_", "GGML_"))}
ONE_WAY = ("-ngl", "0", "-t", "1", "-c", "512", "--offline")
"""No GPU and one thread, so that two runs over the same numbers give the same numbers."""

ALONE = ("--host", HOST, "--port", "0", "--no-ui", "-np", "1")
"""For this machine only, on a free port of the server's choice, for one asker at a time."""


@dataclass(frozen=True)
class Pair:
    """A text model and its projector, if it has one."""

    text: Path
    projector: Path | None = None

    @property
    def flags(self) -> list[str]:
        """How llama.cpp's programs are told of them."""
        projector = ["--mmproj", str(self.projector)] if self.projector else []
        return ["-m", str(self.text), *projector, *ONE_WAY]


@dataclass(frozen=True)
class Server:
    """A llama-server that has loaded its model."""

    port: int

    def post(self, path: str, question: dict[str, Any]) -> Any:
        """Ask, and have the answer out of its JSON."""
        status, answer = _ask(self.port, "POST", path, json.dumps(question))
        assert status == 200, answer
        return json.loads(answer)


def mtmd_cli(pair: Pair, image: Path, prompt: str, *flags: str) -> bytes:
    """What llama-mtmd-cli says of an image; a token may be less than a whole character."""
    command = [str(BIN / "llama-mtmd-cli"), *pair.flags, "--image", str(image), "-p", prompt]
    done = subprocess.run(
        [*command, *flags],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@contextmanager
def server(pair: Pair, log: Path) -> Iterator[Server]:
    """llama-server with a pair of files, as long as it is used."""
    command = [str(BIN / "llama-server"), *pair.flags, *ALONE]
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=out, stderr=out)
    try:
        yield Server(_port_when_ready(process, log))
    finally:
        process.terminate()
        process.wait(SECONDS)


def _port_when_ready(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        said = re.search(rf"listening on http://{HOST}:(\d+)", log.read_text("utf-8", "replace"))
        if said and _ask(int(said[1]), "GET", "/health")[0] == 200:
            return int(said[1])
        time.sleep(0.1)
    pytest.fail(f"llama-server didn't start:\n{log.read_text('utf-8', 'replace')[-2000:]}")


def _ask(port: int, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
    with closing(HTTPConnection(HOST, port, timeout=SECONDS)) as connection:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
