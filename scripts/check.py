"""Run every check, the same way for a person and for CI.

python -m scripts.check [--fast] [NAME ...]

Without a name, all of them; with --fast, those that find most of what is wrong in less than a
minute: lint, format, types, import rules, and the tests of FAST. It ends with the number
of those that failed.
"""

from __future__ import annotations

import subprocess
import sys
import time

SEED = 20261130
"""Order of the tests here: what a change breaks shows itself again. `pytest` alone, and the nightly
run, take another order each time."""

CHECKS = {
    "lint": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
    "imports": ["lint-imports", "--no-cache"],
    "workflows": ["zizmor", "--offline", "--quiet", ".github"],
    "tests": ["pytest", "--durations=5", f"--randomly-seed={SEED}"],
    "timing": ["pytest", "-m", "timing"],
    "docs": [sys.executable, "-m", "scripts.check_docs"],
    "wheel": [sys.executable, "-m", "scripts.check_wheel"],
}

FAST = (
    "tests/architecture",
    "tests/artifacts",
    "tests/planner",
    "tests/engine/cache",
    "tests/engine/decode",
    "tests/chat",
)
"""Folders of tests that load no model, or only tiny ones."""

QUICK = {
    "lint": CHECKS["lint"],
    "format": CHECKS["format"],
    "types": CHECKS["types"],
    "imports": ["lint-imports"],
    "tests": ["pytest", "-q", *FAST],
}
"""The checks of --fast, by the same names; those of types and imports keep what they know."""


def main(arguments: list[str]) -> int:
    names = [one for one in arguments if one != "--fast"]
    checks = QUICK if "--fast" in arguments else CHECKS
    if unknown := set(names) - checks.keys():
        print(f"no such check: {', '.join(sorted(unknown))}; there are {', '.join(checks)}")
        return 2
    failed = [name for name in names or checks if not passes(name, checks[name])]
    print(f"failed: {', '.join(failed)}" if failed else "all checks passed", flush=True)
    return len(failed)


def passes(name: str, command: list[str]) -> bool:
    print(f"\n== {name}: {' '.join(command)}", flush=True)
    start = time.perf_counter()
    done = subprocess.run(command, check=False)
    print(
        f"== {name}: {time.perf_counter() - start:.0f} s, exit code {done.returncode}", flush=True
    )
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
