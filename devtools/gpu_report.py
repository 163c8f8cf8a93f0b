"""Say in a few lines what a log of scripts/gpu_trial.sh holds, also where it breaks off.

python devtools/gpu_report.py build  BUILD.log NINJA_LOG
python devtools/gpu_report.py tests  TESTS.log
python devtools/gpu_report.py bench  MEASURE.log

It runs before anything is installed, and needs nothing but Python.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

STEP = re.compile(r"^\[(\d+)/(\d+)\]", re.MULTILINE)
"""How ninja numbers its steps."""

BROKEN = re.compile(r"^.*(?:\berror\b|FAILED:|fatal).*$", re.MULTILINE | re.IGNORECASE)
DONE = re.compile(r"^(tests/\S+::.*?) (PASSED|FAILED|ERROR|SKIPPED)\b", re.MULTILINE)
CHOSEN = re.compile(r"collected (\d+) items?(?: / (\d+) deselected)?")
WHY = re.compile(r"^((?:FAILED|ERROR) tests/.*)$", re.MULTILINE)
FIGURE = re.compile(r"^((?:tiny|micro|270m) .*|Row\(.*)$", re.MULTILINE)
"""What the tests of a device print of their agreement."""

SLOWEST = 6
SHOWN = 12
WIDTH = 240


def build(log: str, ninja: str) -> Iterator[str]:
    """How far a build came, what it cost, and what took longest."""
    steps = STEP.findall(log)
    if steps:
        yield f"{steps[-1][0]} of {steps[-1][1]} steps done."
    times = sorted(compiled(ninja), reverse=True)
    for kind, suffix in (("CUDA", ".cu.o"), ("C and C++", "")):
        of = [seconds for seconds, name in times if name.endswith(".cu.o") == bool(suffix)]
        if of:
            yield f"{kind}: {len(of)} files, {sum(of):,.0f} s of compilers, longest {of[0]:.0f} s."
    if times:
        longest = (f"{Path(name).name} {seconds:.0f} s" for seconds, name in times[:SLOWEST])
        yield f"Slowest: {', '.join(longest)}."
    yield from (f"    {line[:WIDTH]}" for line in BROKEN.findall(log)[:SHOWN])


def compiled(ninja: str) -> list[tuple[float, str]]:
    """Seconds and name of each object by .ninja_log: start and end in ms, a time, the output."""
    rows = (line.split("\t") for line in ninja.splitlines() if not line.startswith("#"))
    last = {row[3]: int(row[1]) - int(row[0]) for row in rows if len(row) >= 4}
    return [(ms / 1000, name) for name, ms in last.items() if name.endswith(".o")]


def tests(log: str, *_: str) -> Iterator[str]:
    """How many tests passed, failed and weren't reached; why those failed; what they printed."""
    counts = Counter(verdict for _, verdict in DONE.findall(log))
    chosen = CHOSEN.search(log)
    wanted = int(chosen[1]) - int(chosen[2] or 0) if chosen else 0
    said = [f"{count} {verdict.lower()}" for verdict, count in sorted(counts.items())]
    missed = max(0, wanted - len(set(DONE.findall(log))))
    yield f"Of {wanted} tests: {', '.join(said) or 'none ended'}, {missed} not reached."
    yield from (f"- {line[:WIDTH]}" for line in WHY.findall(log)[:SHOWN])
    yield from (f"    {line[:WIDTH]}" for line in dict.fromkeys(FIGURE.findall(log)))
    if not wanted:
        yield from (f"    {line[:WIDTH]}" for line in log.splitlines()[-SHOWN:])


def bench(log: str, *_: str) -> Iterator[str]:
    """The table of a benchmark; its rounds, and how it ended, where it has none."""
    lines = [line for line in log.splitlines() if line.strip()]
    table = [line for line in lines if line.startswith("|")]
    rounds = [line for line in lines if " (theirs " in line and not line.startswith("|")]
    yield from (f"- {line[:WIDTH]}" for line in rounds)
    if table:
        yield from ("", *table)
    elif lines:
        yield from ("", *(f"    {line[:WIDTH]}" for line in lines[-SHOWN:]))


def end(log: str, *_: str) -> Iterator[str]:
    """The last lines of any other log."""
    yield from (f"    {line[:WIDTH]}" for line in log.splitlines()[-SHOWN:])


SAY: dict[str, Callable[..., Iterator[str]]] = {
    "build": build,
    "tests": tests,
    "bench": bench,
    "log": end,
}


def main(what: str, *paths: str) -> None:
    texts = (
        Path(path).read_text("utf-8", "replace") if Path(path).exists() else "" for path in paths
    )
    print("\n".join(SAY[what](*texts)))


if __name__ == "__main__":
    main(*sys.argv[1:])
