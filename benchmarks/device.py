"""A model on a device, wholly and partly, and llama.cpp's programs of the same build, by turns."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.ours import CONTEXT, PICTURE
from benchmarks.run import ours
from devtools.reference import BIN
from devtools.report import Result, result
from edge_med._platform import usable_cores
from edge_med.artifacts.gguf import read_header

SIDE = 896
PROGRAMS = ("llama-bench", "llama-mtmd-cli")
LISTED = re.compile(r"^ +(\w+): ", re.MULTILINE)
ENCODED = re.compile(r"batch encoding done in (\d+) ms")
READ = re.compile(r"prompt eval time = +([\d.]+) ms")

Pair = tuple[Path, Path]
Line = dict[str, float]


def run(
    folder: Path, work: Path, runs: int, *, device: str | None, new: int, read: int
) -> list[Result]:
    """Reading, writing, and looking at a picture: all layers on the device, then half of them.

    Each round is printed when it is done, so that a run that is ended early has said something.

    Args:
        folder: a text model and its projector, one of each.
        work: an empty folder.
        runs: rounds that count, after one that warms up.
        device: llama.cpp's name of it; its first if None.
        new: tokens written.
        read: tokens read.

    Raises:
        RuntimeError: there is no such device, a rival is missing, or a command failed.
    """
    _require(BIN)
    name = _named(device)
    work.mkdir(parents=True)
    images = [_image(work / f"{number}.png", number) for number in range(runs + 1)]
    (projector,) = folder.glob("*mmproj*.gguf")
    (text,) = (path for path in folder.glob("*.gguf") if path != projector)
    count = (read_header(text).integer("gemma3.block_count") or 0) + 1
    found: list[Result] = []
    for layers in (count, count // 2):
        told = f"{layers} of {count} layers on {name}"
        found += _speed(text, runs, [name, str(layers)], (new, read), told)
        found += _picture((text, projector), images, [name, str(layers)], told)
    return found


def _require(programs: Path) -> None:
    for program in PROGRAMS:
        if not (programs / program).exists():
            raise RuntimeError(f"{programs / program} is missing; see scripts/gpu_trial.sh.")


def _named(device: str | None) -> str:
    """By llama-bench, since a process that asks the device takes some of its memory."""
    told, _ = _output([str(BIN / "llama-bench"), "--list-devices"])
    there = LISTED.findall(told)
    name = device or next(iter(there), None)
    if name is None or name not in there:
        raise RuntimeError(f"llama.cpp has no device {name or 'at all'}, only {there or 'the CPU'}")
    return name


def _speed(
    text: Path, runs: int, place: Sequence[str], sizes: tuple[int, int], told: str
) -> list[Result]:
    device, layers = place
    new, read = map(str, sizes)
    where = ["--device", device, "--gpu-layers", layers]
    mine = ours("speed", text, "--new", new, "--read", read, *where)
    theirs = [str(BIN / "llama-bench"), "-m", str(text), "-p", read, "-n", new, "-r", "1"]
    theirs += ["-t", str(usable_cores()), "-fa", "auto", "-dev", device, "-ngl", layers]
    theirs += ["-o", "json"]
    rounds = [_said(told, _json(mine), _benched(theirs)) for _ in range(runs + 1)][1:]
    return [
        result(
            f"{text.stem}, {told}: {what}, s for 1,000 tokens",
            [1000 / a[what] for a, _ in rounds],
            [1000 / b[what] for _, b in rounds],
            1 / 0.97,
            1.0,
            [shlex.join(mine), shlex.join(theirs)],
        )
        for what in ("read", "decode")
    ]


def _picture(pair: Pair, images: list[Path], place: Sequence[str], told: str) -> list[Result]:
    """Each picture is seen by both, ours in one process that stays."""
    text, projector = pair
    device, layers = place
    mine = ours("see", text.parent, "--device", device, "--gpu-layers", layers)
    theirs = [str(BIN / "llama-mtmd-cli"), "-m", str(text), "--mmproj", str(projector)]
    theirs += ["-dev", device, "-ngl", layers, "-t", str(usable_cores()), "-c", str(CONTEXT)]
    theirs += ["-n", "1", "-lv", "4", "-p", PICTURE, "--image"]
    with _our_process(mine) as process:
        rounds = [
            _said(told, _see(process, image), _seen([*theirs, str(image)])) for image in images
        ][1:]
    return [
        result(
            f"{text.stem}, {told}: {what}, s",
            [sum(a[part] for part in parts) for a, _ in rounds],
            [sum(b[part] for part in parts) for _, b in rounds],
            1 / 0.97,
            1.0,
            [shlex.join(mine), shlex.join(theirs)],
        )
        for what, parts in (
            ("a picture through the projector", ["encode"]),
            ("a picture and a question read", ["encode", "read"]),
        )
    ]


def _said(told: str, mine: Line, theirs: Line) -> tuple[Line, Line]:
    pairs = [f"{key} {mine[key]:.4g} (theirs {theirs[key]:.4g})" for key in theirs]
    print(f"{told}: {', '.join(pairs)}", flush=True)
    return mine, theirs


def _image(path: Path, seed: int) -> Path:
    noise = np.random.default_rng(seed).integers(0, 256, (14, 14, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path)
    return path


def _json(command: list[str]) -> Line:
    found: Line = json.loads(_output(command)[0])
    return found


def _benched(command: list[str]) -> Line:
    rows = json.loads(_output(command)[0])
    return {"read" if row["n_prompt"] else "decode": row["avg_ts"] for row in rows}


@contextmanager
def _our_process(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _see(process: subprocess.Popen[str], image: Path) -> Line:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{image}\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("our process ended before it saw the picture")
    found = json.loads(line)
    if found["device"] == "cpu":
        raise RuntimeError("the projector was moved to the CPU")
    return {"encode": found["encode"], "read": found["read"]}


def _seen(command: list[str]) -> Line:
    """Seconds that llama-mtmd-cli tells of the projector, and of the rest of the prompt."""
    told = "".join(_output(command))
    encoded, read = ENCODED.search(told), READ.search(told)
    if encoded is None or read is None:
        raise RuntimeError(f"llama-mtmd-cli told no times:\n{told[-2000:]}")
    in_projector, in_all = int(encoded[1]) / 1000, float(read[1]) / 1000
    # It counts from its first text until it waits for the device, with the projector in between.
    if in_all < in_projector:
        raise RuntimeError(f"llama-mtmd-cli counts otherwise than was seen:\n{told[-2000:]}")
    return {"encode": in_projector, "read": in_all - in_projector}


def _output(command: list[str]) -> tuple[str, str]:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, check=False, errors="replace"
    )
    if done.returncode:
        tail = (done.stdout + done.stderr)[-2000:]
        raise RuntimeError(f"{shlex.join(command)}\nended with {done.returncode}\n{tail}")
    return done.stdout, done.stderr
