"""A second question about the same image, against llama-server: seconds until its first token."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.run import ours
from devtools.reference import BIN, require_tools
from devtools.report import Result, result
from edge_med._platform import usable_cores

PORT = 18_271
CONTEXT = 4096
SIDE = 896
ANSWER = "It is a frontal chest X-ray."
QUESTIONS = (
    "Is the heart enlarged or of normal size?",
    "Is there fluid beside one of the lungs?",
    "Are there any broken ribs in this picture?",
    "Which side of the chest looks darker, and why?",
    "Can you see a device or a line anywhere?",
    "Would you call this examination normal?",
    "How far down does the left diaphragm reach?",
)


def run(folder: Path, work: Path, runs: int) -> list[Result]:
    """Ask both about an image, then follow up in turns.

    Args:
        folder: text model and projector, one of each.
        work: an empty folder.
        runs: follow-ups that count, after one that warms up.

    Raises:
        RuntimeError: a program ended, or the rival is missing.
    """
    require_tools()
    work.mkdir(parents=True)
    image = _image(work / "image.png")
    (projector,) = folder.glob("*mmproj*.gguf")
    (text,) = (path for path in folder.glob("*.gguf") if path != projector)
    with _our_process(folder) as (mine, our_line), _server(text, projector) as their_line:
        rounds = []
        for question in QUESTIONS[: runs + 1]:
            a = _ask_ours(mine, image, question)
            b = _ask_server(image, question)
            print(f"{question}: {a:.2f} s against {b:.2f} s", flush=True)
            rounds.append((a, b))
    counted = rounds[1:]
    return [
        result(
            "follow-up about an image, first token, s",
            [a for a, _ in counted],
            [b for _, b in counted],
            1.0,
            commands=[our_line, their_line],
        )
    ]


def _image(path: Path) -> Path:
    noise = np.random.default_rng(1).integers(0, 256, (14, 14, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path)
    return path


def _messages(image: Any, question: str) -> list[dict[str, Any]]:
    """The same first question and answer each time, and another second one."""
    return [
        {"role": "user", "content": [image, {"type": "text", "text": "What is this?"}]},
        {"role": "assistant", "content": ANSWER},
        {"role": "user", "content": question},
    ]


@contextmanager
def _our_process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = ours("serve", folder, "--context", str(CONTEXT))
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process, " ".join(command)
    finally:
        process.terminate()
        process.wait()


def _ask_ours(process: subprocess.Popen[str], image: Path, question: str) -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    messages = _messages({"type": "image", "image": str(image)}, question)
    began = time.perf_counter()
    process.stdin.write(json.dumps({"messages": messages}) + "\n")
    process.stdin.flush()
    process.stdout.readline()
    seconds = time.perf_counter() - began
    process.stdout.readline()
    return seconds


@contextmanager
def _server(text: Path, projector: Path) -> Iterator[str]:
    command = [str(BIN / "llama-server"), "-m", str(text), "--mmproj", str(projector)]
    command += ["-c", str(CONTEXT), "-t", str(usable_cores()), "-np", "1", "--port", str(PORT)]
    command += ["--no-ui", "--jinja"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(process)
        yield " ".join(command)
    finally:
        process.terminate()
        process.wait()


def _wait(process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            if _request("GET", "/health", None)[0] == http.client.OK:
                return
        except OSError:
            pass
        time.sleep(0.5)
    raise RuntimeError("llama-server ended")


def _ask_server(image: Path, question: str) -> float:
    data = base64.b64encode(image.read_bytes()).decode()
    shown = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    body = {
        "messages": _messages(shown, question),
        "max_tokens": 4,
        "temperature": 0,
        "stream": True,
        "cache_prompt": True,
    }
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=600)
    connection.request("POST", "/v1/chat/completions", json.dumps(body))
    response = connection.getresponse()
    while line := response.readline():
        if line.startswith(b"data: ") and _has_text(line):
            seconds = time.perf_counter() - began
            response.read()
            connection.close()
            return seconds
    raise RuntimeError("llama-server wrote nothing")


def _has_text(line: bytes) -> bool:
    if b"[DONE]" in line:
        return False
    choices = json.loads(line[6:]).get("choices") or [{}]
    return bool(choices[0].get("delta", {}).get("content"))


def _request(method: str, path: str, body: str | None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=600)
    connection.request(method, path, body)
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found
