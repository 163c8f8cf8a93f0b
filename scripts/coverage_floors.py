"""Measure which branches of the pure rooms their tests take, and compare that with the floors.

python -m scripts.coverage_floors

A pure room computes: it starts no process and loads no model, so what its tests don't reach nothing
else shows. Whoever adds code to such a room adds tests until the floor is reached; whoever covers
more may raise it. It ends with the number of rooms below their floors,
and one more if a test fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FLOORS = {
    "edge_med/artifacts": 97,
    "edge_med/chat": 96,
    "edge_med/conversation": 98,
    "edge_med/engine/cache": 99,
    "edge_med/engine/decode": 98,
    "edge_med/engine/grammar": 95,
    "edge_med/message_forms": 98,
    "edge_med/planner": 96,
    "converters": 92,
}
"""Room to per cent of its branches and statements, as coverage.py counts them together."""

TESTS = (
    "tests/artifacts",
    "tests/chat",
    "tests/converters",
    "tests/engine/cache",
    "tests/engine/decode",
    "tests/engine/grammar",
    "tests/planner",
    "tests/test_*.py",
)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        failed = measure(report)
        files = json.loads(report.read_text("utf-8"))["files"]
    low = 0
    print("\n| room | branches and statements, % | floor |\n|---|---|---|")
    for room, floor in FLOORS.items():
        share = covered(room, files)
        low += share < floor
        print(f"| {room} | {share:.1f} | {floor} |{' below it' if share < floor else ''}")
    return low + failed


def measure(report: Path) -> bool:
    """Run the tests, and have a report of each file written; says whether a test has failed."""
    tests = sorted(str(path) for pattern in TESTS for path in Path().glob(pattern))
    measured = (f"--cov={room}" for room in FLOORS)
    command = ["pytest", "-q", *measured, "--cov-branch", f"--cov-report=json:{report}", *tests]
    environment = {**os.environ, "COVERAGE_FILE": str(report.with_name("data"))}
    return subprocess.run(command, check=False, env=environment).returncode != 0


def covered(room: str, files: dict[str, Any]) -> float:
    """Per cent of a room's branches and statements that were taken."""
    found = [*_summaries(room, files)]
    taken = sum(one["covered_lines"] + one["covered_branches"] for one in found)
    there = sum(one["num_statements"] + one["num_branches"] for one in found)
    return 100 * taken / there


def _summaries(room: str, files: dict[str, Any]) -> Iterator[dict[str, int]]:
    for name, file in files.items():
        if Path(name).is_relative_to(room):
            yield file["summary"]


if __name__ == "__main__":
    sys.exit(main())
